// The keyboard on the lanes, which Tab reaches: arrows move the cursor (with shift ten times as far), + and - zoom,
// page keys pan, Home shows all, P pins the second cursor or removes it, Escape removes both.
const keys = (() => {
  const { element } = lanes, STEP_PX = 2, FAST = 10, ZOOM = 1.5;
  element.tabIndex = 0;
  element.setAttribute("role", "application");
  element.setAttribute("aria-label", "Channels over distance or time: arrow keys move the cursor, plus and minus zoom, Home shows all, P pins a second cursor");

  const cursor = () => view.cursor === null ? (view.range[0] + view.range[1]) / 2 : view.cursor;
  function step(pixels) {
    const x = cursor() + pixels * lanes.perPixel(), [from, to] = view.range, wide = to - from;
    view.point(x);
    if (x < from) view.zoom(x - wide / 4, x + wide * 3 / 4);
    if (x > to) view.zoom(x - wide * 3 / 4, x + wide / 4);
  }
  function zoom(times) {
    const [from, to] = view.range, x = Math.min(Math.max(cursor(), from), to);
    view.zoom(x - (x - from) * times, x + (to - x) * times);
  }
  function pan(share) { const [from, to] = view.range, moved = share * (to - from); view.zoom(from + moved, to + moved); }
  const actions = {
    ArrowLeft: (fast) => step(-STEP_PX * fast), ArrowRight: (fast) => step(STEP_PX * fast),
    "+": () => zoom(1 / ZOOM), "=": () => zoom(1 / ZOOM), "-": () => zoom(ZOOM), _: () => zoom(ZOOM),
    PageUp: () => pan(-0.5), PageDown: () => pan(0.5), Home: () => view.zoom(...view.whole),
    p: () => view.pin(view.pinned === null ? cursor() : null), Escape: () => { view.pin(null); view.point(null); },
  };
  element.addEventListener("keydown", (event) => {
    const act = actions[event.key] || actions[event.key.toLowerCase()];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault(); act(event.shiftKey ? FAST : 1);
  });
})();
