// The judgement: each over-speed opens to its explanation, and the page can show what other rules make of the drive.
//
// doc.judgement  {rulings, drives, utc}, of the review page only. Python judged; this file shows.
//   rulings      the verdict first: {name, drive, total, bad, penalties [TEXT], sentences [TEXT], rule,
//                sections {NUMBER: [penalty, state]}, where they differ from the verdict, missed [TEXT]}; a penalty and a sentence for each over-speed of its drive
//   drives       sets of over-speeds; rulings with the same tolerance and class limit share one: {title, more, over}
//   over         {cells [TEXT], from, to, zero, limit, tolerance, begin_ms, measured, evidence, impulses [km], fixes}
//   fixes        {left_out, s, km, kmh, hdop, satellites, source, accuracy_m, speed_accuracy_kmh}: packed, a number
//                where all are equal, null where unknown
const judgement = (() => {
  const judged = doc.judgement, SOURCES = ["receiver", "positions", "display"];
  const section = document.querySelector("section[data-table=overspeeds]");
  const body = section && section.querySelector("tbody"), select = document.getElementById("ruling");
  const LONG_ROWS = 20; // as in sheet.py
  const KM = 1, OVER = 4, PENALTY = 5, ZONE = 8, WAYPOINT_PENALTY = 4, SECTION_PENALTY = 3; // columns of the tables
  let chosen = 0, drawOpen = []; // the ruling shown, and the redrawing of each open explanation
  if (!judged) return {};

  const make = (tag, text, className) => { const made = document.createElement(tag); if (text) made.textContent = text; if (className) made.className = className; return made; };
  // The columns of the fixes, each as an array.
  function decoded(fixes) {
    const columnOf = (value) => (typeof value === "string" ? doc.floats(value) : value);
    const km = columnOf(fixes.km), all = (value) => (value === null ? null : typeof value === "number" ? km.map(() => value) : value);
    return Object.fromEntries(Object.entries(fixes).map(([name, value]) => [name, name === "left_out" ? value : all(columnOf(value))]));
  }
  const columnsShown = [
    ["UTC", (over, fixes, i) => (judged.utc ? new Date(over.begin_ms + fixes.s[i] * 1000).toISOString().slice(11, 23) : `${fixes.s[i].toFixed(1)} s`)],
    ["km", (over, fixes, i) => (fixes.km[i] - over.zero).toFixed(3)],
    ["km/h", (over, fixes, i) => fixes.kmh[i].toFixed(1)],
    ["over", (over, fixes, i) => { const by = fixes.kmh[i] - over.limit; return by > 0 ? `+${by.toFixed(1)}` : ""; }],
    ...[["HDOP", "hdop", 1], ["satellites", "satellites", 0], ["accuracy m", "accuracy_m", 1], ["accuracy km/h", "speed_accuracy_kmh", 2]]
      .map(([title, key, digits]) => [title, (over, fixes, i) => (fixes[key] && isFinite(fixes[key][i]) ? fixes[key][i].toFixed(digits) : ""), key]),
    ["speed by", (over, fixes, i) => SOURCES[fixes.source[i]] || ""],
  ];
  function fixTable(over, fixes) {
    const shown = columnsShown.filter(([, , key]) => !key || fixes[key]), details = make("details"), scroll = make("div", "", "scroll"), grid = make("table");
    const count = fixes.km.length + (fixes.left_out ? ` of ${fixes.km.length + fixes.left_out}` : "");
    details.append(make("summary", `${count} fixes of this stretch`));
    const head = grid.createTHead().insertRow(), rows = grid.createTBody();
    for (const [title] of shown) head.append(make("th", title, "n"));
    for (let i = 0; i < fixes.km.length; i++) {
      const row = rows.insertRow();
      if (fixes.kmh[i] > over.limit) row.className = "over";
      for (const [, text] of shown) row.append(make("td", text(over, fixes, i), "n"));
    }
    scroll.tabIndex = 0; // so that keys can scroll it
    scroll.append(grid); details.append(scroll);
    if (fixes.left_out) details.append(make("p", `and ${fixes.left_out} more in the log`, "more"));
    return details;
  }
  function explain(index) {
    const ruling = judged.rulings[chosen], over = judged.drives[ruling.drive].over[index], fixes = decoded(over.fixes);
    const box = make("div", "", "why"), element = make("canvas"), frame = make("div", "", "zoom"), show = make("button", "show on lanes and map");
    show.type = "button"; show.addEventListener("click", () => rows.show(over.from, over.to));
    frame.append(element);
    box.append(make("p", ruling.sentences[index], "sentence"), make("p", ruling.rule, "quiet"));
    if (fixes.km.length) box.append(frame);
    if (!over.impulses.length) box.append(make("p", "The places of the impulses cannot be computed from the fixes.", "quiet"));
    box.append(make("p", `${over.measured}; ${over.evidence}`), ...(fixes.km.length ? [fixTable(over, fixes)] : []), show);
    return [box, () => zoomPlot.draw(element, over, fixes)];
  }
  // The row of an over-speed gets a button that opens and closes the row of its explanation.
  function withButton(row, index) {
    const button = make("button", "", "open");
    let opened = null;
    button.type = "button"; button.setAttribute("aria-expanded", "false"); button.setAttribute("aria-label", `Explain the over-speed at km ${row.cells[KM].textContent}`);
    button.addEventListener("click", () => {
      const isOpen = !opened;
      button.setAttribute("aria-expanded", String(isOpen));
      if (!isOpen) { drawOpen = drawOpen.filter((draw) => draw !== opened.draw); opened.row.remove(); opened = null; return; }
      const [box, draw] = explain(index), added = make("tr"), cell = make("td");
      cell.colSpan = row.cells.length; cell.append(box); added.append(cell); row.after(added);
      opened = { row: added, draw }; drawOpen.push(draw); draw();
    });
    row.cells[0].replaceChildren(button);
    return row;
  }
  function rowOf(over, index) {
    const row = make("tr");
    row.dataset.from = over.from; row.dataset.to = over.to; row.tabIndex = 0;
    over.cells.forEach((text, at) => row.append(make("td", text, at && at < ZONE ? "n" : "")));
    return withButton(row, index);
  }
  // Show the penalties of a ruling in every table, and its over-speeds in lanes and map.
  function choose(number) {
    chosen = number; drawOpen = [];
    const ruling = judged.rulings[number], drive = judged.drives[ruling.drive], verdict = document.getElementById("verdict");
    if (body) {
      body.replaceChildren(...drive.over.map(rowOf));
      ruling.penalties.forEach((text, at) => { body.rows[at].cells[PENALTY].textContent = text; });
      section.classList.toggle("long", drive.over.length > LONG_ROWS);
      section.querySelector("h2").textContent = drive.title; section.querySelector("p.more").textContent = drive.more;
    }
    const cells = (table, kind) => [...document.querySelectorAll(`section[data-table=${table}] tbody tr${kind}`)].map((row) => [...row.cells]);
    cells("sections", "").forEach((row, at) => { [row[SECTION_PENALTY].textContent, row[SECTION_PENALTY + 1].textContent] = ruling.sections[at] || judged.rulings[0].sections[at]; });
    cells("odd", ".charged").forEach((row, at) => { row[WAYPOINT_PENALTY].textContent = ruling.missed[at]; });
    verdict.textContent = `${number ? "what if: " : ""}${ruling.total}`; verdict.className = `verdict ${ruling.bad ? "bad" : "good"}`;
    banner.hidden = !number;
    banner.textContent = `What if: ${ruling.name}. Not the verdict: that is ${judged.rulings[0].total} under ${judged.rulings[0].name}.`
      + (ruling.drive ? " Limit and distributions stay those of the verdict." : "");
    const bands = drive.over.map((over) => ({ kind: "over", from: over.from, to: over.to, label: over.cells[OVER] }));
    doc.bands = [...doc.bands.filter((band) => band.kind !== "over"), ...bands];
    view.redraw();
  }
  const banner = make("p", "", "whatif-banner");
  banner.hidden = true; banner.setAttribute("role", "status"); document.querySelector("main > header").after(banner);
  if (body) [...body.rows].forEach(withButton);
  if (select) { select.value = "0"; select.addEventListener("change", () => choose(Number(select.value))); }
  const redrawOpen = () => requestAnimationFrame(() => drawOpen.forEach((draw) => draw()));
  window.addEventListener("resize", redrawOpen);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawOpen);
  return { choose };
})();
