// What the roadbook puts on the map: waypoints with their circles to scale, where the car crossed them, limits of zones.
//
// One state, one colour and one form: validated a full green dot, and violet with a ring if it is odd (near the edge, late, an
// estimate); missed a red cross; not reached a grey ring. The colours are those of style.css.
const marks = (() => {
  const { colour } = canvas, STATES = { validated: "free", missed: "over", "not reached": "gap" };
  const CIRCLE_PX = 7, CROSSING_PX = 18; // from these radii, or distances, on the screen a circle and a crossing can be seen
  const drawn = []; // what the last picture shows, for tests: {label, x, y, r, at}
  const shows = doc.tracks.length === 1; // in a comparison the crossing would be that of one car

  function draw({ g, width, height, scale, sx, sy }, zones) {
    const from = view.kmAt(view.range[0]) - 0.2, to = view.kmAt(view.range[1]) + 0.2, taken = [];
    drawn.length = 0;
    for (const [at, label] of zones) if (at && scale > 0.004) drawLimit(g, sx(at[0]), sy(at[1]), label);
    for (const p of doc.points) {
      if (p.x < from || p.x > to) continue;
      const at = p.at && [sx(p.at[0]), sy(p.at[1])], [x, y] = p.e === null ? at : [sx(p.e), sy(p.n)], r = p.r * scale;
      if (x < -r || x > width + r || y < -r || y > height + r) continue;
      const isDoubted = p.odd && p.state === "validated", name = isDoubted ? "doubt" : STATES[p.state];
      const near = p.e !== null && at && Math.max(r, Math.hypot(at[0] - x, at[1] - y)) >= CROSSING_PX;
      g.strokeStyle = g.fillStyle = colour(name);
      if (p.e !== null && r >= CIRCLE_PX) drawCircle(g, x, y, r);
      if (p.e === null) drawPlace(g, at, name); else drawState(g, x, y, p.state, isDoubted);
      if (shows && near) drawWay(g, x, y, at, p.estimated);
      drawn.push({ label: p.label, x, y, r: p.e !== null && r >= CIRCLE_PX ? r : 0, at });
      const text = near && shows && p.nearest_m !== null ? `${p.label} · ${p.nearest_m.toFixed(0)} m` : p.label;
      const w = g.measureText(text).width, beside = p.e !== null && r >= CIRCLE_PX && r < 60 ? r + 4 : 10;
      const left = x + beside + w > width ? x - beside - w : x + beside, box = [left, y - 8, left + w, y + 6];
      if (taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3])) continue;
      taken.push(box); canvas.label(g, text, left, y + 4);
    }
  }
  function drawCircle(g, x, y, r) {
    g.beginPath(); g.arc(x, y, r, 0, 7);
    g.globalAlpha = 0.14; g.fill(); g.globalAlpha = 1;
    g.lineWidth = 1.5; g.stroke();
  }
  // Where the car was nearest, and the way to the waypoint; dashed where GPS was lost and the place is an estimate.
  function drawWay(g, x, y, at, estimated) {
    g.strokeStyle = colour("ink"); g.lineWidth = 1.2;
    g.setLineDash(estimated ? [3, 3] : []);
    g.beginPath(); g.moveTo(x, y); g.lineTo(...at); g.stroke(); g.setLineDash([]);
    drawPlace(g, at, "ink");
  }
  // A diamond: where the car was. In the colour of the state it stands for a waypoint without coordinates.
  function drawPlace(g, [x, y], name) {
    g.beginPath(); g.moveTo(x, y - 6); g.lineTo(x + 6, y); g.lineTo(x, y + 6); g.lineTo(x - 6, y); g.closePath();
    g.fillStyle = colour(name); g.fill(); g.strokeStyle = colour("paper"); g.lineWidth = 1.2; g.stroke();
  }
  function drawState(g, x, y, state, isDoubted) {
    g.beginPath();
    if (state === "missed") { g.lineWidth = 3; g.moveTo(x - 5, y - 5); g.lineTo(x + 5, y + 5); g.moveTo(x + 5, y - 5); g.lineTo(x - 5, y + 5); g.stroke(); return; }
    g.arc(x, y, 4, 0, 7);
    if (state === "validated") { g.fill(); if (isDoubted) { g.beginPath(); g.arc(x, y, 6.5, 0, 7); } else g.strokeStyle = colour("paper"); g.lineWidth = 1.2; g.stroke(); } else { g.lineWidth = 2; g.stroke(); }
  }
  function drawLimit(g, x, y, label) {
    const w = g.measureText(label).width + 10;
    g.fillStyle = colour("zone"); g.beginPath(); g.roundRect(x - w - 12, y - 9, w, 18, 5); g.fill();
    g.fillStyle = colour("label"); g.fillText(label, x - w - 7, y + 4);
  }
  return { draw, drawn };
})();
