// The readout: place, time and the values of the shown channels at the cursor.
const readout = (() => {
  const element = document.getElementById("readout");

  function write() {
    const { cursor } = view;
    if (cursor === null) { element.textContent = "drag to zoom, double-click to show all, hover to read values"; return; }
    const km = view.kmAt(cursor), range = doc.ranges.findLast((r) => r.from <= km);
    const words = [range ? `${range.name} km ${(km - range.from).toFixed(3)}` : `km ${km.toFixed(3)}`];
    if (doc.clock) {
      const s = columns.valueAt(view.x(doc.clock), doc.clock.s, cursor);
      if (isFinite(s)) words.push(new Date(doc.clock.begin_ms + s * 1000).toISOString().slice(11, 19) + " UTC");
    }
    for (const lane of view.lanes)
      for (const channel of view.shown(lane)) {
        const value = view.valueAt(channel, cursor);
        if (isFinite(value)) words.push(`${channel.title} ${value.toFixed(Math.abs(value) < 100 ? 1 : 0)} ${channel.unit}`);
      }
    element.textContent = words.join(" · ");
  }
  view.subscribe(write);
})();
