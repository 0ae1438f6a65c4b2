// The table below the lanes: each channel's value at the cursor and at the pinned one, their difference, and minimum,
// mean and maximum of what is in view. The average speed is distance over time, between the cursors and in view.
const values = (() => {
  const SPEED = "drive.speed_kmh", COLUMNS = ["cursor", "pinned", "difference", "min", "mean", "max"];
  const section = document.createElement("section"), table = document.createElement("table");
  const box = document.createElement("input"), label = document.createElement("label");
  let cells = new Map(), shown = "";
  section.id = "values"; section.className = "values"; table.id = "readings";
  box.type = "checkbox"; label.append(box, " all channels");
  const scroll = document.createElement("div");
  scroll.className = "scroll"; scroll.append(table); section.append(scroll, label);
  document.querySelector(".legend").after(section);
  box.addEventListener("change", view.redraw);

  // The channels to list, with the number of their lane or -1.
  function listed() {
    const rows = view.lanes.flatMap((lane, number) => view.shown(lane).map((channel) => [channel, number]));
    const speed = doc.channels.get(SPEED), others = box.checked ? [...doc.channels.values()] : speed ? [speed] : [];
    return [...rows, ...others.filter((other) => laneList.has([other.key]) < 0).map((channel) => [channel, -1])];
  }
  function row(name, id, ink) {
    const made = document.createElement("tr"), head = document.createElement("th");
    head.scope = "row"; head.textContent = name; made.dataset.row = id;
    if (ink) { const mark = document.createElement("i"); mark.style.background = ink; head.prepend(mark); }
    made.append(head);
    const found = {};
    for (const column of COLUMNS) { found[column] = document.createElement("td"); found[column].className = `n ${column}`; made.append(found[column]); }
    cells.set(id, found);
    return made;
  }
  // A row above the lines of several cars.
  function heading(text) {
    const made = document.createElement("tr"), head = document.createElement("th");
    head.colSpan = COLUMNS.length + 1; head.textContent = text; head.className = "group"; made.append(head);
    return made;
  }
  function build(channels) {
    const head = document.createElement("tr");
    head.append(...["", "Cursor", "Pinned", "Difference", "Min in view", "Mean", "Max"].map((text, at) => {
      const one = document.createElement("th"); one.textContent = text; one.scope = "col"; one.className = at ? `n ${COLUMNS[at - 1]}` : ""; return one;
    }));
    cells = new Map();
    const rows = [row(doc.clock ? "Distance of the day (km)" : "Distance (km)", "km")];
    if (doc.clock) rows.push(row(texts.timeName === "UTC" ? "Time (UTC)" : "Time", "time"), row("Average speed (km/h)", "between"));
    let group = "";
    for (const [channel, number] of channels) {
      const unit = channel.unit ? ` (${channel.unit})` : "";
      if (channel.group && channel.group !== group) rows.push(heading(channel.group_title + unit));
      group = channel.group;
      const ink = number < 0 ? "" : lanes.colourOf(view.lanes[number], channel);
      rows.push(row(channel.title + (group ? "" : unit), `${number} ${channel.key}`, ink));
    }
    const body = document.createElement("tbody"), top = document.createElement("thead");
    top.append(head); body.append(...rows); table.replaceChildren(top, body);
  }
  function set(id, texts) {
    const found = cells.get(id);
    for (const [column, text] of Object.entries(texts)) if (found[column].textContent !== text) found[column].textContent = text;
  }
  function write() {
    const channels = listed(), now = JSON.stringify(channels.map(([channel, number]) => [channel.key, number])) + matchMedia("(prefers-color-scheme: dark)").matches;
    if (now !== shown) { shown = now; build(channels); }
    const { cursor, pinned, range, axis } = view, both = cursor !== null && pinned !== null;
    table.classList.toggle("pinned", pinned !== null);
    const number = (x, of) => x === null ? NaN : of(x), km = (x) => number(x, view.kmAt), s = (x) => number(x, view.sAt);
    const fixed = (value) => isFinite(value) ? value.toFixed(3) : "";
    const apart = [km(cursor) - km(pinned), s(cursor) - s(pinned)];
    set("km", { cursor: fixed(km(cursor)), pinned: fixed(km(pinned)), difference: both ? texts.signed(apart[0].toFixed(3), apart[0]) : "",
      min: fixed(view.kmAt(range[0])), max: fixed(view.kmAt(range[1])) });
    if (doc.clock) {
      const at = (x) => x === null ? "" : texts.clock(x);
      set("time", { cursor: at(cursor === null ? null : s(cursor)), pinned: at(pinned === null ? null : s(pinned)),
        difference: both ? texts.signed(texts.duration(apart[1]), apart[1]) : "", min: at(view.sAt(range[0])), max: at(view.sAt(range[1])) });
      const mean = Math.abs(apart[0] / apart[1] * 3600), inView = (view.kmAt(range[1]) - view.kmAt(range[0])) / (view.sAt(range[1]) - view.sAt(range[0])) * 3600;
      set("between", { difference: both && isFinite(mean) ? mean.toFixed(1) : "", mean: isFinite(inView) ? inView.toFixed(1) : "" });
    }
    for (const [channel, lane] of channels) {
      const a = number(cursor, (x) => view.valueAt(channel, x)), b = number(pinned, (x) => view.valueAt(channel, x));
      const { low, mean, high } = columns.statistics(channel, axis, range), text = (value) => texts.value(channel, value);
      set(`${lane} ${channel.key}`, { cursor: cursor === null ? "" : text(a), pinned: pinned === null ? "" : text(b), difference: both ? texts.difference(channel, a - b) : "",
        min: text(low), mean: text(mean), max: text(high) });
    }
  }
  view.subscribe(write);
  return { table };
})();
