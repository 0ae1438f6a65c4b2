// Arithmetic on columns of numbers: look-up, interpolation, thinning to the screen, statistics, round numbers.
const columns = (() => {
  const BEYOND = { km: 0.3, s: 30 }; // so far outside its values a channel still has the nearest one

  // Index of the last value that is not greater than x; 0 if all are.
  function find(xs, x) {
    let low = 0, high = xs.length - 1;
    while (low < high) { const mid = (low + high + 1) >> 1; if (xs[mid] <= x) low = mid; else high = mid - 1; }
    return low;
  }
  // Indices of the values from the last before a range to the first after it.
  const within = (xs, from, to) => [find(xs, from), Math.min(xs.length - 1, find(xs, to) + 1)];
  // Value of ys at x between the values beside it; the nearest one outside.
  function interpolated(xs, ys, x) {
    if (!xs.length) return NaN;
    const i = find(xs, x), j = Math.min(i + 1, xs.length - 1), span = xs[j] - xs[i];
    return span > 0 ? ys[i] + (ys[j] - ys[i]) * Math.min(1, Math.max(0, (x - xs[i]) / span)) : ys[i];
  }
  // Whether nothing is known between the values i and j of a channel.
  const isGap = (channel, i, j) => channel.gap_s < Infinity && channel.s[j] - channel.s[i] > channel.gap_s;
  // Value of a channel at x of an axis; NaN far outside and in a gap.
  function valueAt(channel, axis, x) {
    const xs = channel[axis], ys = channel.y, last = xs.length - 1;
    if (last < 0 || x < xs[0] - BEYOND[axis] || x > xs[last] + BEYOND[axis]) return NaN;
    const i = find(xs, x);
    if (channel.step || channel.low) return ys[i];
    return i < last && isGap(channel, i, i + 1) && x > xs[i] ? NaN : interpolated(xs, ys, x);
  }
  // A channel from index a to b with one point per column of the screen, if it has too many: minimum, mean, maximum.
  // `first` and `last` are the indices of each point's values.
  function reduced(channel, axis, [from, to], count) {
    const xs = channel[axis], { y, low: lows = y, high: highs = y } = channel, [a, b] = within(xs, from, to);
    const wide = (to - from) / count, d = { xs: [], y: [], low: [], high: [], first: [], last: [] };
    for (let i = a; i <= b;) {
      const end = from + (Math.floor((xs[i] - from) / wide) + 1) * wide, first = i;
      let sum = 0, n = 0, low = Infinity, high = -Infinity;
      for (; i <= b && (i === first || xs[i] < end); i++) {
        if (y[i] !== y[i]) continue;
        sum += y[i]; n++;
        if (lows[i] < low) low = lows[i];
        if (highs[i] > high) high = highs[i];
      }
      d.xs.push(xs[first]); d.first.push(first); d.last.push(i - 1);
      d.y.push(n ? sum / n : NaN); d.low.push(n ? low : NaN); d.high.push(n ? high : NaN);
    }
    return d;
  }
  // Minimum, mean and maximum of a channel in a range. The mean is over time, or over distance without times.
  function statistics(channel, axis, [from, to]) {
    const xs = channel[axis], { y, low: lows = y, high: highs = y } = channel, over = channel.s || channel.km;
    if (!xs.length || to < xs[0] || from > xs[xs.length - 1]) return { low: NaN, mean: NaN, high: NaN };
    const holds = channel.step || channel.low, [a, b] = within(xs, from, to);
    let low = Infinity, high = -Infinity, sum = 0, weight = 0;
    const take = (least, most) => { if (least < low) low = least; if (most > high) high = most; };
    for (let i = a; i <= b; i++)
      if (xs[i] >= from && xs[i] <= to || holds && i === a) take(lows[i], highs[i]);
    if (!holds) for (const x of [from, to]) { const value = valueAt(channel, axis, x); take(value, value); }
    for (let i = a; i < b; i++) {
      const span = xs[i + 1] - xs[i], wide = over[i + 1] - over[i];
      const begin = span > 0 ? Math.max(0, (from - xs[i]) / span) : 0, end = span > 0 ? Math.min(1, (to - xs[i]) / span) : 1;
      if (!(end > begin) || isGap(channel, i, i + 1)) continue;
      const value = holds ? y[i] : y[i] + (y[i + 1] - y[i]) * (begin + end) / 2;
      if (value === value) { sum += value * wide * (end - begin); weight += wide * (end - begin); }
    }
    if (!(high >= low)) low = high = NaN;
    return { low, mean: weight > 0 ? sum / weight : (low + high) / 2, high };
  }
  // Round numbers between two, at most about `most`, their step, and the decimals to write them with.
  function ticks(low, high, most) {
    const raw = (high - low) / Math.max(1, most), ten = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * ten).find((s) => s >= raw) || raw, values = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9 && values.length < 100; n++) values.push(n * step);
    return { values, step, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }
  return { find, within, interpolated, isGap, valueAt, reduced, statistics, ticks };
})();
