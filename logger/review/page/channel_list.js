// The list of all channels: search by title, key, unit or source; Enter or a click puts a channel into a lane or takes
// it out. Arrow keys move in the list while the search keeps the focus, Escape closes it.
const channelList = (() => {
  const made = (name, properties = {}, ...children) => { const one = Object.assign(document.createElement(name), properties); one.append(...children); return one; };
  const search = made("input", { type: "text", placeholder: "Search channels", autocomplete: "off", spellcheck: false });
  const target = made("select"), list = made("ul", { id: "channel-options" }), note = made("p", { className: "quiet" });
  const close = made("button", { type: "button", textContent: "Close" });
  const dialog = made("dialog", { id: "channel-list" },
    made("form", { method: "dialog", className: "list-head" }, made("h2", { textContent: "Channels" }), close), search, made("label", {}, "into ", target), list, note);
  const all = grouped();
  let found = [], active = 0;

  for (const [name, value] of [["role", "combobox"], ["aria-label", "Search channels"], ["aria-controls", list.id], ["aria-expanded", "true"], ["aria-autocomplete", "list"]]) search.setAttribute(name, value);
  list.setAttribute("role", "listbox"); list.setAttribute("aria-label", "Channels"); list.setAttribute("aria-multiselectable", "true");
  note.setAttribute("role", "status"); dialog.setAttribute("aria-label", "Channels");
  document.body.append(dialog);

  // One entry {title, keys, unit, about, text} for each channel, or for each group of them.
  function grouped() {
    const entries = new Map();
    for (const { key, title, unit, source, group, group_title } of doc.channels.values()) {
      const name = group || key, entry = entries.get(name) || { title: group ? group_title : title, unit, keys: [], about: name + (source ? `, ${source}` : "") };
      entry.keys.push(key); entries.set(name, entry);
    }
    return [...entries.values()].map((entry) => ({ ...entry, text: [entry.title, entry.unit, entry.about].join(" ").toLowerCase() }));
  }
  const laneNumber = () => target.value === "new" ? null : Number(target.value);
  const isIn = (keys) => laneNumber() === null ? laneList.has(keys) >= 0 : keys.some((key) => view.lanes[laneNumber()].channels.includes(key));
  function option({ title, keys, unit, about }, at) {
    const lane = laneList.has(keys);
    const row = made("li", { id: `channel-option-${at}` }, made("strong", { textContent: title }), made("span", { textContent: unit }),
      made("span", { className: "quiet", textContent: about }),
      made("i", { textContent: lane < 0 ? "" : `lane ${lane + 1}` }));
    row.setAttribute("role", "option"); row.setAttribute("aria-selected", String(isIn(keys)));
    row.addEventListener("click", () => { activate(at); toggle(); search.focus({ preventScroll: true }); });
    return row;
  }
  function write() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = all.filter(({ text }) => words.every((word) => text.includes(word)));
    list.replaceChildren(...found.map(option));
    note.textContent = found.length ? `${found.length} of ${all.length} channels` : "no channel has these words";
    if (doc.left_out) note.textContent += `; ${doc.left_out} more in the log are not on this page`;
    activate(Math.min(active, found.length - 1));
  }
  function writeTargets() {
    const was = target.value;
    target.replaceChildren(new Option("a new lane", "new"), ...view.lanes.map((lane, number) =>
      new Option(`lane ${number + 1}: ${(laneList.common(lane) || { title: view.shown(lane).map((channel) => channel.title).join(", ") }).title}`, String(number))));
    target.value = [...target.options].some((one) => one.value === was) ? was : "new";
  }
  function activate(at) {
    if (list.children[active]) list.children[active].classList.remove("active");
    active = Math.max(0, at);
    const row = list.children[active];
    if (row) { row.classList.add("active"); row.scrollIntoView({ block: "nearest" }); search.setAttribute("aria-activedescendant", row.id); }
    else search.removeAttribute("aria-activedescendant");
  }
  function toggle() {
    if (!found[active]) return;
    const { keys } = found[active], number = laneNumber(), isAdded = isIn(keys) || laneList.add(keys, number);
    if (isAdded && list.children[active].getAttribute("aria-selected") === "true") laneList.remove(keys, number);
    writeTargets(); write();
    if (!isAdded) note.textContent = "no more room: remove a channel first";
  }
  search.addEventListener("input", () => { active = 0; write(); });
  target.addEventListener("change", write);
  search.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step) activate(Math.min(found.length - 1, active + step));
    else if (event.key === "Enter") toggle();
    else return;
    event.preventDefault();
  });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }); // beside it
  // Open the list for a lane, or for new ones.
  function open(number = null) {
    writeTargets(); target.value = number === null ? "new" : String(number);
    search.value = ""; active = 0;
    dialog.showModal(); write(); search.focus();
  }
  return { open };
})();
