// The axis of the lanes: kilometres of the section in view, or time of day.
const axes = (() => {
  const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

  // The section in view, from whose start kilometres count.
  function home([from, to]) {
    const [first, last] = [view.kmAt(from), view.kmAt(to)];
    return doc.ranges.find((r) => first >= r.from - 0.5 && last <= r.to + 0.5);
  }
  function byDistance([from, to], most) {
    const here = home([from, to]), zero = here ? here.from : 0, { values, digits } = columns.ticks(from - zero, to - zero, most);
    const title = (here && doc.ranges.length > 1 ? here.name + " " : "") + "km";
    return { title, ticks: values.map((v) => [v + zero, v.toFixed(digits)]) };
  }
  function byTime([from, to], most) {
    const raw = (to - from) / Math.max(1, most), step = STEPS_S.find((s) => s >= raw) || Math.ceil(raw / 86400) * 86400;
    const zero = doc.clock.begin_ms === null ? 0 : doc.clock.begin_ms / 1000 % 86400, found = [];
    for (let n = Math.ceil((from + zero) / step - 1e-6); n * step - zero <= to && found.length < 100; n++) {
      const text = texts.clock(n * step - zero, step < 1 ? 1 : 0);
      found.push([n * step - zero, step < 60 ? text : text.replace(/:\d\d$/, "")]);
    }
    return { title: texts.timeName === "UTC" ? "UTC" : "h:mm", ticks: found };
  }
  // Title and ticks [x, text] of x for a range, at most about `most`.
  const ofRange = (range, most) => view.axis === "s" ? byTime(range, most) : byDistance(range, most);
  return { ofRange };
})();
