// The page's data: the JSON document that Python wrote, with its columns decoded to Float32Array.
//
// doc.channels  Map of key -> {key, title, unit, source, colour, step, above, from_zero, bands, km, s, y, low, high}.
//               `km` and `s` are the kilometre of the day and the second since the first fix of each value, ascending;
//               pages that compare cars have no `s`. `low` and `high` exist where `y` is the mean of a stretch that begins
//               there; `step` means that a value holds until the next; `above` names the channel of its limit. A value
//               that is not known is NaN. Keys: drive.speed_kmh, drive.limit_kmh ..., and engine.NAME for a channel of the
//               log (engine.rpm).
// doc.lanes     the lanes to begin with: {channels: [key], share, title, unit, from_zero, zero_line, bands}, all but the
//               first optional
// doc.tracks    {name, colour, km, s, e, n}: metres east and north      doc.points  waypoints {x, e, n, label, kind, state}
// doc.bands     stretches of road {kind: zone | free | over | gap, from, to, label}       doc.ranges  {name, from, to}
// doc.clock     null or {begin_ms, km, s}: distance over time; begin_ms is UTC, null if it is unknown
// doc.floats(text), doc.unpacked({n, ...})   columns as packing.py packs them        doc.judgement  of a review: judgement.js
// doc.samples   null, or what samples.js unpacks                        doc.background  null, or what ground.js draws
// doc.begin     null or [from, to] in km: the first view
const doc = (() => {
  const LEAST_GAP_S = 10, SAMPLES = 5, UNKNOWN_8 = 255, UNKNOWN_16 = 65535; // no value for so long, and for so many times the usual spacing, is a gap
  const read = JSON.parse(document.getElementById("drawing").textContent);
  function bytesOf(text) {
    const letters = atob(text), bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  }
  const floats = (text) => new Float32Array(bytesOf(text).buffer);
  // A column of 8-bit numbers of `values`, or of 16-bit steps.
  function unpacked({ values, low, step, n }) {
    const bytes = bytesOf(n), data = new DataView(bytes.buffer), column = new Float32Array(bytes.length / (values ? 1 : 2));
    for (let i = 0; i < column.length; i++) {
      const number = values ? bytes[i] : data.getUint16(2 * i, true);
      if (values) column[i] = number === UNKNOWN_8 ? NaN : values[number];
      else column[i] = number === UNKNOWN_16 ? NaN : low + number * step;
    }
    return column;
  }
  function decode(columns) {
    for (const name of ["km", "s", "y", "low", "high", "e", "n"]) {
      const column = columns[name];
      if (typeof column === "string") columns[name] = floats(column);
      else if (column && column.n) columns[name] = unpacked(column);
    }
    return columns;
  }
  // Kilometres of ascending times, by the clock.
  function kmOf(times) {
    const { km, s } = clock, found = new Float32Array(times.length);
    for (let i = 0, at = 0; i < times.length; i++) {
      while (at < s.length - 2 && s[at + 1] <= times[i]) at++;
      const span = s[at + 1] - s[at], part = span > 0 ? Math.min(1, Math.max(0, (times[i] - s[at]) / span)) : 0;
      found[i] = s.length > 1 ? km[at] + part * (km[at + 1] - km[at]) : km[0];
    }
    return found;
  }
  // The time without values after which a channel's line breaks.
  function gapOf({ s, step }) {
    if (!s || step || s.length < 2) return Infinity;
    const some = [];
    for (let i = 1; i < s.length; i += Math.ceil(s.length / 999)) some.push(s[i] - s[i - 1]);
    return Math.max(LEAST_GAP_S, SAMPLES * some.sort((a, b) => a - b)[some.length >> 1]);
  }
  function complete(columns) {
    decode(columns);
    if (!columns.km && !columns.s) { columns.km = clock.km; columns.s = clock.s; }
    else if (!columns.km) columns.km = kmOf(columns.s);
    columns.gap_s = gapOf(columns);
    return columns;
  }
  const clock = read.clock && decode(read.clock);
  read.channels = new Map(read.channels.map((channel) => [channel.key, complete(channel)]));
  read.tracks.forEach(complete);
  if (read.samples) complete(read.samples);
  for (const part of [read.background?.lines, read.background?.rings]) if (part) decode(part);
  return Object.assign(read, { floats, unpacked });
})();
