// What the page shows at the moment, shared by all its parts.
//
// Each file in this folder defines one constant with the name of its file (document.js: `doc`). Python puts the files, in
// the order of sheet.py, into one function; a file may use those before it, and in its listeners those after it. A part
// adds its elements to #panels, to #bar or beside its own table, and draws in a listener:
//
//   view.subscribe(draw)     call draw once per picture after a change, never more often; once at the start
//   view.redraw()            ask for the next picture; the functions below do it themselves
//   view.whole, view.range   [from, to] of all data, and in view, in x
//   view.zoom(from, to)      show a range         view.zoomKm(from, to)   the same in kilometres of the day
//   view.cursor, view.point(x)   where the pointer is, null if nowhere
//   view.pinned, view.pin(x)     the second cursor, null if there is none
//   view.axis, view.by(axis)     "km" or "s"; view.axes are those that the page has
//   view.lanes               the lanes shown: as doc.lanes; lane_list.js changes them
//   view.x(columns)          the x column of a channel or track: what is compared with range and cursor
//   view.xAt(km), view.kmAt(x), view.sAt(x)   between x, the kilometre of the day as in doc.bands, doc.ranges and
//                            doc.points, and the second since the first fix (NaN on a page without times)
//   view.valueAt(channel, x) its value, NaN if it has none there
//   view.shown(lane)         the channels of a lane
//
// x is the kilometre of the day, or the second since the first fix, as the user chooses: compare it with view.x(columns)
// only, and convert kilometres with view.xAt. link.js keeps all this, and what other parts add, in the page's address.
const view = (() => {
  const LEAST = { km: 0.05, s: 1 }; // the narrowest view: a few fixes
  const { clock } = doc, listeners = [], axes = clock ? ["km", "s"] : ["km"];
  const extent = (axis) => {
    const whole = [Infinity, -Infinity];
    for (const part of [...doc.channels.values(), ...(clock ? [clock] : [])]) {
      const xs = part[axis];
      if (xs && xs.length) { whole[0] = Math.min(whole[0], xs[0]); whole[1] = Math.max(whole[1], xs[xs.length - 1]); }
    }
    return whole[1] > whole[0] ? whole : [0, 1];
  };
  const wholes = Object.fromEntries(axes.map((axis) => [axis, extent(axis)]));
  const stands = clock && clock.km[0] === clock.km[clock.km.length - 1]; // no position all day: distance shows nothing
  let axis = stands ? "s" : "km", range = [...wholes[axis]], cursor = null, pinned = null, isDue = false;

  function redraw() {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => { isDue = false; for (const draw of listeners) draw(); });
  }
  function zoom(from, to) {
    const whole = wholes[axis], span = Math.max(Math.min(LEAST[axis], whole[1] - whole[0]), Math.min(to - from, whole[1] - whole[0]));
    const first = Math.min(Math.max(from, whole[0]), whole[1] - span);
    range = [first, first + span]; redraw();
  }
  const clamped = (x) => x === null || !isFinite(x) ? null : Math.min(Math.max(x, wholes[axis][0]), wholes[axis][1]);
  const converted = (x, from, to) => from === to ? x : clock ? columns.interpolated(clock[from], clock[to], x) : NaN;
  function by(wanted) {
    if (wanted === axis || !axes.includes(wanted)) return;
    const all = range[0] === wholes[axis][0] && range[1] === wholes[axis][1], was = axis;
    const [from, to] = range.map((x) => converted(x, was, wanted));
    [cursor, pinned] = [cursor, pinned].map((x) => x === null ? null : converted(x, was, wanted));
    axis = wanted;
    if (all) zoom(...wholes[axis]); else zoom(from, to);
  }
  return {
    lanes: doc.lanes, axes, by, redraw, zoom,
    get whole() { return [...wholes[axis]]; },
    get range() { return [...range]; },
    get axis() { return axis; },
    get cursor() { return cursor; },
    get pinned() { return pinned; },
    subscribe: (draw) => { listeners.push(draw); },
    point: (x) => { cursor = clamped(x); redraw(); },
    pin: (x) => { pinned = clamped(x); redraw(); },
    x: (part) => part[axis],
    xAt: (km) => converted(km, "km", axis),
    kmAt: (x) => converted(x, axis, "km"),
    sAt: (x) => converted(x, axis, "s"),
    zoomKm: (from, to) => zoom(converted(from, "km", axis), converted(to, "km", axis)),
    valueAt: (channel, x) => columns.valueAt(channel, axis, x),
    shown: (lane) => lane.channels.map((key) => doc.channels.get(key)),
  };
})();
