// Card: one channel over another, a dot for each sample, in the colours of a third.
const scatter = (() => {
  const engine = distributions ? [...samples.channels.keys()].filter((key) => key.startsWith("engine.")) : [];
  if (!engine.length) return null;
  const { colour } = canvas, LEFT = 52, FOOT = 22, TOP = 8, RIGHT = 8, DOT = 2.2;
  const preferred = (key, others) => (samples.channels.has(key) ? key : others[0]), keys = [...samples.channels.keys()];
  const card = distributions.card("Scatter");
  const up = card.select("Vertical axis", keys, preferred("engine.rpm", engine), "up"), across = card.select("Horizontal axis", keys, "drive.speed_kmh", "across");
  const third = card.select("Colour of the dots", ["", ...keys], preferred("engine.gear", [""]), "dots");
  const [drawing, above] = card.canvas("One channel over another"), key = document.createElement("div");
  let place = null; // of a sample in the last picture: [x, y] in pixels
  key.className = "key"; card.body.append(key, card.note);

  function extent(y, first, end) {
    let low = Infinity, high = -Infinity;
    for (let i = first; i < end; i++) { if (y[i] < low) low = y[i]; if (y[i] > high) high = y[i]; }
    if (!(high >= low)) return null;
    const margin = (high - low || Math.abs(high) || 1) * 0.03;
    return [low - margin, high + margin];
  }
  function draw(first, end) {
    const [g, width, height] = canvas.fit(drawing), x = samples.channels.get(across.value), y = samples.channels.get(up.value);
    const c = samples.channels.get(third.value), xs = extent(x.y, first, end), ys = extent(y.y, first, end);
    key.replaceChildren(); distributions.results.scatter = place = null;
    if (!xs || !ys) { card.note.textContent = "no values in view"; return; }
    const base = height - FOOT, px = (v) => LEFT + (v - xs[0]) / (xs[1] - xs[0]) * (width - LEFT - RIGHT), py = (v) => base - (v - ys[0]) / (ys[1] - ys[0]) * (base - TOP);
    place = (i) => [px(x.y[i]), py(y.y[i])];
    drawGrid(g, width, height, xs, ys, px, py);
    const colours = c ? scale.of(c) : null, shown = [];
    g.globalAlpha = 0.55;
    for (let i = first; i < end; i++) {
      if (!(samples.seconds[i] > 0) || Number.isNaN(x.y[i]) || Number.isNaN(y.y[i])) continue;
      const at = colours ? colours.of(c.y[i]) : 0;
      shown.push(i);
      g.fillStyle = !colours ? colour("speed") : at < 0 ? colour("gap") : colours.colours[at];
      g.fillRect(px(x.y[i]) - DOT / 2, py(y.y[i]) - DOT / 2, DOT, DOT);
    }
    g.globalAlpha = 1;
    if (c) scale.explain(key, c);
    card.note.textContent = `${y.title} over ${x.title.toLowerCase()}${c ? `, colour: ${c.title.toLowerCase()}` : ""}; ${shown.length.toLocaleString("en")} samples`;
    distributions.results.scatter = { count: shown.length, x: shown.map((i) => x.y[i]), y: shown.map((i) => y.y[i]), colour: c ? shown.map((i) => c.y[i]) : [] };
  }
  function drawGrid(g, width, height, xs, ys, px, py) {
    const across = columns.ticks(...xs, Math.max(2, (width - LEFT) / 70)), upward = columns.ticks(...ys, 5);
    g.lineWidth = 1; g.strokeStyle = colour("line"); g.fillStyle = colour("quiet");
    for (const v of upward.values) {
      const text = v.toFixed(upward.digits), y = Math.round(py(v)) + 0.5;
      g.beginPath(); g.moveTo(LEFT, y); g.lineTo(width - RIGHT, y); g.stroke(); g.fillText(text, LEFT - 5 - g.measureText(text).width, y + 4);
    }
    for (const v of across.values) {
      const text = v.toFixed(across.digits), x = Math.round(px(v)) + 0.5, w = g.measureText(text).width;
      g.beginPath(); g.moveTo(x, TOP); g.lineTo(x, height - FOOT); g.stroke(); g.fillText(text, Math.min(width - w, x - w / 2), height - 7);
    }
  }
  function mark(i) {
    const [g] = canvas.fit(above), [x, y] = i < 0 || !place ? [NaN, NaN] : place(i);
    if (Number.isNaN(x) || Number.isNaN(y)) return;
    g.beginPath(); g.arc(x, y, 6, 0, 7);
    for (const [name, wide] of [["paper", 4], ["ink", 2]]) { g.strokeStyle = colour(name); g.lineWidth = wide; g.stroke(); }
  }
  distributions.subscribe(draw);
  distributions.follow(mark);
})();
