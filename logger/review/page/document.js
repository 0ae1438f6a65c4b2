// The page's data: the JSON document that Python wrote, with its columns decoded to Float32Array.
//
// doc.channels  Map of key -> {key, title, unit, colour, step, above, km, y, low, high}. `km` is the kilometre of the day of
//               each value, ascending; `low` and `high` exist where `y` is the mean of a stretch; `step` means that a value
//               holds until the next; `above` names the channel of its limit.
//               Keys: drive.speed_kmh, drive.limit_kmh, engine.NAME for a channel of the log (engine.rpm).
// doc.lanes     the lanes to begin with: {title, unit, share, channels: [key], from_zero, zero_line, bands}
// doc.tracks    {name, colour, km, e, n}: metres east and north        doc.points  waypoints {x, e, n, label, kind, state}
// doc.bands     stretches of road {kind: zone | free | over | gap, from, to, label}        doc.ranges  {name, from, to}
// doc.floats(text)  a packed column        doc.judgement  of a review: judgement.js
// doc.samples   null, or what samples.js unpacks                        doc.background  null, or what ground.js draws
// doc.clock     null or {begin_ms, km, s}: UTC over distance            doc.begin   null or [from, to]: the first view
const doc = (() => {
  const read = JSON.parse(document.getElementById("drawing").textContent);
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const decode = (columns) => {
    for (const name of ["km", "s", "y", "low", "high", "e", "n"]) if (columns[name]) columns[name] = floats(columns[name]);
    return columns;
  };
  read.channels = new Map(read.channels.map((channel) => [channel.key, decode(channel)]));
  read.tracks.forEach(decode);
  for (const columns of [read.clock, read.samples, read.background?.lines, read.background?.rings]) if (columns) decode(columns);
  return Object.assign(read, { floats });
})();
