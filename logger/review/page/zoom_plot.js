// The plot of one over-speed: speed over the kilometre of the day, the limit, the tolerance, each impulse with its number.
// `over` is an over-speed of doc.judgement (judgement.js), `fixes` its decoded columns.
const zoomPlot = (() => {
  const LEFT = 40, RIGHT = 10, TOP = 22, FOOT = 24, ABOVE_KMH = 4;
  const { colour } = canvas;

  function draw(element, over, fixes) {
    const [g, width, height] = canvas.fit(element), right = width - RIGHT, foot = height - FOOT;
    if (!fixes.km.length) return;
    const from = Math.min(fixes.km[0], over.from), to = Math.max(fixes.km[fixes.km.length - 1], over.to, from + 0.01);
    const most = Math.max(...fixes.kmh, over.limit + over.tolerance) + ABOVE_KMH;
    const low = Math.max(0, Math.min(...fixes.kmh, over.limit) - ABOVE_KMH);
    const px = (km) => LEFT + (km - from) / (to - from) * (right - LEFT);
    const py = (kmh) => foot - (kmh - low) / (most - low) * (foot - TOP);
    const line = (x0, y0, x1, y1) => { g.beginPath(); g.moveTo(x0, y0); g.lineTo(x1, y1); g.stroke(); };
    g.fillStyle = colour("over"); g.globalAlpha = 0.14; g.fillRect(px(over.from), TOP, Math.max(2, px(over.to) - px(over.from)), foot - TOP); g.globalAlpha = 1;
    g.strokeStyle = colour("line"); g.fillStyle = colour("quiet"); g.lineWidth = 1;
    const ys = columns.ticks(low, most, Math.max(2, (foot - TOP) / 32)), xs = columns.ticks(from - over.zero, to - over.zero, (right - LEFT) / 70);
    for (const v of ys.values) { const y = Math.round(py(v)) + 0.5, text = v.toFixed(ys.digits); line(LEFT, y, right, y); g.fillText(text, LEFT - 6 - g.measureText(text).width, y + 4); }
    for (const v of xs.values) { const x = px(v + over.zero), text = v.toFixed(xs.digits); line(x, TOP, x, foot); if (x < right - 50) g.fillText(text, x - g.measureText(text).width / 2, foot + 16); }
    g.fillText("km", right - 18, foot + 16); g.fillText("km/h", 6, 12);
    g.strokeStyle = g.fillStyle = colour("limit"); g.lineWidth = 1.6;
    line(LEFT, py(over.limit), right, py(over.limit));
    g.setLineDash([5, 4]); g.lineWidth = 1; line(LEFT, py(over.limit + over.tolerance), right, py(over.limit + over.tolerance)); g.setLineDash([]);
    const title = `limit ${over.limit}, dashed: +${over.tolerance} tolerance`;
    g.fillText(title, right - g.measureText(title).width, 12);
    trace(g, fixes, px, py, over);
    g.font = "bold 12px system-ui, 'DejaVu Sans', sans-serif";
    over.impulses.forEach((km, at) => mark(g, px(km), py(columns.interpolated(fixes.km, fixes.kmh, km)), String(at + 1)));
  }
  // The speed, with a dot per fix while there is room; within the over-speed in its colour.
  function trace(g, fixes, px, py, over) {
    const at = (km) => g.lineTo(px(km), py(columns.interpolated(fixes.km, fixes.kmh, km)));
    g.strokeStyle = g.fillStyle = colour("speed"); g.lineWidth = 1.6; g.beginPath();
    fixes.km.forEach((km, i) => g.lineTo(px(km), py(fixes.kmh[i]))); g.stroke();
    if (fixes.km.length < 200) fixes.km.forEach((km, i) => { g.beginPath(); g.arc(px(km), py(fixes.kmh[i]), 2.2, 0, 7); g.fill(); });
    g.strokeStyle = colour("over"); g.lineWidth = 2.4; g.beginPath(); at(over.from);
    fixes.km.forEach((km, i) => { if (km > over.from && km < over.to) g.lineTo(px(km), py(fixes.kmh[i])); });
    at(over.to); g.stroke();
  }
  function mark(g, x, y, text) {
    g.fillStyle = colour("over"); g.strokeStyle = colour("paper"); g.lineWidth = 2;
    g.beginPath(); g.arc(x, y, 8.5, 0, 7); g.fill(); g.stroke();
    g.fillStyle = colour("paper"); g.fillText(text, x - g.measureText(text).width / 2, y + 4);
  }
  return { draw };
})();
