// Card: how long a channel had which value.
const histogram = (() => {
  if (!distributions) return null;
  const { colour } = canvas, LEFT = 44, FOOT = 22, TOP = 8, RIGHT = 8, BINS = 40;
  const card = distributions.card("Histogram"), keys = [...samples.channels.keys()];
  const select = card.select("Channel of the histogram", keys, keys[0], "histogram"), [drawing, above] = card.canvas("Histogram of a channel");
  let place = null; // of a value in the last picture: {px(value), channel, base}
  card.body.append(card.note);

  // {edges, seconds, names} of a channel's values in view; null if it has none.
  function count(channel, first, end) {
    const { y, classes, whole } = channel;
    let low = Infinity, high = -Infinity;
    for (let i = first; i < end; i++) if (y[i] < low || y[i] > high) { low = Math.min(low, y[i]); high = Math.max(high, y[i]); }
    if (!(high >= low)) return null;
    if (whole) {
      low = classes.length ? 0 : Math.round(low); high = classes.length ? classes.length - 1 : Math.round(high);
      const edges = Array.from({ length: high - low + 2 }, (_, i) => low + i - 0.5);
      const seconds = distributions.counted(first, end, high - low + 1, (i) => (Number.isNaN(y[i]) ? -1 : Math.round(y[i]) - low));
      return { edges, seconds, names: seconds.map((_, i) => classes[i] || String(low + i)) };
    }
    const { step } = columns.ticks(low, high > low ? high : low + 1, BINS), begin = Math.floor(low / step + 1e-6);
    const bins = Math.max(1, Math.ceil(high / step - 1e-6) - begin);
    const edges = Array.from({ length: bins + 1 }, (_, i) => (begin + i) * step);
    const index = (i) => (Number.isNaN(y[i]) ? -1 : Math.min(bins - 1, Math.max(0, Math.floor(y[i] / step + 1e-6) - begin)));
    return { edges, seconds: distributions.counted(first, end, bins, index), names: null };
  }
  // Mean, and the values below which 5, 50 and 95 % of the time lies.
  function figures(channel, first, end) {
    const known = [];
    let sum = 0, total = 0;
    for (let i = first; i < end; i++) if (!Number.isNaN(channel.y[i])) { known.push(i); sum += channel.y[i] * samples.seconds[i]; total += samples.seconds[i]; }
    known.sort((a, b) => channel.y[a] - channel.y[b]);
    const below = (share) => {
      let passed = 0;
      for (const i of known) { passed += samples.seconds[i]; if (passed >= share * total) return channel.y[i]; }
      return NaN;
    };
    return { total, mean: total ? sum / total : NaN, least: channel.y[known[0]], p5: below(0.05), median: below(0.5), p95: below(0.95), most: channel.y[known[known.length - 1]] };
  }
  function draw(first, end) {
    const channel = samples.channels.get(select.value), found = count(channel, first, end), [g, width, height] = canvas.fit(drawing);
    distributions.results.histogram = place = null;
    if (!found) { card.note.textContent = "no values in view"; return; }
    const { edges, seconds, names } = found, stats = figures(channel, first, end), total = stats.total || 1;
    distributions.results.histogram = { ...found, ...stats, key: channel.key };
    const most = Math.max(...seconds) / total * 100 || 1, ys = columns.ticks(0, most, 4), base = height - FOOT;
    const px = (v) => LEFT + (v - edges[0]) / (edges[edges.length - 1] - edges[0]) * (width - LEFT - RIGHT), py = (share) => base - share / most * (base - TOP);
    place = { px, channel, base };
    g.lineWidth = 1;
    for (const v of ys.values) {
      const text = v.toFixed(ys.digits) + " %", y = Math.round(py(v)) + 0.5;
      g.strokeStyle = colour("line"); g.beginPath(); g.moveTo(LEFT, y); g.lineTo(width - RIGHT, y); g.stroke();
      g.fillStyle = colour("quiet"); g.fillText(text, LEFT - 5 - g.measureText(text).width, y + 4);
    }
    const colours = channel.classes.length ? scale.of(channel).colours : null;
    for (const [i, time] of seconds.entries()) {
      g.fillStyle = colours ? colours[i] : colour("speed");
      const a = px(edges[i]), b = px(edges[i + 1]), gap = b - a > 4 ? 1 : 0;
      g.fillRect(a + gap / 2, py(time / total * 100), b - a - gap, base - py(time / total * 100));
    }
    g.fillStyle = colour("quiet");
    if (names) nameBins(g, names, edges, px, height);
    else {
      const xs = columns.ticks(edges[0], edges[edges.length - 1], Math.max(2, (width - LEFT) / 70));
      for (const v of xs.values) { const text = v.toFixed(xs.digits), w = g.measureText(text).width; g.fillText(text, Math.min(width - w, px(v) - w / 2), height - 7); }
    }
    const unit = texts.unit(channel.unit), say = (v) => texts.value(channel, v);
    card.note.textContent = channel.classes.length ? `${distributions.clock(stats.total)} known`
      : `mean ${say(stats.mean)}${unit}, median ${say(stats.median)}; 5 % of the time below ${say(stats.p5)}, 5 % above ${say(stats.p95)}; from ${say(stats.least)} to ${say(stats.most)}`;
  }
  function nameBins(g, names, edges, px, height) {
    let beyond = -Infinity;
    for (const [i, name] of names.entries()) {
      const w = g.measureText(name).width, x = px((edges[i] + edges[i + 1]) / 2) - w / 2;
      if (x > beyond) { g.fillText(name, x, height - 7); beyond = x + w + 4; }
    }
  }
  function mark(i) {
    const [g] = canvas.fit(above), value = i < 0 || !place ? NaN : place.channel.y[i];
    if (Number.isNaN(value)) return;
    g.strokeStyle = colour("ink"); g.lineWidth = 1.5; g.beginPath(); g.moveTo(place.px(value), TOP); g.lineTo(place.px(value), place.base); g.stroke();
  }
  distributions.subscribe(draw);
  distributions.follow(mark);
})();
