// The background that the user gave with --background: areas, lines and places, under the track.
const ground = (() => {
  const { colour } = canvas, LEAST_PX = 2; // smaller shapes and bends are not drawn
  const LABEL_SCALE = 0.002; // px per metre: from here on names of places do not hide the map
  const shapes = [];
  let areas = [];
  if (doc.background) {
    const { lines, rings } = doc.background;
    const from = ({ e, n, sizes }) => {
      const made = [];
      let begin = 0;
      for (const size of sizes) {
        const shape = { e: e.subarray(begin, begin + size), n: n.subarray(begin, begin + size), box: [Infinity, -Infinity, Infinity, -Infinity] };
        for (let i = 0; i < size; i++) {
          shape.box = [Math.min(shape.box[0], shape.e[i]), Math.max(shape.box[1], shape.e[i]), Math.min(shape.box[2], shape.n[i]), Math.max(shape.box[3], shape.n[i])];
        }
        made.push(shape); begin += size;
      }
      return made;
    };
    shapes.push(...from(lines));
    const all = from(rings);
    areas = rings.areas.map((count) => all.splice(0, count));
  }
  function trace(g, { sx, sy }, { e, n }) {
    let x0 = Infinity, y0 = Infinity;
    for (let i = 0; i < e.length; i++) {
      const x = sx(e[i]), y = sy(n[i]);
      if (i === 0) g.moveTo(x, y);
      else if (i === e.length - 1 || Math.abs(x - x0) + Math.abs(y - y0) > LEAST_PX) g.lineTo(x, y);
      else continue;
      x0 = x; y0 = y;
    }
  }
  function draw(place) {
    const { g, width, height, scale, sx, sy } = place;
    const seen = ({ box }) => Math.max(box[1] - box[0], box[3] - box[2]) * scale > LEAST_PX && sx(box[1]) >= 0 && sx(box[0]) <= width && sy(box[2]) >= 0 && sy(box[3]) <= height;
    g.fillStyle = colour("area");
    for (const rings of areas) {
      if (!rings.some(seen)) continue;
      g.beginPath();
      for (const ring of rings) trace(g, place, ring);
      g.fill("evenodd");
    }
    g.strokeStyle = colour("road"); g.lineWidth = 1.2; g.beginPath();
    for (const line of shapes) if (seen(line)) trace(g, place, line);
    g.stroke();
    for (const { e, n, label } of doc.background.places) {
      const x = sx(e), y = sy(n);
      if (x < 0 || x > width || y < 0 || y > height) continue;
      g.fillStyle = colour("road"); g.fillRect(x - 2, y - 2, 4, 4);
      if (label && scale > LABEL_SCALE) canvas.label(g, label, x + 5, y + 4, "quiet");
    }
  }
  return { draw };
})();
