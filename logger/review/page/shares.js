// Cards: the time above the limit by the size of the excess, and what the driver does.
const shares = (() => {
  if (!distributions) return null;
  const { excess_kmh: edges, tolerance_kmh: tolerance, driver_rule: rule } = doc.samples;
  const { colour } = canvas, over = samples.channels.get("drive.over_kmh"), driver = samples.channels.get("drive.driver");

  if (over) {
    const card = distributions.card("Above the limit"), place = document.createElement("div");
    card.body.append(place, card.note);
    // The class (lower, upper] of each excess, as in the rules: "at most 6 km/h".
    const of = (v) => (v > 0 ? edges.findLastIndex((edge) => v > edge) : -1);
    const name = (i) => (i + 1 < edges.length ? `${edges[i]} to ${edges[i + 1]} km/h` : `over ${edges[i]} km/h`) + (edges[i] < tolerance ? " (tolerance)" : "");
    distributions.subscribe((first, end) => {
      const seconds = distributions.counted(first, end, edges.length, (i) => of(over.y[i]));
      const limited = distributions.counted(first, end, 1, (i) => (Number.isNaN(over.y[i]) ? -1 : 0))[0];
      distributions.results.excess = { edges, seconds, limited };
      place.replaceChildren();
      if (!limited) { card.note.textContent = "not judged against a limit here"; return; }
      distributions.bars(place, seconds.map((time, i) => ({ name: name(i), seconds: time, colour: colour(edges[i] < tolerance ? "slight" : "over") })), limited);
      card.note.textContent = `share of the ${distributions.clock(limited)} judged against a limit (free areas are not); ${distributions.clock(seconds.reduce((sum, time) => sum + time, 0))} above it`;
    });
  }
  if (rule) {
    const card = distributions.card("Driver", Boolean(over)), place = document.createElement("div");
    card.body.append(place, card.note);
    card.note.textContent = rule;
    if (driver) distributions.subscribe((first, end) => {
      const seconds = distributions.counted(first, end, driver.classes.length, (i) => (Number.isNaN(driver.y[i]) ? -1 : Math.round(driver.y[i])));
      const known = seconds.reduce((sum, time) => sum + time, 0), { colours } = scale.of(driver);
      distributions.results.driver = { classes: driver.classes, seconds };
      place.replaceChildren();
      if (!known) { card.note.textContent = "no common samples of throttle and brake here"; return; }
      distributions.bars(place, seconds.map((time, i) => ({ name: driver.classes[i], seconds: time, colour: colours[i] })), known);
      card.note.textContent = `share of the ${distributions.clock(known)} with throttle and brake of the same second; ${rule}`;
    });
  }
})();
