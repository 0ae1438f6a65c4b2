// Pointer and wheel on the lanes: point, drag a range to zoom, shift-drag to pan, wheel to zoom, double-click for all.
const gestures = (() => {
  const { element } = lanes, LEAST_PX = 6; // a shorter drag is a click
  let drag = null;
  const left = (event) => event.clientX - element.getBoundingClientRect().left;

  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    drag = { pans: event.shiftKey, from: left(event), x: lanes.xUnder(event), range: view.range };
  });
  element.addEventListener("pointermove", (event) => {
    view.point(lanes.xUnder(event));
    if (!drag) return;
    const moved = left(event) - drag.from;
    if (drag.pans) view.zoom(drag.range[0] - moved * lanes.perPixel(), drag.range[1] - moved * lanes.perPixel());
    else lanes.select([drag.from, drag.from + moved]);
  });
  element.addEventListener("pointerup", (event) => {
    const was = drag, x = lanes.xUnder(event);
    drag = null; lanes.select(null);
    if (was && !was.pans && Math.abs(left(event) - was.from) > LEAST_PX) view.zoom(Math.min(was.x, x), Math.max(was.x, x));
  });
  element.addEventListener("pointercancel", () => { drag = null; lanes.select(null); }); // the touch scrolls the page
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [from, to] = view.range;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const moved = (event.deltaX || event.deltaY) / 800 * (to - from); view.zoom(from + moved, to + moved); return;
    }
    const x = lanes.xUnder(event), times = Math.exp(event.deltaY / 400);
    view.zoom(x - (x - from) * times, x + (to - x) * times);
  }, { passive: false });
  element.addEventListener("dblclick", () => view.zoom(...view.whole));
  element.addEventListener("pointerleave", () => { if (!drag) view.point(null); });
})();
