// The bar above the lanes: a button for each range, and the choice of the channel of a lane.
const bar = (() => {
  const element = document.getElementById("bar"), before = document.getElementById("readout"), buttons = [];
  const near = (a, b) => Math.abs(a - b) < 0.02;

  function button(name, from, to) {
    const added = document.createElement("button");
    added.textContent = name; added.addEventListener("click", () => view.zoom(from(), to()));
    element.insertBefore(added, before); buttons.push([added, from, to]);
  }
  if (doc.ranges.length > 1) button("All", () => view.whole[0], () => view.whole[1]);
  for (const range of doc.ranges) button(range.name, () => view.xAt(range.from), () => view.xAt(range.to));
  for (const lane of view.lanes.filter((lane) => lane.choices)) {
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Engine");
    for (const key of lane.choices) select.add(new Option(doc.channels.get(key).title, key));
    select.addEventListener("change", () => { lane.channels = [select.value]; view.redraw(); });
    element.insertBefore(select, before);
  }
  view.subscribe(() => {
    const [from, to] = view.range, [first, last] = view.whole;
    for (const [added, begin, end] of buttons)
      added.setAttribute("aria-pressed", near(from, Math.max(begin(), first)) && near(to, Math.min(end(), last)));
  });
})();
