// The map: background, tracks in the colours of a channel, zones and over-speeds, in metres.
//
// It fits the range of the lanes until the user moves it, and again after the next change of range.
//   map.frame()          {e, n, scale}: the middle in metres, and pixels per metre
//   map.move(frame)      show another place      map.fit()     the range of the lanes again
//   map.metresUnder(event)   east and north under a pointer
//   map.placeAt(x)       [east, north] of the first track, null if it has no place there
//   map.chosen           key of the channel that colours the track, "" for one colour
const map = (() => {
  const element = document.getElementById("map"), { colour } = canvas, EDGE = 35, TOOLS = 44; // px around the fitted range, and of the tools
  const MOST_SCALE = 20, LEAST_SCALE = 1e-5; // px per metre: a wheel's width, and the whole earth
  let moved = null, movedFor = "", chosen = samples ? "drive.speed_kmh" : "";

  function frame() {
    if (moved && movedFor === String(view.range)) return moved;
    let e0 = Infinity, e1 = -Infinity, n0 = Infinity, n1 = -Infinity;
    for (const t of doc.tracks)
      along(t, ...view.range, (i) => { e0 = Math.min(e0, t.e[i]); e1 = Math.max(e1, t.e[i]); n0 = Math.min(n0, t.n[i]); n1 = Math.max(n1, t.n[i]); });
    if (!(e1 >= e0)) { e0 = n0 = 0; e1 = n1 = 1; }
    const box = element.getBoundingClientRect(), room = [box.width - 2 * EDGE, box.height - 2 * EDGE - TOOLS].map((px) => Math.max(20, px));
    const scale = Math.min(room[0] / Math.max(e1 - e0, 40), room[1] / Math.max(n1 - n0, 40));
    return { e: (e0 + e1) / 2, n: (n0 + n1) / 2 + TOOLS / 2 / scale, scale };
  }
  function move({ e, n, scale }) {
    moved = { e, n, scale: Math.min(MOST_SCALE, Math.max(LEAST_SCALE, scale)) }; movedFor = String(view.range); view.redraw();
  }
  function fit() { moved = null; view.redraw(); }
  function choose(key) { if (key === "" || samples?.channels.has(key)) { chosen = key; view.redraw(); } }
  function along(t, from, to, visit) {
    if (!t.km.length) return;
    const [a, b] = columns.within(view.x(t), from, to);
    for (let i = a; i <= b; i++) visit(i);
  }
  function placeAt(t, x) {
    const xs = t ? view.x(t) : [];
    if (!xs.length) return null;
    const i = columns.find(xs, x), j = Math.min(i + 1, xs.length - 1), span = xs[j] - xs[i];
    const part = span > 0 ? Math.min(1, Math.max(0, (x - xs[i]) / span)) : 0;
    return [t.e[i] + part * (t.e[j] - t.e[i]), t.n[i] + part * (t.n[j] - t.n[i])];
  }
  const bands = (kind) => doc.bands.filter((band) => band.kind === kind).map((band) => [view.xAt(band.from), view.xAt(band.to), band.label]);

  function draw() {
    const [g, width, height] = canvas.fit(element), f = frame();
    const sx = (e) => width / 2 + (e - f.e) * f.scale, sy = (n) => height / 2 - (n - f.n) * f.scale;
    const place = { g, width, height, scale: f.scale, sx, sy };
    g.lineCap = "round";
    if (doc.background) ground.draw(place);
    for (const t of doc.tracks) {
      stroke(place, t, view.whole, "line", 2, 1);
      for (const [begin, end] of bands("zone")) stroke(place, t, [begin, end], "zone", 10, 0.5);
      if (chosen && doc.tracks.length === 1) drawColoured(place, t, samples.channels.get(chosen));
      else stroke(place, t, view.range, t.colour, 2.5, 1);
      for (const [begin, end] of bands("over")) stroke(place, t, [begin, end], "over", 5, 1);
    }
    marks.draw(place, bands("zone").map(([begin, end, label]) => [placeAt(doc.tracks[0], (begin + end) / 2), label]));
    for (const t of view.cursor === null ? [] : doc.tracks) {
      const at = placeAt(t, view.cursor);
      if (!at) continue;
      g.beginPath(); g.arc(sx(at[0]), sy(at[1]), 9, 0, 7); // a ring: it does not hide what is there
      for (const [name, wide] of [["paper", 6], [doc.tracks.length > 1 ? t.colour : "ink", 3]]) { g.strokeStyle = colour(name); g.lineWidth = wide; g.stroke(); }
    }
    drawMeasure(place);
  }
  // Visit the screen positions of a stretch of a track, without points that fall on the one before.
  function screen({ sx, sy }, t, [begin, end], visit) {
    const first = placeAt(t, begin), last = placeAt(t, end), xs = view.x(t);
    if (!first || end < xs[0] || begin > xs[xs.length - 1]) return;
    let x0 = sx(first[0]), y0 = sy(first[1]);
    visit(x0, y0, begin);
    for (let i = columns.find(xs, begin) + 1; i < xs.length && xs[i] < end; i++) {
      const x = sx(t.e[i]), y = sy(t.n[i]);
      if (Math.abs(x - x0) + Math.abs(y - y0) < 0.7) continue;
      visit(x, y, xs[i]); x0 = x; y0 = y;
    }
    visit(sx(last[0]), sy(last[1]), end);
  }
  function stroke(place, t, stretch, name, wide, alpha) {
    const { g } = place;
    g.strokeStyle = colour(name); g.lineWidth = wide; g.globalAlpha = alpha; g.beginPath();
    screen(place, t, stretch, (x, y) => g.lineTo(x, y));
    g.stroke(); g.globalAlpha = 1;
  }
  function drawColoured(place, t, channel) {
    const { g } = place, { colours, widths, of } = scale.of(channel), xs = view.x(samples);
    const paths = colours.map(() => new Path2D()), unknown = new Path2D();
    let j = 0, held = -2;
    stroke(place, t, view.range, "paper", 6, 1);
    screen(place, t, view.range, (x, y, at) => {
      if (held !== -2) (held < 0 ? unknown : paths[held]).lineTo(x, y);
      while (j + 1 < xs.length && xs[j + 1] <= at) j++;
      const now = of(valueBetween(channel, xs, j, at));
      if (now !== held) { held = now; (held < 0 ? unknown : paths[held]).moveTo(x, y); }
    });
    g.lineWidth = 2; g.strokeStyle = colour("gap"); g.stroke(unknown);
    for (const [i, path] of paths.entries()) { g.lineWidth = widths ? widths[i] : 3.5; g.strokeStyle = colours[i]; g.stroke(path); }
  }
  // Value at x after the sample j: between it and the next one, unless the channel has classes.
  function valueBetween({ y, whole }, xs, j, x) {
    const span = j + 1 < xs.length ? xs[j + 1] - xs[j] : 0;
    if (whole || !(span > 0) || Number.isNaN(y[j + 1])) return y[j];
    return y[j] + (y[j + 1] - y[j]) * Math.min(1, Math.max(0, (x - xs[j]) / span));
  }
  function drawMeasure({ g, width, height, scale }) {
    const most = 110 / scale, ten = 10 ** Math.floor(Math.log10(most)), metres = [5, 2, 1].map((m) => m * ten).find((m) => m <= most);
    const y = height - 14;
    for (const [name, wide] of [["paper", 5], ["ink", 1.5]]) { // the outline keeps it readable on any background
      g.strokeStyle = colour(name); g.lineWidth = wide;
      g.beginPath(); g.moveTo(12, y - 5); g.lineTo(12, y); g.lineTo(12 + metres * scale, y); g.lineTo(12 + metres * scale, y - 5); g.stroke();
    }
    canvas.label(g, metres >= 1000 ? metres / 1000 + " km" : metres + " m", 17, y - 5); canvas.label(g, "N ↑", width - 32, height - 10);
  }
  const metresUnder = (event) => {
    const box = element.getBoundingClientRect(), f = frame();
    return [f.e + (event.clientX - box.left - box.width / 2) / f.scale, f.n - (event.clientY - box.top - box.height / 2) / f.scale];
  };
  // x of the point of a track in view nearest to a place.
  function nearest(e, n) {
    let best = Infinity, x = null;
    for (const t of doc.tracks)
      along(t, ...view.range, (i) => { const d = (t.e[i] - e) ** 2 + (t.n[i] - n) ** 2; if (d < best) { best = d; x = view.x(t)[i]; } });
    return x;
  }
  view.subscribe(draw);
  const first = chosen;
  link.keep("colour", () => chosen === first ? null : chosen, (key) => choose(key));
  link.keep("map", () => {
    if (!moved || movedFor !== String(view.range)) return null;
    return [moved.e.toFixed(1), moved.n.toFixed(1), moved.scale.toPrecision(4)].join("~");
  }, (given) => {
    const [e, n, scale] = given.split("~").map(Number);
    if ([e, n, scale].every(isFinite)) move({ e, n, scale });
  });
  return {
    element, frame, move, fit, metresUnder, nearest,
    placeAt: (x) => placeAt(doc.tracks[0], x),
    get chosen() { return chosen; },
    choose,
  };
})();
