// The first picture, and what tests and a browser's console may use.
window.stagelog = {
  zoom: view.zoom, view: () => view.range, point: view.point, pointed: () => view.cursor, pin: view.pin, pinned: () => view.pinned,
  axis: () => view.axis, lanes: laneList.lists, link: link.fragment,
  map, marks: marks.drawn, samples, scale, distributions: distributions?.results,
};
if (doc.begin && view.axis === "km") view.zoomKm(...doc.begin);
link.follow();
view.redraw();
