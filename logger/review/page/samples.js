// The samples of the drive, with every channel at the same instants, for the map's colours and the distributions.
//
// samples.km, samples.s      where and when each sample is, ascending: a column for view.x
// samples.seconds            the time that each stands for: shares are shares of time, not of rows
// samples.channels           Map of key -> {key, title, unit, y, classes, whole, low, high}; y is NaN where unknown.
//                            `classes` names the values 0, 1, 2 ...; `whole` means a few whole numbers, such as the gear;
//                            99 % of the time lies above `low`, and 99 % below `high`
// logger/review/packing.py packs their columns.
const samples = (() => {
  const read = doc.samples;
  if (!read) return null;
  const channels = new Map();
  for (const { key, title, unit, classes, whole, range, column } of read.channels)
    channels.set(key, { key, title, unit, classes, whole, low: range[0], high: range[1], y: doc.unpacked(column) });
  const own = { km: read.km, s: read.s, seconds: doc.unpacked(read.seconds), channels };
  // Indices [first, end) of the samples in a range of x.
  own.between = (from, to) => {
    const xs = view.x(own);
    let first = columns.find(xs, from), end = columns.find(xs, to) + 1;
    if (xs[first] < from) first++;
    if (xs[end - 1] > to) end--;
    while (first > 0 && xs[first - 1] >= from) first--; // the car stands there
    return [first, Math.max(first, end)];
  };
  return own;
})();
