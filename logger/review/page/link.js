// The page's address holds what is in view, so that a link to it shows the same: axis, range, cursors, lanes.
//
// Another part adds its own state with link.keep(name, read, write): `read` returns a text, or null for the state of the
// beginning; `write` takes a text from the address, which anybody may have changed, and ignores what it cannot use.
const link = (() => {
  const LATER_MS = 300, MAX_CHARS = 20000, fields = new Map();
  let timer = 0, seen = null; // the address as this file last wrote or followed it

  const keep = (name, read, write) => { fields.set(name, { read, write }); };
  const places = { km: 5, s: 3 }, text = (x) => String(Number(x.toFixed(places[view.axis])));
  const number = (given) => given.trim() && isFinite(given) ? Number(given) : NaN;
  keep("by", () => view.axis === begin.axis ? null : view.axis, (given) => view.by(given));
  keep("view", () => String(view.range) === begin.range ? null : view.range.map(text).join("~"), (given) => {
    const [from, to] = given.split("~").map(number);
    if (to > from) view.zoom(from, to);
  });
  keep("cursor", () => view.cursor === null ? null : text(view.cursor), (given) => view.point(number(given)));
  keep("pin", () => view.pinned === null ? null : text(view.pinned), (given) => view.pin(number(given)));
  keep("lanes", () => {
    const now = JSON.stringify(laneList.lists());
    return now === begin.lanes ? null : now;
  }, (given) => {
    const lists = JSON.parse(given);
    if (Array.isArray(lists)) laneList.show(lists.filter(Array.isArray));
  });
  const begin = { axis: view.axis, lanes: JSON.stringify(laneList.lists()), range: String(view.range) };

  function fragment() {
    const parts = new URLSearchParams();
    for (const [name, { read }] of fields) { const state = read(); if (state !== null) parts.set(name, state); }
    return "#" + parts.toString();
  }
  // Show what an address says. A field that makes no sense is as good as not there.
  function follow() {
    if (seen === null) begin.range = String(view.range);
    if (location.hash === seen) return;
    seen = location.hash;
    if (seen.length > MAX_CHARS) return;
    const parts = new URLSearchParams(seen.slice(1));
    for (const [name, { write }] of fields) {
      if (!parts.has(name)) continue;
      try { write(parts.get(name)); } catch { /* not ours: ignored */ }
    }
  }
  function write() {
    timer = 0;
    if (location.hash !== seen) { follow(); return; } // the user has changed it meanwhile
    try { history.replaceState(null, "", fragment()); } catch { /* the browser allows a page only so many changes */ }
    seen = location.hash;
  }
  view.subscribe(() => { if (!timer) timer = setTimeout(write, LATER_MS); });
  window.addEventListener("hashchange", follow);
  return { keep, follow, fragment };
})();
