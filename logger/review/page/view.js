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
//   view.lanes               the lanes shown: as doc.lanes, to change in place before view.redraw()
//   view.x(columns)          the x column of a channel or track: what is compared with range and cursor
//   view.xAt(km), view.kmAt(x)   between x and the kilometre of the day, as in doc.bands, doc.ranges and doc.points
//   view.valueAt(channel, x) its value, NaN if it has none there
//   view.shown(lane)         the channels of a lane
//
// x is the kilometre of the day; soon it is also the second since the first fix, as the user chooses. So compare x
// with view.x(columns) only, and convert kilometres with view.xAt.
const view = (() => {
  const LEAST = 0.05; // km, the narrowest view: a few fixes
  const listeners = [];
  const x = (columns) => columns.km;
  const whole = [Infinity, -Infinity];
  for (const channel of doc.channels.values()) {
    const xs = x(channel);
    if (xs.length) { whole[0] = Math.min(whole[0], xs[0]); whole[1] = Math.max(whole[1], xs[xs.length - 1]); }
  }
  if (!(whole[1] > whole[0])) { whole[0] = 0; whole[1] = 1; }
  let range = [...whole], cursor = null, isDue = false;

  function redraw() {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => { isDue = false; for (const draw of listeners) draw(); });
  }
  function zoom(from, to) {
    const span = Math.max(LEAST, Math.min(to - from, whole[1] - whole[0]));
    const first = Math.min(Math.max(from, whole[0]), whole[1] - span);
    range = [first, first + span]; redraw();
  }
  const xAt = (km) => km, kmAt = (at) => at;
  return {
    lanes: doc.lanes,
    get whole() { return [...whole]; },
    get range() { return [...range]; },
    get cursor() { return cursor; },
    subscribe: (draw) => { listeners.push(draw); },
    redraw, zoom, x, xAt, kmAt,
    zoomKm: (from, to) => zoom(xAt(from), xAt(to)),
    point: (at) => { cursor = at === null ? null : Math.min(Math.max(at, whole[0]), whole[1]); redraw(); },
    valueAt: (channel, at) => columns.valueAt(x(channel), channel.y, at, channel.step),
    shown: (lane) => lane.channels.map((key) => doc.channels.get(key)),
  };
})();
