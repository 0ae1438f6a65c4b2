// The lanes: channels over x, one below the other, with the bands of the road behind them.
const lanes = (() => {
  const element = document.getElementById("lanes");
  const LEFT = 52, RIGHT = 12, TOP = 20, FOOT = 24;
  const ALPHA = { zone: 0.16, free: 0.28, over: 0.22, gap: 0.3 };
  const { colour } = canvas;
  let selection = null; // [from, to] in pixels while a range is dragged

  function draw() {
    const [g, width, height] = canvas.fit(element), inner = width - LEFT - RIGHT, [from, to] = view.range;
    const px = (x) => LEFT + (x - from) / (to - from) * inner;
    const shares = view.lanes.reduce((sum, lane) => sum + lane.share, 0);
    const room = height - FOOT - view.lanes.length * TOP;
    const home = doc.ranges.find((r) => from >= r.from - 0.5 && to <= r.to + 0.5), zero = home ? home.from : 0;
    const xs = columns.ticks(from - zero, to - zero, inner / 90);
    xs.values = xs.values.map((v) => v + zero);
    let top = 0;
    for (const lane of view.lanes) {
      const bottom = top + TOP + room * lane.share / shares;
      drawLane({ g, lane, px, xs, left: LEFT, right: width - RIGHT, y0: top + TOP, y1: bottom });
      top = bottom;
    }
    g.fillStyle = colour("quiet");
    const title = (home && doc.ranges.length > 1 ? home.name + " " : "") + "km", naming = g.measureText(title).width;
    for (const v of xs.values) {
      const text = (v - zero).toFixed(xs.digits), x = px(v);
      if (x < width - RIGHT - naming - 20) g.fillText(text, x - g.measureText(text).width / 2, height - 8);
    }
    g.fillText(title, width - RIGHT - naming, height - 8);
    if (selection) {
      g.globalAlpha = 0.15; g.fillStyle = colour("ink");
      g.fillRect(Math.min(...selection), 0, Math.abs(selection[1] - selection[0]), height - FOOT); g.globalAlpha = 1;
    }
    const { cursor } = view;
    if (cursor !== null && cursor >= from && cursor <= to) { g.strokeStyle = colour("ink"); g.lineWidth = 1; line(g, px(cursor), 8, px(cursor), height - FOOT); }
  }
  function line(g, x0, y0, x1, y1) { g.beginPath(); g.moveTo(x0, y0); g.lineTo(x1, y1); g.stroke(); }

  // Lowest and highest value of the channels in view, with a margin.
  function extent(lane) {
    let low = Infinity, most = -Infinity;
    for (const channel of view.shown(lane)) {
      const xs = view.x(channel);
      if (!xs.length) continue;
      const [a, b] = columns.within(xs, ...view.range), lows = channel.low || channel.y, highs = channel.high || channel.y;
      for (let i = a; i <= b; i++) { low = Math.min(low, lows[i]); most = Math.max(most, highs[i]); }
    }
    if (!(most >= low)) { low = 0; most = 1; }
    if (lane.from_zero) low = 0;
    const margin = (most - low || Math.abs(most) || 1) * 0.06;
    return [lane.from_zero ? low : low - margin, most + margin];
  }
  function drawLane(box) {
    const { g, lane, px, xs, left, right, y0, y1 } = box, [low, most] = extent(lane), shown = view.shown(lane);
    const py = (y) => y1 - (y - low) / (most - low) * (y1 - y0);
    g.save(); g.beginPath(); g.rect(left, y0, right - left, y1 - y0); g.clip();
    if (lane.bands) drawBands(box);
    g.strokeStyle = colour("line"); g.lineWidth = 1; g.fillStyle = colour("quiet");
    const ys = columns.ticks(low, most, Math.max(2, (y1 - y0) / 36));
    for (const v of ys.values) line(g, left, Math.round(py(v)) + 0.5, right, Math.round(py(v)) + 0.5);
    for (const v of xs.values) line(g, Math.round(px(v)) + 0.5, y0, Math.round(px(v)) + 0.5, y1);
    g.strokeStyle = colour("quiet"); g.setLineDash([5, 4]);
    for (const range of doc.ranges) { const x = Math.round(px(view.xAt(range.from))) + 0.5; line(g, x, y0, x, y1); }
    g.setLineDash([]);
    if (lane.zero_line) { g.strokeStyle = colour("ink"); line(g, left, py(0), right, py(0)); }
    for (const channel of shown) if (channel.km.length) drawChannel(g, channel, px, py, shown);
    if (lane.bands) nameBands(box);
    g.restore();
    g.fillStyle = colour("quiet");
    for (const v of ys.values) { const text = v.toFixed(ys.digits); g.fillText(text, left - 6 - g.measureText(text).width, py(v) + 4); }
    g.fillStyle = colour("ink");
    const title = lane.title || shown[0].title, unit = lane.title ? lane.unit : shown[0].unit;
    g.fillText(title + (unit ? ` (${unit})` : ""), left, y0 - 6);
  }
  function drawBands({ g, px, left, right, y0, y1 }) {
    for (const band of doc.bands) {
      const a = px(view.xAt(band.from)), b = Math.max(px(view.xAt(band.to)), a + 2);
      if (b < left || a > right) continue;
      g.globalAlpha = ALPHA[band.kind]; g.fillStyle = colour(band.kind); g.fillRect(a, y0, b - a, y1 - y0); g.globalAlpha = 1;
      if (band.kind === "over" && b - a < 12) { // too narrow to see at this zoom: mark it with a triangle
        const middle = (a + b) / 2; g.beginPath(); g.moveTo(middle - 6, y0); g.lineTo(middle + 6, y0); g.lineTo(middle, y0 + 11); g.fill();
      }
    }
  }
  function nameBands({ g, px, y0 }) {
    const [from, to] = view.range;
    let beyond = -1e9;
    for (const band of doc.bands) {
      const over = band.kind === "over", first = view.xAt(band.from), last = view.xAt(band.to);
      if (!band.label || (over && view.kmAt(to) - view.kmAt(from) > 60) || last < from || first > to) continue;
      const wide = g.measureText(band.label).width, x = px((Math.max(first, from) + Math.min(last, to)) / 2);
      if (!over && x - wide / 2 < beyond) continue;
      g.fillStyle = colour(over ? "over" : "quiet"); g.fillText(band.label, x - wide / 2, over ? y0 + 28 : y0 + 13);
      if (!over) beyond = x + wide / 2 + 4;
    }
  }
  function drawChannel(g, channel, px, py, shown) {
    const range = view.range, count = (px(range[1]) - px(range[0])) / 2;
    let d = { xs: view.x(channel), y: channel.y, low: channel.low, high: channel.high };
    let [a, b] = columns.within(d.xs, ...range);
    if (!channel.step && !d.low && b - a > 4 * count) { d = columns.reduced(d.xs, d.y, range, count); a = 0; b = d.xs.length - 1; }
    g.lineWidth = 1.6; g.strokeStyle = colour(channel.colour || "speed");
    if (d.low && shown.filter((other) => !other.step).length === 1) { // the areas of several channels would hide each other
      g.globalAlpha = 0.3; g.fillStyle = g.strokeStyle; g.beginPath();
      for (let i = a; i <= b; i++) g.lineTo(px(d.xs[i]), py(d.high[i]));
      for (let i = b; i >= a; i--) g.lineTo(px(d.xs[i]), py(d.low[i]));
      g.fill(); g.globalAlpha = 1;
    }
    g.beginPath();
    for (let i = a; i <= b; i++) {
      if (channel.step && i > a) g.lineTo(px(d.xs[i]), py(d.y[i - 1]));
      g.lineTo(px(d.xs[i]), py(d.y[i]));
    }
    g.stroke();
    if (channel.above && shown.some((other) => other.key === channel.above)) drawOver(g, channel, px, py);
  }
  // Draw the parts of a channel within over-speeds again, in their colour.
  function drawOver(g, channel, px, py) {
    const [from, to] = view.range, xs = view.x(channel), at = (x) => g.lineTo(px(x), py(view.valueAt(channel, x)));
    g.strokeStyle = colour("over"); g.lineWidth = 2.4;
    for (const band of doc.bands) {
      const first = view.xAt(band.from), last = view.xAt(band.to);
      if (band.kind !== "over" || last < from || first > to) continue;
      g.beginPath(); at(first);
      for (let i = columns.find(xs, first) + 1; i < xs.length && xs[i] < last; i++) g.lineTo(px(xs[i]), py(channel.y[i]));
      at(last); g.stroke();
    }
  }
  // x under a pointer, and how much x one pixel is.
  const inner = () => { const box = element.getBoundingClientRect(); return [box.left + LEFT, box.width - LEFT - RIGHT]; };
  const perPixel = () => (view.range[1] - view.range[0]) / inner()[1];
  const xUnder = (event) => view.range[0] + (event.clientX - inner()[0]) * perPixel();
  view.subscribe(draw);
  new ResizeObserver(view.redraw).observe(element.parentElement);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", view.redraw);
  return { element, perPixel, xUnder, select: (range) => { selection = range; view.redraw(); } };
})();
