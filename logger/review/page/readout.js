// The line in the bar: place and time of the cursor, or how to use the lanes on this device.
const readout = (() => {
  const element = document.getElementById("readout");
  const FINGERS = "drag to move, pinch to zoom, tap to read, hold to pin a second cursor, tap twice for all";
  const MOUSE = "drag to zoom, shift-drag to move, click to pin a second cursor, double-click for all";
  const KEYS = "arrows move the cursor (shift: faster), + and − zoom, page keys pan, Home shows all, P pins a second cursor";

  function hint() {
    if (document.activeElement === lanes.element && !lanes.isTouch.matches) return KEYS;
    return lanes.isTouch.matches ? FINGERS : MOUSE;
  }
  function write() {
    const { cursor } = view;
    if (cursor === null) { element.textContent = hint(); return; }
    const s = view.sAt(cursor);
    element.textContent = texts.place(view.kmAt(cursor)) + (isFinite(s) ? ` · ${texts.clock(s)}${texts.timeName === "UTC" ? " UTC" : ""}` : "");
  }
  view.subscribe(write);
  for (const change of ["focus", "blur"]) lanes.element.addEventListener(change, view.redraw);
})();
