// The tables' rows that have a place on the road: a click or Enter shows it in the lanes.
const rows = (() => {
  const LEAST_KM = 0.4, MOST_KM = 2, SHARE = 0.6; // shown before and after the place

  function show(from, to) {
    const margin = Math.max(LEAST_KM, Math.min(MOST_KM, (to - from) * SHARE));
    view.zoomKm(from - margin, to + margin); view.point(view.xAt((from + to) / 2));
    lanes.element.scrollIntoView({ block: "center" });
  }
  function chosen(event) {
    const row = event.target.closest("tr[data-from]");
    if (row && !event.target.closest("button")) show(Number(row.dataset.from), Number(row.dataset.to));
  }
  const tables = document.querySelector("main");
  for (const row of tables.querySelectorAll("tr[data-from]")) row.tabIndex = 0;
  tables.addEventListener("click", chosen);
  tables.addEventListener("keydown", (event) => { if (event.key === "Enter") chosen(event); });
  return { show };
})();
