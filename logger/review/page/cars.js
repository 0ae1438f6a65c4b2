// A comparison's lines: their style, the car's number at their end, and marks where the gap to the first car grew most.
//
// A channel of a comparison has `car`, from 1: cars 1 to 4 are solid lines, 5 to 8 dashed ones, each in its own colour.
// `short` is its number, written at the end of a line that is `named`. A lane with `growths` marks doc.growths {car, from, to, grown_s}: a click on
// a mark shows that stretch, as a click on its row in the table does.
const cars = (() => {
  const SOLID = 4, DASH = [7, 4];
  const TALL = 13, ROW = 17, SHARE = 0.3; // px: a label, a row of marks; the share of a lane that marks may take
  const REACH = 14; // px from a mark within which a click counts
  const growths = [...(doc.growths || [])].sort((a, b) => b.grown_s - a.grown_s);
  let marks = [], pressed = null; // marks of the last picture; the one that a press began on

  const dash = (channel) => (channel.car > SOLID ? DASH : []);

  // The number of each car at the end of its line in view, moved apart where lines meet.
  function label(g, { y0, y1, scales }, px) {
    const shown = scales.flatMap((scale) => scale.channels.flatMap((channel) => lineEnd(channel, px, scale.py))).sort((a, b) => a.y - b.y);
    let above = -Infinity, below = y1 + TALL - 3;
    for (const line of shown) above = line.at = Math.max(line.y, above + TALL, y0 + TALL);
    for (const line of [...shown].reverse()) below = line.at = Math.min(line.at, below - TALL);
    g.lineWidth = 4; g.strokeStyle = canvas.colour("paper");
    for (const { channel, x, at } of shown) {
      const left = x - 4 - g.measureText(channel.short).width;
      g.strokeText(channel.short, left, at); g.fillStyle = canvas.colour(channel.colour); g.fillText(channel.short, left, at);
    }
  }
  // [{channel, x, y}], or [] for a line that is not in view or has no name.
  function lineEnd(channel, px, py) {
    const xs = view.x(channel), [from, to] = view.range;
    if (!channel.named || !xs.length || xs[0] > to || xs[xs.length - 1] < from) return [];
    const at = columns.find(xs, to);
    return [{ channel, x: px(at === xs.length - 1 ? xs[at] : to), y: py(channel.y[at]) }];
  }
  const text = (growth) => `+${growth.grown_s.toFixed(growth.grown_s < 10 ? 1 : 0)} s`;

  // Place the marks in rows at the bottom of a lane, the largest lowest; returns the height of the rows.
  function place(g, { y0, y1 }, { px, left, right }) {
    const most = Math.max(1, Math.floor((y1 - y0) * SHARE / ROW));
    marks = [];
    for (const growth of growths) {
      const from = px(view.xAt(growth.from)), to = Math.max(px(view.xAt(growth.to)), from + 2), x = (from + to) / 2;
      if (to < left || from > right) continue;
      const wide = g.measureText(text(growth)).width, written = x + 10 + wide > right ? x - 9 - wide : x + 9;
      const begin = Math.min(from, x - 6, written), end = Math.max(to, x + 6, written + wide);
      let row = 0;
      while (marks.some((other) => other.row === row && begin < other.end + 4 && other.begin < end + 4)) row++;
      if (row < most) marks.push({ growth, from, to, begin, end, written, row, x, y: y1 - 5 - ROW * row });
    }
    return marks.length ? (Math.max(...marks.map((each) => each.row)) + 1) * ROW + 3 : 0;
  }
  // Draw the marks: a bar over each stretch, with a triangle at its middle.
  function mark(g) {
    for (const { growth, from, to, written, x, y } of marks) {
      g.fillStyle = canvas.colour(`car${growth.car}`); g.fillRect(from, y, to - from, 3);
      g.beginPath(); g.moveTo(x - 6, y); g.lineTo(x + 6, y); g.lineTo(x, y - 9); g.fill();
      g.fillText(text(growth), written, y - 1);
    }
  }
  function under(event) {
    const box = lanes.element.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const far = (each) => Math.hypot(each.x - x, each.y - 5 - y);
    return marks.filter((each) => far(each) <= REACH).sort((a, b) => far(a) - far(b))[0];
  }
  const element = document.getElementById("lanes");
  // A press on a mark is not the beginning of another gesture: this file is before gestures.js.
  element.addEventListener("pointerdown", (event) => {
    pressed = event.isPrimary && !event.button ? under(event) : null;
    if (pressed) event.stopImmediatePropagation();
  });
  element.addEventListener("click", (event) => {
    const found = pressed && under(event);
    if (found && found.growth === pressed.growth) rows.show(found.growth.from, found.growth.to);
    pressed = null;
  });
  element.addEventListener("pointermove", (event) => { element.style.cursor = under(event) ? "pointer" : ""; });
  return { dash, label, place, mark };
})();
