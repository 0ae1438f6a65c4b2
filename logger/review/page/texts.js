// Numbers as people read them: values with fitting decimals, distances, times, differences with their sign.
const texts = (() => {
  const NONE = "–", decimals = new Map();

  // Decimals of a channel: none for whole numbers, else three digits of its range.
  function digits(channel) {
    if (!decimals.has(channel)) {
      const { y, low = y, high = y } = channel;
      let least = Infinity, most = -Infinity, isWhole = true;
      for (let i = 0; i < y.length; i++) {
        if (low[i] < least) least = low[i];
        if (high[i] > most) most = high[i];
        if (isWhole && y[i] % 1) isWhole = false; // NaN is not
      }
      const span = most - least || Math.abs(most) || 1;
      decimals.set(channel, isWhole ? 0 : Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(span)))));
    }
    return decimals.get(channel);
  }
  const signed = (text, value) => (value > 0 ? "+" : "") + text.replace("-", "−");
  const value = (channel, number) => isFinite(number) ? number.toFixed(digits(channel)).replace("-", "−") : NONE;
  const difference = (channel, number) => isFinite(number) ? signed(number.toFixed(digits(channel)), number) : NONE;
  // h:mm:ss with decimals; the hours are left out of a short one.
  function duration(seconds, places = 1) {
    if (!isFinite(seconds)) return NONE;
    const ticks = Math.round(Math.abs(seconds) * 10 ** places), all = Math.floor(ticks / 10 ** places);
    const two = (number) => String(number).padStart(2, "0"), rest = String(ticks % 10 ** places).padStart(places, "0");
    const text = `${Math.floor(all / 3600)}:${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
    return (seconds < 0 ? "−" : "") + text + (places ? "." + rest : "");
  }
  // Time of day in UTC, or since the first fix where UTC is unknown.
  function clock(seconds, places = 1) {
    if (!isFinite(seconds)) return NONE;
    if (doc.clock.begin_ms === null) return duration(seconds, places);
    return new Date(doc.clock.begin_ms + seconds * 1000).toISOString().slice(11, places ? 20 + places : 19);
  }
  const timeName = doc.clock && doc.clock.begin_ms !== null ? "UTC" : "Time";
  // The section and its kilometre at a kilometre of the day.
  function place(km) {
    const range = doc.ranges.findLast((r) => r.from <= km);
    return range ? `${range.name} km ${(km - range.from).toFixed(3)}` : `km ${km.toFixed(3)}`;
  }
  const unit = (text) => text ? " " + text : "";
  return { NONE, value, difference, signed, duration, clock, timeName, place, unit };
})();
