// The tables' rows that have a place on the road: a click shows it in the lanes.
const rows = (() => {
  const LEAST_KM = 0.4, SHARE = 0.6; // shown before and after the place

  function show(from, to) {
    const margin = Math.max(LEAST_KM, (to - from) * SHARE);
    view.zoomKm(from - margin, to + margin); view.point(view.xAt((from + to) / 2));
    lanes.element.scrollIntoView({ block: "center" });
  }
  document.querySelector(".tables").addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-from]");
    if (row && !event.target.closest("button")) show(Number(row.dataset.from), Number(row.dataset.to));
  });
  return { show };
})();
