// Colours of a channel's values, and the key that explains them.
//
// The ramp rises evenly in lightness, so that it can be read without colours and by the colour-blind (its hues are those of
// matplotlib's viridis, without the end that vanishes on the page). Red stays the colour of what is over a limit.
const scale = (() => {
  const LIGHT = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962"];
  const DARK = ["#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
  const STEPS = 24; // more cannot be told apart
  const DRIVER = ["throttle", "brake", "both", "coasting", "gap"], { colour } = canvas;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // The ramp's colour at a share from 0 to 1.
  function ramp(share) {
    const stops = dark.matches ? DARK : LIGHT, at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
    const i = Math.min(Math.floor(at), stops.length - 2), part = at - i;
    const [a, b] = [stops[i], stops[i + 1]].map((stop) => [1, 3, 5].map((from) => parseInt(stop.slice(from, from + 2), 16)));
    return `rgb(${a.map((v, k) => Math.round(v + part * (b[k] - v))).join(" ")})`;
  }

  // {colours, widths, of(value): index of its colour, -1 if unknown, names, ends} of a channel.
  function of(channel) {
    const known = (index) => (value) => (Number.isNaN(value) ? -1 : index(value));
    if (channel.key === "drive.driver")
      return { colours: DRIVER.map(colour), names: channel.classes, of: known(Math.round) };
    if (channel.key === "drive.over_kmh") {
      const { tolerance_kmh: tolerance } = doc.samples, names = ["not above", `up to ${tolerance} km/h above`, "more"];
      return { colours: ["speed", "slight", "over"].map(colour), widths: [3, 4, 5], names, of: known((v) => (v <= 0 ? 0 : v <= tolerance ? 1 : 2)) };
    }
    const { low, high } = channel, span = high - low;
    if (channel.whole) {
      const first = Math.round(low), count = Math.round(span) + 1, numbers = Array.from({ length: count }, (_, i) => first + i);
      const clamp = (v) => Math.min(count - 1, Math.max(0, Math.round(v) - first));
      return { colours: numbers.map((_, i) => ramp(count > 1 ? i / (count - 1) : 0.5)), names: numbers.map(String), of: known(clamp) };
    }
    const colours = Array.from({ length: STEPS }, (_, i) => ramp(i / (STEPS - 1)));
    const step = (v) => Math.min(STEPS - 1, Math.max(0, Math.floor((v - low) / (span || 1) * STEPS)));
    return { colours, ends: [low, (low + high) / 2, high].map((v) => texts.value(channel, v)), of: known(step) };
  }
  // Write the key of a channel into an element.
  function explain(element, channel) {
    const { colours, names, ends } = of(channel);
    element.replaceChildren();
    if (names) {
      for (const [i, name] of names.entries()) {
        const chip = document.createElement("span"), patch = document.createElement("i");
        patch.style.background = colours[i]; chip.append(patch, name); element.append(chip);
      }
      return;
    }
    const strip = document.createElement("div"), row = document.createElement("span");
    strip.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
    strip.className = "strip"; row.className = "ends";
    for (const end of ends) { const text = document.createElement("span"); text.textContent = end; row.append(text); }
    element.append(strip, row);
  }
  dark.addEventListener("change", view.redraw);
  return { of, explain, ramp };
})();
