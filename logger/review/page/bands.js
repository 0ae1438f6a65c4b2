// Stretches of the road behind a lane: speed zones, their free areas, over-speeds, gaps of the GPS.
const bands = (() => {
  const ALPHA = { zone: 0.16, free: 0.28, over: 0.22, gap: 0.3 }, NARROW = 12, LABELS_KM = 60;
  const { colour } = canvas;

  function draw(g, { y0, y1 }, { px, left, right }) {
    for (const band of doc.bands) {
      const a = px(view.xAt(band.from)), b = Math.max(px(view.xAt(band.to)), a + 2);
      if (b < left || a > right) continue;
      g.globalAlpha = ALPHA[band.kind]; g.fillStyle = colour(band.kind); g.fillRect(a, y0, b - a, y1 - y0); g.globalAlpha = 1;
      if (band.kind === "over" && b - a < NARROW) { // too narrow to see at this zoom: mark it with a triangle
        const middle = (a + b) / 2; g.beginPath(); g.moveTo(middle - 6, y0); g.lineTo(middle + 6, y0); g.lineTo(middle, y0 + 11); g.fill();
      }
    }
  }
  function name(g, { y0 }, px) {
    const [from, to] = view.range;
    const beyond = { over: -1e9, quiet: -1e9 }; // where the last label of each row ends: labels do not overlap
    for (const band of doc.bands) {
      const over = band.kind === "over", row = over ? "over" : "quiet", first = view.xAt(band.from), last = view.xAt(band.to);
      if (!band.label || (over && view.kmAt(to) - view.kmAt(from) > LABELS_KM) || last < from || first > to) continue;
      const wide = g.measureText(band.label).width, x = px((Math.max(first, from) + Math.min(last, to)) / 2);
      if (x - wide / 2 < beyond[row]) continue;
      g.fillStyle = colour(row); g.fillText(band.label, x - wide / 2, over ? y0 + 28 : y0 + 13);
      beyond[row] = x + wide / 2 + 4;
    }
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
  return { draw, name, drawOver };
})();
