// The line in the bar: place and time of the cursor, or how to use the lanes on this device.
const readout = (() => {
  const element = document.getElementById("readout");
  const FINGERS = "drag to move, pinch to zoom, tap to read, hold to pin a second cursor, tap twice for all";
  const MOUSE = "drag to zoom, shift-drag to move, click to pin a second cursor, double-click for all";

  function write() {
    const { cursor } = view;
    if (cursor === null) { element.textContent = lanes.isTouch.matches ? FINGERS : MOUSE; return; }
    const s = view.sAt(cursor);
    element.textContent = texts.place(view.kmAt(cursor)) + (isFinite(s) ? ` · ${texts.clock(s)}${texts.timeName === "UTC" ? " UTC" : ""}` : "");
  }
  view.subscribe(write);
})();
