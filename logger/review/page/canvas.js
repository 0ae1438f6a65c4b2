// A canvas that fills its box in the screen's own pixels, and the colours of style.css.
const canvas = (() => {
  let colours = new Map();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { colours = new Map(); });

  // The colour of a name: `speed` is the style's --speed.
  function colour(name) {
    if (!colours.has(name)) colours.set(name, getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim());
    return colours.get(name);
  }
  // Clear a canvas; returns its context, width and height, all in CSS pixels.
  function fit(element) {
    const ratio = window.devicePixelRatio || 1, box = element.getBoundingClientRect();
    const width = Math.round(box.width * ratio), height = Math.round(box.height * ratio);
    if (element.width !== width || element.height !== height) { element.width = width; element.height = height; }
    const g = element.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0); g.clearRect(0, 0, box.width, box.height);
    g.font = "12px system-ui, 'DejaVu Sans', sans-serif"; g.lineJoin = "round";
    return [g, box.width, box.height];
  }
  // Write a text with an outline, readable on anything.
  function label(g, text, x, y, name = "ink") {
    g.lineWidth = 3; g.strokeStyle = colour("paper"); g.strokeText(text, x, y);
    g.fillStyle = colour(name); g.fillText(text, x, y);
  }
  return { colour, fit, label };
})();
