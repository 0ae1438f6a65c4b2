// The two cursors on the lanes: a line each, a dot on every channel, and beside the pointer's the values. The stretch
// between them is shaded.
const cursors = (() => {
  const { colour } = canvas, ROW = 16;

  function draw(g, { px, left, right, bottom, boxes, colourOf }) {
    const [from, to] = view.range, { cursor, pinned } = view, isIn = (x) => x !== null && x >= from && x <= to;
    if (cursor !== null && pinned !== null) {
      const clamp = (x) => Math.min(Math.max(px(x), left), right), a = clamp(Math.min(cursor, pinned)), b = clamp(Math.max(cursor, pinned));
      g.globalAlpha = 0.06; g.fillStyle = colour("ink"); g.fillRect(a, boxes[0].y0, b - a, bottom - boxes[0].y0); g.globalAlpha = 1;
    }
    for (const [x, isPinned] of [[pinned, true], [cursor, false]]) {
      if (!isIn(x)) continue;
      g.strokeStyle = colour(isPinned ? "pin" : "ink"); g.lineWidth = isPinned ? 1.5 : 1; g.setLineDash(isPinned ? [6, 3] : []);
      g.beginPath(); g.moveTo(px(x), boxes[0].y0 - 4); g.lineTo(px(x), bottom); g.stroke(); g.setLineDash([]);
      if (isPinned) { g.fillStyle = colour("pin"); g.beginPath(); g.arc(px(x), boxes[0].y0 - 6, 4, 0, 7); g.fill(); }
      for (const box of boxes) mark(g, x, box, px(x), right, colourOf, !isPinned);
    }
  }
  function mark(g, x, { lane, y0, y1, scales }, at, right, colourOf, withValues) {
    const rows = [];
    for (const scale of scales)
      for (const channel of scale.channels) {
        const value = view.valueAt(channel, x);
        if (!isFinite(value)) continue;
        g.fillStyle = colourOf(lane, channel); g.beginPath(); g.arc(at, scale.py(value), 3, 0, 7); g.fill();
        rows.push([texts.value(channel, value) + texts.unit(channel.unit), colourOf(lane, channel)]);
      }
    if (!withValues || !rows.length) return;
    const shown = rows.slice(0, Math.max(1, Math.floor((y1 - y0) / ROW))), wide = Math.max(...shown.map(([text]) => g.measureText(text).width)) + 10;
    const x0 = at + 8 + wide > right ? at - 8 - wide : at + 8;
    g.globalAlpha = 0.86; g.fillStyle = colour("paper"); g.fillRect(x0, y0 + 2, wide, shown.length * ROW + 2); g.globalAlpha = 1;
    shown.forEach(([text, ink], row) => { g.fillStyle = ink; g.fillText(text, x0 + 5, y0 + 15 + row * ROW); });
  }
  return { draw };
})();
