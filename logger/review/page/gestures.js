// Mouse, pen and fingers on the lanes.
//
// Mouse: point to read, drag a range to zoom, shift-drag to pan, wheel to zoom, shift-wheel to pan, click to pin the
// second cursor and click it again to remove it, double-click for all.
// Touch: tap to read, drag to pan, two fingers to zoom, hold to pin, tap twice for all. An upright drag scrolls the page.
const gestures = (() => {
  const { element } = lanes, CLICK_PX = 6, HOLD_MS = 500, DOUBLE_MS = 400;
  const pointers = new Map(); // of fingers: pointerId -> clientX
  let drag = null, pinch = null, hold = 0, pinnedBefore = null, clicked = 0;

  const panned = (range, pixels) => view.zoom(range[0] - pixels * lanes.perPixel(), range[1] - pixels * lanes.perPixel());
  function pin(clientX) {
    const x = lanes.xUnder(clientX), isOnPin = view.pinned !== null && Math.abs(view.pinned - x) <= CLICK_PX * lanes.perPixel();
    view.pin(isOnPin ? null : x);
  }
  function endDrag() { clearTimeout(hold); drag = null; pinch = null; lanes.select(null); }

  element.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    element.setPointerCapture(event.pointerId);
    const isFinger = event.pointerType === "touch", range = view.range;
    if (isFinger) pointers.set(event.pointerId, event.clientX);
    if (pointers.size === 2) { // both fingers keep the place below them
      const [a, b] = [...pointers.values()];
      endDrag(); pinch = { a: lanes.xUnder(a), b: lanes.xUnder(b) };
      return;
    }
    if (pinch) return;
    drag = { pans: event.shiftKey || isFinger, isFinger, from: event.clientX, x: lanes.xUnder(event.clientX), range, moved: false };
    if (!isFinger) return;
    view.point(lanes.xUnder(event.clientX));
    hold = setTimeout(() => { if (drag && !drag.moved) { view.pin(lanes.xUnder(drag.from)); drag.held = true; } }, HOLD_MS);
  });
  element.addEventListener("pointermove", (event) => {
    if (pointers.has(event.pointerId)) pointers.set(event.pointerId, event.clientX);
    if (pinch && pointers.size >= 2) { zoomBetween(...pointers.values()); return; }
    if (event.pointerType !== "touch") view.point(lanes.xUnder(event.clientX));
    if (!drag) return;
    const pixels = event.clientX - drag.from;
    if (Math.abs(pixels) > CLICK_PX) { drag.moved = true; clearTimeout(hold); }
    if (!drag.moved) return;
    if (drag.pans) panned(drag.range, pixels);
    else { const { left } = element.getBoundingClientRect(); lanes.select([drag.from - left, event.clientX - left]); }
  });
  // The range in which two places are below two fingers.
  function zoomBetween(first, second) {
    if (Math.abs(second - first) < CLICK_PX) return;
    const per = (pinch.b - pinch.a) / (second - first);
    if (!(per > 0)) return;
    const [from, to] = lanes.edges(), begin = pinch.a - (first - from) * per;
    view.zoom(begin, begin + (to - from) * per);
  }
  element.addEventListener("pointerup", (event) => {
    const was = drag, x = lanes.xUnder(event.clientX);
    pointers.delete(event.pointerId);
    if (pinch && pointers.size) return;
    endDrag();
    if (!was || event.button) return;
    if (was.moved && !was.pans) view.zoom(Math.min(was.x, x), Math.max(was.x, x));
    else if (!was.moved && !was.isFinger && Date.now() - clicked > DOUBLE_MS) { clicked = Date.now(); pinnedBefore = view.pinned; pin(event.clientX); }
  });
  element.addEventListener("pointercancel", (event) => { pointers.delete(event.pointerId); endDrag(); }); // the touch scrolls the page
  element.addEventListener("contextmenu", (event) => { if (lanes.isTouch.matches) event.preventDefault(); }); // a held finger pins
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [from, to] = view.range;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const moved = (event.deltaX || event.deltaY) / 800 * (to - from); view.zoom(from + moved, to + moved); return;
    }
    const x = lanes.xUnder(event.clientX), times = Math.exp(event.deltaY / 400);
    view.zoom(x - (x - from) * times, x + (to - x) * times);
  }, { passive: false });
  element.addEventListener("dblclick", () => {
    if (Date.now() - clicked < 2 * DOUBLE_MS) view.pin(pinnedBefore); // the first click has pinned
    view.zoom(...view.whole);
  });
  element.addEventListener("pointerleave", (event) => { if (!drag && event.pointerType !== "touch") view.point(null); });
})();
