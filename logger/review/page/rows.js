// The tables' rows that have a place on the road: a click shows it in the lanes.
const rows = (() => {
  for (const row of document.querySelectorAll("tr[data-from]"))
    row.addEventListener("click", () => {
      const from = Number(row.dataset.from), to = Number(row.dataset.to), margin = Math.max(0.4, (to - from) * 0.6);
      view.zoomKm(from - margin, to + margin); view.point(view.xAt((from + to) / 2));
      lanes.element.scrollIntoView({ block: "center" });
    });
})();
