// The lanes: channels over x, one lane below the other, with the bands of the road behind them. Channels that share a
// lane and a unit share a scale; every other unit has its own.
const lanes = (() => {
  const element = document.getElementById("lanes"), { colour } = canvas, COLOURS = 6;
  const isTouch = window.matchMedia("(pointer: coarse)");
  const LEFT = 52, FOOT = 24, LEAST_HEIGHT = 84;
  let selection = null; // [from, to] in pixels while a range is dragged
  let shape = { right: 12, top: 24, boxes: [] };

  const flag = (lane, name) => lane[name] || view.shown(lane).some((channel) => channel[name]);
  const colourOf = (lane, channel) =>
    colour(channel.colour || `lane${(view.lanes.indexOf(lane) + lane.channels.indexOf(channel.key)) % COLOURS + 1}`);

  // The scales of a lane: {unit, channels, low, high}.
  function scalesOf(lane) {
    const scales = new Map();
    for (const channel of view.shown(lane)) {
      const name = channel.unit || channel.key;
      if (!scales.has(name)) scales.set(name, { unit: channel.unit, channels: [], low: Infinity, high: -Infinity });
      const scale = scales.get(name), xs = view.x(channel);
      scale.channels.push(channel);
      if (!xs.length) continue;
      const [a, b] = columns.within(xs, ...view.range), { y, low: lows = y, high: highs = y } = channel;
      for (let i = a; i <= b; i++) { if (lows[i] < scale.low) scale.low = lows[i]; if (highs[i] > scale.high) scale.high = highs[i]; }
    }
    for (const scale of scales.values()) {
      const isFromZero = lane.from_zero || scale.channels.some((channel) => channel.from_zero);
      if (!(scale.high >= scale.low) || !isFinite(scale.high - scale.low)) { scale.low = 0; scale.high = 1; }
      if (isFromZero) scale.low = Math.min(0, scale.low);
      const margin = (scale.high - scale.low || Math.abs(scale.high) || 1) * 0.06;
      scale.high += margin; if (scale.low || !isFromZero) scale.low -= margin;
    }
    return [...scales.values()];
  }
  // Top and bottom of each lane in a height, and its scales.
  function arrange(height) {
    const shares = view.lanes.map((lane) => lane.share || (flag(lane, "bands") ? 2 : 1)), sum = shares.reduce((a, b) => a + b, 0);
    const top = isTouch.matches ? 34 : 26, room = Math.max(0, height - FOOT - view.lanes.length * top);
    let at = 0;
    const boxes = view.lanes.map((lane, number) => {
      const y0 = at + top, y1 = at = y0 + room * shares[number] / sum;
      return { lane, number, y0, y1, scales: scalesOf(lane) };
    });
    return { top, boxes, right: boxes.some((box) => box.scales.length > 1) ? 52 : 12 };
  }
  function draw() {
    element.parentElement.style.minHeight = `${FOOT + view.lanes.length * LEAST_HEIGHT}px`;
    const [g, width, height] = canvas.fit(element);
    shape = arrange(height);
    const left = LEFT, right = width - shape.right, [from, to] = view.range;
    const px = (x) => left + (x - from) / (to - from) * (right - left), axis = axes.ofRange(view.range, (right - left) / 90);
    for (const box of shape.boxes) drawLane(g, box, { px, left, right, ticks: axis.ticks });
    g.fillStyle = colour("quiet");
    const naming = g.measureText(axis.title).width;
    for (const [at, text] of axis.ticks) if (px(at) < right - naming - 24) g.fillText(text, px(at) - g.measureText(text).width / 2, height - 8);
    g.fillText(axis.title, right - naming, height - 8);
    if (selection) {
      g.globalAlpha = 0.15; g.fillStyle = colour("ink");
      g.fillRect(Math.min(...selection), 0, Math.abs(selection[1] - selection[0]), height - FOOT); g.globalAlpha = 1;
    }
    cursors.draw(g, { px, left, right, bottom: height - FOOT, boxes: shape.boxes, colourOf });
  }
  function line(g, x0, y0, x1, y1) { g.beginPath(); g.moveTo(x0, y0); g.lineTo(x1, y1); g.stroke(); }

  function drawLane(g, box, { px, left, right, ticks }) {
    const { lane, y0, y1, scales } = box, foot = y1 - (lane.growths ? cars.place(g, box, { px, left, right }) : 0);
    g.save(); g.beginPath(); g.rect(left, y0, right - left, y1 - y0); g.clip();
    if (flag(lane, "bands")) bands.draw(g, box, { px, left, right });
    g.strokeStyle = colour("line"); g.lineWidth = 1;
    for (const scale of scales) {
      scale.py = (y) => foot - (y - scale.low) / (scale.high - scale.low) * (foot - y0);
      scale.ticks = columns.ticks(scale.low, scale.high, Math.max(2, (y1 - y0) / 36));
    }
    for (const v of scales[0].ticks.values) { const y = Math.round(scales[0].py(v)) + 0.5; line(g, left, y, right, y); }
    for (const [at] of ticks) { const x = Math.round(px(at)) + 0.5; line(g, x, y0, x, y1); }
    g.strokeStyle = colour("quiet"); g.setLineDash([5, 4]);
    for (const range of doc.ranges) { const x = Math.round(px(view.xAt(range.from))) + 0.5; line(g, x, y0, x, y1); }
    g.setLineDash([]);
    if (lane.zero_line) { g.strokeStyle = colour("ink"); line(g, left, scales[0].py(0), right, scales[0].py(0)); }
    const areas = view.shown(lane).filter((channel) => !channel.step).length === 1; // those of several would hide each other
    for (const scale of scales) for (const channel of scale.channels) drawChannel(g, channel, colourOf(lane, channel), px, scale.py, areas);
    if (lane.growths) cars.mark(g);
    if (flag(lane, "bands")) bands.name(g, box, px);
    cars.label(g, box, px);
    g.restore();
    for (const [scale, x] of [[scales[0], left - 6], [scales[1], right + 6]]) {
      if (!scale) continue;
      g.fillStyle = scales.length > 1 ? colourOf(lane, scale.channels[0]) : colour("quiet");
      for (const v of scale.ticks.values) {
        const text = v.toFixed(scale.ticks.digits).replace("-", "−");
        g.fillText(text, x < left ? x - g.measureText(text).width : x, Math.min(Math.max(scale.py(v) + 4, y0 + 9), y1));
      }
    }
  }
  // Stretches of drawn points without a gap or an unknown value between them: [from, to] indices.
  function* parts(channel, d, a, b) {
    let begin = -1;
    for (let i = a; i <= b; i++) {
      const isKnown = d.y[i] === d.y[i];
      const breaks = isKnown && begin >= 0 && columns.isGap(channel, d.last ? d.last[i - 1] : i - 1, d.first ? d.first[i] : i);
      if (begin >= 0 && (!isKnown || breaks)) { yield [begin, i - 1]; begin = -1; }
      if (isKnown && begin < 0) begin = i;
    }
    if (begin >= 0) yield [begin, b];
  }
  function drawChannel(g, channel, ink, px, py, areas) {
    const { range, axis } = view, count = Math.ceil((px(range[1]) - px(range[0])) / 2), xs = view.x(channel);
    if (!xs.length) return;
    let d = { xs, y: channel.y, low: channel.low, high: channel.high }, [a, b] = columns.within(xs, ...range);
    if (!channel.step && b - a > 3 * count) { d = columns.reduced(channel, axis, range, count); a = 0; b = d.xs.length - 1; }
    const x = d.xs, { y, low, high } = d;
    g.lineWidth = 1.6; g.strokeStyle = g.fillStyle = ink;
    for (const [i0, i1] of parts(channel, d, a, b)) {
      if (low && areas) {
        g.globalAlpha = 0.3; g.beginPath();
        for (let i = i0; i <= i1; i++) g.lineTo(px(x[i]), py(high[i]));
        for (let i = i1; i >= i0; i--) g.lineTo(px(x[i]), py(low[i]));
        g.fill(); g.globalAlpha = 1;
      }
      g.beginPath();
      for (let i = i0; i <= i1; i++) {
        if (channel.step && i > i0) g.lineTo(px(x[i]), py(y[i - 1]));
        g.lineTo(px(x[i]), py(y[i]));
      }
      if (channel.step && i1 < b) g.lineTo(px(x[i1 + 1]), py(y[i1]));
      g.setLineDash(cars.dash(channel)); g.stroke(); g.setLineDash([]);
    }
    if (channel.above) bands.drawOver(g, channel, px, py);
  }
  // Left and right edge of the lanes on the screen, how much x one pixel is, and x under a pointer.
  const edges = () => { const box = element.getBoundingClientRect(); return [box.left + LEFT, box.right - shape.right]; };
  const perPixel = () => { const [left, right] = edges(); return (view.range[1] - view.range[0]) / Math.max(1, right - left); };
  const xUnder = (clientX) => view.range[0] + (clientX - edges()[0]) * perPixel();
  view.subscribe(draw);
  new ResizeObserver(view.redraw).observe(element.parentElement);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", view.redraw);
  isTouch.addEventListener("change", view.redraw);
  return { element, isTouch, edges, perPixel, xUnder, colourOf, boxes: () => shape.boxes, top: () => shape.top, select: (range) => { selection = range; view.redraw(); } };
})();
