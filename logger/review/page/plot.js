"use strict";
// Interactive plot: lanes over distance, and the track on a map. Both use x, the kilometre of the day:
// pointing at one marks the same place on the other, and zooming the lanes fits the map to the same stretch.
(() => {
  const doc = JSON.parse(document.getElementById("drawing").textContent);
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const lanesCanvas = document.getElementById("lanes"), mapCanvas = document.getElementById("map");
  const readout = document.getElementById("readout");
  for (const lane of doc.lanes)
    for (const s of [...lane.series, ...(lane.choices || [])]) {
      s.x = floats(s.x); s.y = floats(s.y);
      if (s.low) { s.low = floats(s.low); s.high = floats(s.high); }
    }
  for (const t of doc.tracks) { t.x = floats(t.x); t.e = floats(t.e); t.n = floats(t.n); }
  if (doc.clock) { doc.clock.x = floats(doc.clock.x); doc.clock.s = floats(doc.clock.s); }

  const all = doc.lanes.flatMap((lane) => [...lane.series, ...(lane.choices || [])]).filter((s) => s.x.length);
  const whole = [Math.min(...all.map((s) => s.x[0])), Math.max(...all.map((s) => s.x[s.x.length - 1]))];
  if (!(whole[1] > whole[0])) { whole[0] = 0; whole[1] = 1; }
  const LEAST = 0.05; // km, the narrowest view: a few fixes
  const LEFT = 52, RIGHT = 12, TOP = 20, FOOT = 24;
  let view = [...whole], pointed = null, drag = null, mapView = null;

  // Index of the last value that is not greater than x.
  function find(xs, x) {
    let low = 0, high = xs.length - 1;
    while (low < high) { const mid = (low + high + 1) >> 1; if (xs[mid] <= x) low = mid; else high = mid - 1; }
    return low;
  }
  function valueAt(s, x) {
    if (!s.x.length || x < s.x[0] - 0.3 || x > s.x[s.x.length - 1] + 0.3) return NaN;
    const i = find(s.x, x), j = Math.min(i + 1, s.x.length - 1), span = s.x[j] - s.x[i];
    if (s.step) return s.y[i];
    return span > 0 ? s.y[i] + (s.y[j] - s.y[i]) * Math.min(1, Math.max(0, (x - s.x[i]) / span)) : s.y[i];
  }
  function steps(low, high, most) {
    const raw = (high - low) / most, ten = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * ten).find((s) => s >= raw), ticks = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) ticks.push(v);
    return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }
  function fit(canvas) {
    const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    canvas.width = Math.round(box.width * ratio); canvas.height = Math.round(box.height * ratio);
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0); g.clearRect(0, 0, box.width, box.height);
    g.font = "12px system-ui, 'DejaVu Sans', sans-serif"; g.lineJoin = "round";
    return [g, box.width, box.height];
  }
  const seriesOf = (lane) => (lane.choices ? lane.choices.filter((c) => c.name === lane.chosen) : lane.series);

  function drawLanes() {
    const [g, width, height] = fit(lanesCanvas), inner = width - LEFT - RIGHT;
    const px = (x) => LEFT + (x - view[0]) / (view[1] - view[0]) * inner;
    const shares = doc.lanes.reduce((sum, lane) => sum + lane.share, 0);
    const room = height - FOOT - doc.lanes.length * TOP;
    let top = 0;
    const home = doc.ranges.find((r) => view[0] >= r.from - 0.5 && view[1] <= r.to + 0.5), zero = home ? home.from : 0;
    const xs = steps(view[0] - zero, view[1] - zero, inner / 90);
    xs.ticks = xs.ticks.map((v) => v + zero);
    for (const lane of doc.lanes) {
      const high = room * lane.share / shares, y0 = top + TOP, y1 = y0 + high;
      const shown = seriesOf(lane);
      let low = Infinity, most = -Infinity;
      for (const s of shown) {
        if (!s.x.length) continue;
        const a = find(s.x, view[0]), b = Math.min(s.x.length - 1, find(s.x, view[1]) + 1);
        for (let i = a; i <= b; i++) {
          low = Math.min(low, (s.low || s.y)[i]); most = Math.max(most, (s.high || s.y)[i]);
        }
      }
      if (!(most >= low)) { low = 0; most = 1; }
      if (lane.from_zero) low = 0;
      const margin = (most - low || Math.abs(most) || 1) * 0.06;
      most += margin; if (!lane.from_zero) low -= margin;
      const py = (y) => y1 - (y - low) / (most - low) * high;
      g.save(); g.beginPath(); g.rect(LEFT, y0, inner, high); g.clip();
      for (const band of lane.bands || []) {
        const a = px(band.from), b = Math.max(px(band.to), a + 2);
        if (b < LEFT || a > width - RIGHT) continue;
        g.globalAlpha = { zone: 0.16, free: 0.28, over: 0.22, gap: 0.3 }[band.kind]; g.fillStyle = colour(band.kind);
        g.fillRect(a, y0, b - a, high); g.globalAlpha = 1;
        if (band.kind === "over" && b - a < 12) { // too narrow to see at this zoom: mark it with a triangle
          const middle = (a + b) / 2; g.beginPath(); g.moveTo(middle - 6, y0); g.lineTo(middle + 6, y0); g.lineTo(middle, y0 + 11); g.fill();
        }
      }
      g.strokeStyle = colour("line"); g.lineWidth = 1; g.fillStyle = colour("quiet");
      const ys = steps(low, most, Math.max(2, high / 36));
      for (const v of ys.ticks) { const y = Math.round(py(v)) + 0.5; g.beginPath(); g.moveTo(LEFT, y); g.lineTo(width - RIGHT, y); g.stroke(); }
      for (const v of xs.ticks) { const x = Math.round(px(v)) + 0.5; g.beginPath(); g.moveTo(x, y0); g.lineTo(x, y1); g.stroke(); }
      for (const range of doc.ranges) {
        g.strokeStyle = colour("quiet"); g.setLineDash([5, 4]);
        const x = Math.round(px(range.from)) + 0.5; g.beginPath(); g.moveTo(x, y0); g.lineTo(x, y1); g.stroke(); g.setLineDash([]);
      }
      if (lane.zero_line) { g.strokeStyle = colour("ink"); g.beginPath(); g.moveTo(LEFT, py(0)); g.lineTo(width - RIGHT, py(0)); g.stroke(); }
      for (const s of shown) drawSeries(g, s, px, py, shown);
      g.fillStyle = colour("ink");
      let beyond = -1e9;
      for (const band of lane.bands || []) {
        if (!band.label || (band.kind === "over" && view[1] - view[0] > 60)) continue;
        const x = px((Math.max(band.from, view[0]) + Math.min(band.to, view[1])) / 2), text = band.label, wide = g.measureText(text).width;
        const over = band.kind === "over";
        if (band.to < view[0] || band.from > view[1] || (!over && x - wide / 2 < beyond)) continue;
        g.fillStyle = colour(over ? "over" : "quiet"); g.fillText(text, x - wide / 2, over ? y0 + 28 : y0 + 13);
        if (!over) beyond = x + wide / 2 + 4;
      }
      g.restore();
      g.fillStyle = colour("quiet");
      for (const v of ys.ticks) { const text = v.toFixed(ys.digits); g.fillText(text, LEFT - 6 - g.measureText(text).width, py(v) + 4); }
      g.fillStyle = colour("ink");
      const unit = lane.choices ? (shown[0] || {}).unit || "" : lane.unit;
      g.fillText((lane.choices ? (shown[0] || {}).title || "" : lane.title) + (unit ? " (" + unit + ")" : ""), LEFT, y0 - 6);
      top = y1;
    }
    g.fillStyle = colour("quiet");
    const title = (home && doc.ranges.length > 1 ? home.name + " " : "") + "km", naming = g.measureText(title).width;
    for (const v of xs.ticks) { const text = (v - zero).toFixed(xs.digits), x = px(v); if (x < width - RIGHT - naming - 20) g.fillText(text, x - g.measureText(text).width / 2, height - 8); }
    g.fillText(title, width - RIGHT - naming, height - 8);
    if (drag && drag.kind === "select") {
      g.globalAlpha = 0.15; g.fillStyle = colour("ink");
      g.fillRect(Math.min(drag.from, drag.to), 0, Math.abs(drag.to - drag.from), height - FOOT); g.globalAlpha = 1;
    }
    if (pointed !== null && pointed >= view[0] && pointed <= view[1]) {
      g.strokeStyle = colour("ink"); g.lineWidth = 1; g.beginPath(); g.moveTo(px(pointed), 8); g.lineTo(px(pointed), height - FOOT); g.stroke();
    }
  }

  // Too many points for the screen: reduce each column to minimum, mean and maximum.
  function inColumns(s, a, b, count) {
    const d = { x: [], y: [], low: [], high: [] }, wide = (view[1] - view[0]) / count;
    for (let i = a; i <= b;) {
      const end = view[0] + (Math.floor((s.x[i] - view[0]) / wide) + 1) * wide;
      let sum = 0, n = 0, low = Infinity, high = -Infinity;
      d.x.push(s.x[i]);
      for (; i <= b && (!n || s.x[i] < end); i++, n++) { sum += s.y[i]; low = Math.min(low, s.y[i]); high = Math.max(high, s.y[i]); }
      d.y.push(sum / n); d.low.push(low); d.high.push(high);
    }
    return d;
  }
  function drawSeries(g, s, px, py, shown) {
    if (!s.x.length) return;
    let d = s, a = find(s.x, view[0]), b = Math.min(s.x.length - 1, find(s.x, view[1]) + 1);
    const above = s.above && shown.find((other) => other.name === s.above), columns = (px(view[1]) - px(view[0])) / 2;
    if (!s.step && !s.low && b - a > 4 * columns) { d = inColumns(s, a, b, columns); a = 0; b = d.x.length - 1; }
    g.lineWidth = 1.6; g.strokeStyle = colour(s.colour || "speed");
    if (d.low && shown.filter((other) => !other.step).length === 1) { // the areas of several series would hide each other
      g.globalAlpha = 0.3; g.fillStyle = g.strokeStyle; g.beginPath();
      for (let i = a; i <= b; i++) g.lineTo(px(d.x[i]), py(d.high[i]));
      for (let i = b; i >= a; i--) g.lineTo(px(d.x[i]), py(d.low[i]));
      g.fill(); g.globalAlpha = 1;
    }
    g.beginPath();
    for (let i = a; i <= b; i++) {
      if (d.step && i > a) g.lineTo(px(d.x[i]), py(d.y[i - 1]));
      g.lineTo(px(d.x[i]), py(d.y[i]));
    }
    g.stroke();
    if (!above) return;
    g.strokeStyle = colour("over"); g.lineWidth = 2.4; // redraw the parts within over-speeds
    for (const band of doc.bands) {
      if (band.kind !== "over" || band.to < view[0] || band.from > view[1]) continue;
      g.beginPath(); g.moveTo(px(band.from), py(valueAt(s, band.from)));
      for (let i = find(s.x, band.from) + 1; i < s.x.length && s.x[i] < band.to; i++) g.lineTo(px(s.x[i]), py(s.y[i]));
      g.lineTo(px(band.to), py(valueAt(s, band.to))); g.stroke();
    }
  }

  function frame() { // extent of the map: the stretch in view, or the position the user has panned to
    if (mapView) return mapView;
    let e0 = Infinity, e1 = -Infinity, n0 = Infinity, n1 = -Infinity;
    for (const t of doc.tracks) {
      if (!t.x.length) continue;
      const a = find(t.x, view[0]), b = Math.min(t.x.length - 1, find(t.x, view[1]) + 1);
      for (let i = a; i <= b; i++) { e0 = Math.min(e0, t.e[i]); e1 = Math.max(e1, t.e[i]); n0 = Math.min(n0, t.n[i]); n1 = Math.max(n1, t.n[i]); }
    }
    if (!(e1 >= e0)) { e0 = n0 = 0; e1 = n1 = 1; }
    const box = mapCanvas.getBoundingClientRect(), scale = Math.min((box.width - 70) / Math.max(e1 - e0, 40), (box.height - 70) / Math.max(n1 - n0, 40));
    return { e: (e0 + e1) / 2, n: (n0 + n1) / 2, scale };
  }
  function along(t, from, to, draw) {
    const a = find(t.x, from), b = Math.min(t.x.length - 1, find(t.x, to) + 1);
    for (let i = a; i <= b; i++) draw(i);
  }
  function placeAt(t, x) {
    if (!t.x.length) return null;
    const i = find(t.x, x), j = Math.min(i + 1, t.x.length - 1), span = t.x[j] - t.x[i];
    const part = span > 0 ? Math.min(1, Math.max(0, (x - t.x[i]) / span)) : 0;
    return [t.e[i] + part * (t.e[j] - t.e[i]), t.n[i] + part * (t.n[j] - t.n[i])];
  }
  function drawMap() {
    const [g, width, height] = fit(mapCanvas), f = frame();
    const sx = (e) => width / 2 + (e - f.e) * f.scale, sy = (n) => height / 2 - (n - f.n) * f.scale;
    for (const t of doc.tracks) {
      g.lineCap = "round";
      g.strokeStyle = colour("line"); g.lineWidth = 2; g.beginPath(); along(t, whole[0], whole[1], (i) => g.lineTo(sx(t.e[i]), sy(t.n[i]))); g.stroke();
      for (const band of doc.bands.filter((band) => band.kind === "zone")) stroke(t, band, "zone", 9, 0.5);
      stroke(t, { from: view[0], to: view[1] }, t.colour, 2.5, 1);
      for (const band of doc.bands.filter((band) => band.kind === "over")) stroke(t, band, "over", 5, 1);
    }
    function stroke(t, band, name, wide, alpha) {
      g.strokeStyle = colour(name); g.lineWidth = wide; g.globalAlpha = alpha; g.beginPath();
      const first = placeAt(t, band.from), last = placeAt(t, band.to);
      if (!first) return;
      g.moveTo(sx(first[0]), sy(first[1]));
      for (let i = find(t.x, band.from) + 1; i < t.x.length && t.x[i] < band.to; i++) g.lineTo(sx(t.e[i]), sy(t.n[i]));
      g.lineTo(sx(last[0]), sy(last[1])); g.stroke(); g.globalAlpha = 1;
    }
    const taken = [];
    for (const p of doc.points) {
      const x = sx(p.e), y = sy(p.n);
      if (x < 0 || x > width || y < 0 || y > height || p.x < view[0] - 0.2 || p.x > view[1] + 0.2) continue;
      g.fillStyle = colour(p.state === "missed" ? "over" : p.state === "validated" ? "free" : "gap");
      g.beginPath(); g.arc(x, y, p.state === "missed" ? 6 : 4, 0, 7); g.fill();
      const w = g.measureText(p.label).width, box = [x + 8, y - 8, x + 8 + w, y + 6];
      if (box[2] > width || taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3])) continue;
      taken.push(box); g.fillStyle = colour("ink"); g.fillText(p.label, x + 8, y + 4);
    }
    if (pointed !== null)
      for (const t of doc.tracks) {
        const place = placeAt(t, pointed);
        if (!place) continue;
        g.fillStyle = colour(t.colour); g.strokeStyle = colour("paper"); g.lineWidth = 2.5;
        g.beginPath(); g.arc(sx(place[0]), sy(place[1]), 7, 0, 7); g.fill(); g.stroke();
      }
    const most = 110 / f.scale, ten = 10 ** Math.floor(Math.log10(most)), metres = [5, 2, 1].map((m) => m * ten).find((m) => m <= most);
    const wide = metres * f.scale;
    g.strokeStyle = g.fillStyle = colour("quiet"); g.lineWidth = 2; g.beginPath(); g.moveTo(12, height - 14); g.lineTo(12 + wide, height - 14); g.stroke();
    g.fillText(metres >= 1000 ? metres / 1000 + " km" : metres + " m", 12, height - 20); g.fillText("N ↑", width - 32, 20);
  }

  function updateReadout() {
    if (pointed === null) { readout.textContent = "drag to zoom, double-click to show all, hover to read values"; return; }
    const range = doc.ranges.findLast((r) => r.from <= pointed), words = [];
    words.push(range ? `${range.name} km ${(pointed - range.from).toFixed(3)}` : `km ${pointed.toFixed(3)}`);
    if (doc.clock) {
      const s = valueAt({ x: doc.clock.x, y: doc.clock.s }, pointed);
      if (isFinite(s)) words.push(new Date(doc.clock.begin_ms + s * 1000).toISOString().slice(11, 19) + " UTC");
    }
    for (const lane of doc.lanes)
      for (const s of seriesOf(lane)) {
        const v = valueAt(s, pointed), unit = lane.choices ? s.unit : lane.unit;
        if (isFinite(v)) words.push(`${s.title || s.name} ${v.toFixed(Math.abs(v) < 100 ? 1 : 0)} ${unit}`);
      }
    readout.textContent = words.join(" · ");
  }
  let due = false;
  function redraw() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; drawLanes(); drawMap(); updateReadout(); updateButtons(); });
  }
  function zoom(from, to) {
    const span = Math.max(LEAST, Math.min(to - from, whole[1] - whole[0]));
    const first = Math.min(Math.max(from, whole[0]), whole[1] - span);
    view = [first, first + span]; mapView = null; redraw();
  }
  window.stagelog = { zoom, view: () => [...view], point: (x) => { pointed = x; redraw(); }, pointed: () => pointed };

  const xOf = (event) => {
    const box = lanesCanvas.getBoundingClientRect();
    return view[0] + (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT) * (view[1] - view[0]);
  };
  const left = (event, canvas) => event.clientX - canvas.getBoundingClientRect().left;
  lanesCanvas.addEventListener("pointerdown", (event) => {
    lanesCanvas.setPointerCapture(event.pointerId);
    drag = { kind: event.shiftKey ? "pan" : "select", from: left(event, lanesCanvas), to: left(event, lanesCanvas), x: xOf(event), view: [...view] };
  });
  lanesCanvas.addEventListener("pointermove", (event) => {
    pointed = Math.min(Math.max(xOf(event), whole[0]), whole[1]);
    if (drag) drag.to = left(event, lanesCanvas);
    if (drag && drag.kind === "pan") {
      const box = lanesCanvas.getBoundingClientRect(), moved = (drag.to - drag.from) / (box.width - LEFT - RIGHT) * (drag.view[1] - drag.view[0]);
      zoom(drag.view[0] - moved, drag.view[1] - moved);
    }
    redraw();
  });
  lanesCanvas.addEventListener("pointerup", (event) => {
    const was = drag; drag = null;
    if (was && was.kind === "select" && Math.abs(was.to - was.from) > 6) zoom(Math.min(was.x, xOf(event)), Math.max(was.x, xOf(event)));
    redraw();
  });
  lanesCanvas.addEventListener("pointercancel", () => { drag = null; redraw(); }); // the touch scrolls the page
  lanesCanvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const moved = (event.deltaX || event.deltaY) / 800 * (view[1] - view[0]); zoom(view[0] + moved, view[1] + moved); return;
    }
    const x = xOf(event), times = Math.exp(event.deltaY / 400);
    zoom(x - (x - view[0]) * times, x + (view[1] - x) * times);
  }, { passive: false });
  for (const canvas of [lanesCanvas, mapCanvas]) {
    canvas.addEventListener("dblclick", () => zoom(...whole));
    canvas.addEventListener("pointerleave", () => { if (!drag) { pointed = null; redraw(); } });
  }
  const metresAt = (event) => {
    const box = mapCanvas.getBoundingClientRect(), f = frame();
    return [f.e + (event.clientX - box.left - box.width / 2) / f.scale, f.n - (event.clientY - box.top - box.height / 2) / f.scale, f];
  };
  let grabbed = null;
  mapCanvas.addEventListener("pointerdown", (event) => { mapCanvas.setPointerCapture(event.pointerId); grabbed = metresAt(event); });
  for (const end of ["pointerup", "pointercancel"]) mapCanvas.addEventListener(end, () => { grabbed = null; });
  mapCanvas.addEventListener("pointermove", (event) => {
    const [e, n, f] = metresAt(event);
    if (grabbed) { mapView = { e: f.e + grabbed[0] - e, n: f.n + grabbed[1] - n, scale: f.scale }; redraw(); return; }
    let best = Infinity;
    for (const t of doc.tracks)
      along(t, view[0], view[1], (i) => { const d = (t.e[i] - e) ** 2 + (t.n[i] - n) ** 2; if (d < best) { best = d; pointed = t.x[i]; } });
    redraw();
  });
  mapCanvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [e, n, f] = metresAt(event), times = Math.exp(-event.deltaY / 400);
    mapView = { e: e + (f.e - e) / times, n: n + (f.n - n) / times, scale: f.scale * times }; redraw();
  }, { passive: false });

  const bar = document.getElementById("bar"), buttons = [];
  function button(name, from, to) {
    const element = document.createElement("button"); element.textContent = name; element.addEventListener("click", () => zoom(from, to));
    bar.insertBefore(element, readout); buttons.push([element, from, to]);
  }
  const near = (a, b) => Math.abs(a - b) < 0.02;
  function updateButtons() { for (const [element, from, to] of buttons) element.setAttribute("aria-pressed", near(view[0], Math.max(from, whole[0])) && near(view[1], Math.min(to, whole[1]))); }
  if (doc.ranges.length > 1) button("All", ...whole);
  for (const range of doc.ranges) button(range.name, range.from, range.to);
  for (const lane of doc.lanes.filter((lane) => lane.choices)) {
    const select = document.createElement("select"); select.setAttribute("aria-label", lane.title);
    for (const choice of lane.choices) select.add(new Option(choice.title, choice.name));
    lane.chosen = lane.choices[0].name; select.addEventListener("change", () => { lane.chosen = select.value; redraw(); });
    bar.insertBefore(select, readout);
  }
  for (const row of document.querySelectorAll("tr[data-from]"))
    row.addEventListener("click", () => {
      const from = Number(row.dataset.from), to = Number(row.dataset.to), margin = Math.max(0.4, (to - from) * 0.6);
      zoom(from - margin, to + margin); pointed = (from + to) / 2; document.getElementById("lanes").scrollIntoView({ block: "center" });
    });
  if (doc.begin) zoom(...doc.begin);
  new ResizeObserver(redraw).observe(lanesCanvas.parentElement);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  redraw();
})();
