// The bar above the lanes: a button for each range, the choice of distance or time, and the list of channels.
const bar = (() => {
  const element = document.getElementById("bar"), before = document.getElementById("readout"), near = (a, b) => Math.abs(a - b) < 0.02;

  // Add a button; `isOn` says whether it is pressed, for one that stays.
  function button(text, act, isOn = null) {
    const made = document.createElement("button");
    made.type = "button"; made.textContent = text; made.addEventListener("click", act);
    element.insertBefore(made, before);
    if (isOn) view.subscribe(() => made.setAttribute("aria-pressed", isOn()));
    return made;
  }
  function range(name, ends) {
    const inside = () => { const [from, to] = ends(), whole = view.whole; return [Math.max(from, whole[0]), Math.min(to, whole[1])]; };
    button(name, () => view.zoom(...ends()), () => inside().every((x, at) => near(x, view.range[at])));
  }
  if (doc.ranges.length > 1) range("All", () => view.whole);
  for (const { name, from, to } of doc.ranges) range(name, () => [view.xAt(from), view.xAt(to)]);
  if (view.axes.length > 1) for (const [axis, name] of [["km", "Distance"], ["s", "Time"]]) button(name, () => view.by(axis), () => view.axis === axis);
  button("Channels", () => channelList.open());
  return { button };
})();
