// The map: tracks, zones, over-speeds and waypoints in metres. It fits the range of the lanes until the user moves it.
const map = (() => {
  const element = document.getElementById("map"), { colour } = canvas;
  let moved = null; // {e, n, scale} where the user has moved the map, for the range `movedFor`
  let movedFor = "", grabbed = null;

  function frame() { // centre of the map and pixels per metre
    if (moved && movedFor === String(view.range)) return moved;
    let e0 = Infinity, e1 = -Infinity, n0 = Infinity, n1 = -Infinity;
    for (const t of doc.tracks)
      along(t, ...view.range, (i) => { e0 = Math.min(e0, t.e[i]); e1 = Math.max(e1, t.e[i]); n0 = Math.min(n0, t.n[i]); n1 = Math.max(n1, t.n[i]); });
    if (!(e1 >= e0)) { e0 = n0 = 0; e1 = n1 = 1; }
    const box = element.getBoundingClientRect(), scale = Math.min((box.width - 70) / Math.max(e1 - e0, 40), (box.height - 70) / Math.max(n1 - n0, 40));
    return { e: (e0 + e1) / 2, n: (n0 + n1) / 2, scale };
  }
  function move(to) { moved = to; movedFor = String(view.range); view.redraw(); }
  function along(t, from, to, visit) {
    if (!t.km.length) return;
    const [a, b] = columns.within(view.x(t), from, to);
    for (let i = a; i <= b; i++) visit(i);
  }
  function placeAt(t, x) {
    const xs = view.x(t);
    if (!xs.length) return null;
    const i = columns.find(xs, x), j = Math.min(i + 1, xs.length - 1), span = xs[j] - xs[i];
    const part = span > 0 ? Math.min(1, Math.max(0, (x - xs[i]) / span)) : 0;
    return [t.e[i] + part * (t.e[j] - t.e[i]), t.n[i] + part * (t.n[j] - t.n[i])];
  }
  function draw() {
    const [g, width, height] = canvas.fit(element), f = frame(), [from, to] = view.range;
    const sx = (e) => width / 2 + (e - f.e) * f.scale, sy = (n) => height / 2 - (n - f.n) * f.scale;
    const bands = (kind) => doc.bands.filter((band) => band.kind === kind).map((band) => [view.xAt(band.from), view.xAt(band.to)]);
    for (const t of doc.tracks) {
      g.lineCap = "round";
      g.strokeStyle = colour("line"); g.lineWidth = 2; g.beginPath(); along(t, ...view.whole, (i) => g.lineTo(sx(t.e[i]), sy(t.n[i]))); g.stroke();
      for (const stretch of bands("zone")) stroke(t, stretch, "zone", 9, 0.5);
      stroke(t, [from, to], t.colour, 2.5, 1);
      for (const stretch of bands("over")) stroke(t, stretch, "over", 5, 1);
    }
    function stroke(t, [begin, end], name, wide, alpha) {
      const first = placeAt(t, begin), last = placeAt(t, end), xs = view.x(t);
      if (!first) return;
      g.strokeStyle = colour(name); g.lineWidth = wide; g.globalAlpha = alpha; g.beginPath();
      g.moveTo(sx(first[0]), sy(first[1]));
      for (let i = columns.find(xs, begin) + 1; i < xs.length && xs[i] < end; i++) g.lineTo(sx(t.e[i]), sy(t.n[i]));
      g.lineTo(sx(last[0]), sy(last[1])); g.stroke(); g.globalAlpha = 1;
    }
    const taken = [];
    for (const p of doc.points) {
      const x = sx(p.e), y = sy(p.n);
      if (x < 0 || x > width || y < 0 || y > height || p.x < view.kmAt(from) - 0.2 || p.x > view.kmAt(to) + 0.2) continue;
      g.fillStyle = colour(p.state === "missed" ? "over" : p.state === "validated" ? "free" : "gap");
      g.beginPath(); g.arc(x, y, p.state === "missed" ? 6 : 4, 0, 7); g.fill();
      const w = g.measureText(p.label).width, box = [x + 8, y - 8, x + 8 + w, y + 6];
      if (box[2] > width || taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3])) continue;
      taken.push(box); g.fillStyle = colour("ink"); g.fillText(p.label, x + 8, y + 4);
    }
    for (const t of view.cursor === null ? [] : doc.tracks) {
      const place = placeAt(t, view.cursor);
      if (!place) continue;
      g.fillStyle = colour(t.colour); g.strokeStyle = colour("paper"); g.lineWidth = 2.5;
      g.beginPath(); g.arc(sx(place[0]), sy(place[1]), 7, 0, 7); g.fill(); g.stroke();
    }
    const most = 110 / f.scale, ten = 10 ** Math.floor(Math.log10(most)), metres = [5, 2, 1].map((m) => m * ten).find((m) => m <= most);
    g.strokeStyle = g.fillStyle = colour("quiet"); g.lineWidth = 2;
    g.beginPath(); g.moveTo(12, height - 14); g.lineTo(12 + metres * f.scale, height - 14); g.stroke();
    g.fillText(metres >= 1000 ? metres / 1000 + " km" : metres + " m", 12, height - 20); g.fillText("N ↑", width - 32, 20);
  }
  const metresUnder = (event) => {
    const box = element.getBoundingClientRect(), f = frame();
    return [f.e + (event.clientX - box.left - box.width / 2) / f.scale, f.n - (event.clientY - box.top - box.height / 2) / f.scale, f];
  };
  element.addEventListener("pointerdown", (event) => { element.setPointerCapture(event.pointerId); grabbed = metresUnder(event); });
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => { grabbed = null; });
  element.addEventListener("pointermove", (event) => {
    const [e, n, f] = metresUnder(event);
    if (grabbed) { move({ e: f.e + grabbed[0] - e, n: f.n + grabbed[1] - n, scale: f.scale }); return; }
    let best = Infinity, nearest = null;
    for (const t of doc.tracks)
      along(t, ...view.range, (i) => { const d = (t.e[i] - e) ** 2 + (t.n[i] - n) ** 2; if (d < best) { best = d; nearest = view.x(t)[i]; } });
    view.point(nearest);
  });
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [e, n, f] = metresUnder(event), times = Math.exp(-event.deltaY / 400);
    move({ e: e + (f.e - e) / times, n: n + (f.n - n) / times, scale: f.scale * times });
  }, { passive: false });
  element.addEventListener("dblclick", () => view.zoom(...view.whole));
  element.addEventListener("pointerleave", () => { if (!grabbed) view.point(null); });
  view.subscribe(draw);
})();
