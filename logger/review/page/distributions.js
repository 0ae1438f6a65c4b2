// The section of distributions: its frame, its cards, and when they are drawn. All are of what is in view, and weighted by
// time: each sample counts for the seconds that it stands for.
//
//   distributions.card(title, below) a new card, beside the last one or below it: {body, canvas(label), select(label, keys, chosen, name), note}
//   distributions.subscribe(draw)   draw(first, end): the samples in view; a little after the range has come to rest
//   distributions.follow(mark)      mark(i): the sample at the cursor, -1 for none; at once
//   distributions.results           what the cards show, for tests
const distributions = (() => {
  if (!samples) return null;
  const REST_MS = 120; // dragging the lanes stays smooth
  const section = document.createElement("section"), title = document.createElement("h2"), about = document.createElement("p");
  const grid = document.createElement("div"), listeners = [], results = {};
  section.id = "distributions"; section.className = "distributions"; grid.className = "cards"; title.textContent = "Distributions";
  section.append(title, about, grid);
  document.getElementById("panels").append(section);

  function element(name, parent, text = "") { const made = document.createElement(name); made.textContent = text; parent.append(made); return made; }
  function card(name, isBelow = false) {
    const column = isBelow && grid.lastElementChild || element("div", grid), body = element("div", column), head = element("div", body), note = document.createElement("p");
    body.className = "card"; head.className = "head"; element("h3", head, name);
    const made = {
      body, note,
      canvas(label) { // [for the picture, for the cursor above it]
        const box = element("div", body), drawing = element("canvas", box), above = element("canvas", box);
        box.className = "drawing"; drawing.setAttribute("role", "img"); drawing.setAttribute("aria-label", label);
        above.setAttribute("aria-hidden", "true");
        return [drawing, above];
      },
      select(label, keys, chosen, name) { // `name` is that of its field in the page's address
        const select = element("select", head);
        select.setAttribute("aria-label", label); select.title = label;
        for (const key of keys) {
          const { title: text, unit } = samples.channels.get(key) || { title: "one colour" };
          select.add(new Option(text + (unit ? ` (${unit})` : ""), key));
        }
        select.value = chosen; select.addEventListener("change", () => { update(); view.redraw(); });
        link.keep(name, () => select.value === chosen ? null : select.value, (key) => { if (keys.includes(key)) { select.value = key; update(); } });
        return select;
      },
    };
    note.className = "note";
    return made;
  }
  const clock = (seconds) => texts.duration(seconds, seconds < 60 ? 1 : 0);
  // The seconds of each class of values in view: `index` gives the class of a sample, -1 for none.
  function counted(first, end, count, index) {
    const seconds = new Array(count).fill(0);
    for (let i = first; i < end; i++) { const at = index(i); if (at >= 0) seconds[at] += samples.seconds[i]; }
    return seconds;
  }
  // A table of classes, each with its time, its share and a bar.
  function bars(parent, rows, total) {
    const table = element("table", parent), most = Math.max(...rows.map((row) => row.seconds), 1e-9);
    table.className = "bars";
    for (const { name, seconds, colour } of rows) {
      const row = element("tr", table);
      element("th", row, name);
      const bar = element("i", element("td", row));
      bar.style.width = `${100 * seconds / most}%`; bar.style.background = colour;
      for (const text of seconds > 0 ? [clock(seconds), (100 * seconds / total).toFixed(1) + " %"] : [texts.NONE, texts.NONE]) element("td", row, text).className = "n";
    }
    return table;
  }
  let waiting = 0, isSeen = false, drawnFor = "", marked = -1;
  const marks = [];
  function mark(always) {
    const { cursor } = view, xs = view.x(samples), at = cursor === null || cursor < xs[0] ? -1 : columns.find(xs, cursor);
    if (at === marked && !always) return;
    marked = at;
    for (const draw of marks) draw(at);
  }
  function update() {
    waiting = 0;
    if (!isSeen) return;
    const [first, end] = samples.between(...view.range);
    let total = 0;
    for (let i = first; i < end; i++) total += samples.seconds[i];
    results.seconds = total;
    about.textContent = `of the stretch in view: ${clock(total)} with GPS. Everything here is a share of time, standing included; it follows the plot.`
      + (doc.samples.left_out ? ` ${doc.samples.left_out} channels are left out: the page has no room for them.` : "");
    drawnFor = String(view.range);
    for (const draw of listeners) draw(first, end, total);
    mark(true);
  }
  view.subscribe(() => {
    if (isSeen) mark(false);
    if (String(view.range) === drawnFor && isSeen) return;
    clearTimeout(waiting); waiting = setTimeout(update, REST_MS);
  });
  new IntersectionObserver((entries) => { isSeen = entries.some((entry) => entry.isIntersecting); if (isSeen) update(); }, { rootMargin: "200px" }).observe(section);
  new ResizeObserver(() => update()).observe(grid);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => update());
  window.addEventListener("beforeprint", () => { isSeen = true; update(); });
  return { card, subscribe: (draw) => { listeners.push(draw); }, follow: (draw) => { marks.push(draw); }, results, clock, counted, bars };
})();
