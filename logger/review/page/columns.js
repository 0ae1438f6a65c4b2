// Arithmetic on columns of numbers: look-up, interpolation, thinning to the screen, round numbers for an axis.
const columns = (() => {
  const BEYOND = 0.3; // km before and after its values within which a channel still has the nearest one

  // Index of the last value that is not greater than x; 0 if all are.
  function find(xs, x) {
    let low = 0, high = xs.length - 1;
    while (low < high) { const mid = (low + high + 1) >> 1; if (xs[mid] <= x) low = mid; else high = mid - 1; }
    return low;
  }
  // Indices of the values from the last before a range to the first after it.
  const within = (xs, from, to) => [find(xs, from), Math.min(xs.length - 1, find(xs, to) + 1)];
  // Value of ys at x, between the values beside it, or with `step` the one before; NaN far outside.
  function valueAt(xs, ys, x, step) {
    if (!xs.length || x < xs[0] - BEYOND || x > xs[xs.length - 1] + BEYOND) return NaN;
    const i = find(xs, x), j = Math.min(i + 1, xs.length - 1), span = xs[j] - xs[i];
    if (step || !(span > 0)) return ys[i];
    return ys[i] + (ys[j] - ys[i]) * Math.min(1, Math.max(0, (x - xs[i]) / span));
  }
  // Too many points for the screen: reduce each of `count` columns of a range to minimum, mean and maximum.
  function reduced(xs, ys, [from, to], count) {
    const [a, b] = within(xs, from, to), wide = (to - from) / count, d = { xs: [], y: [], low: [], high: [] };
    for (let i = a; i <= b;) {
      const end = from + (Math.floor((xs[i] - from) / wide) + 1) * wide;
      let sum = 0, n = 0, low = Infinity, high = -Infinity;
      d.xs.push(xs[i]);
      for (; i <= b && (!n || xs[i] < end); i++, n++) { sum += ys[i]; low = Math.min(low, ys[i]); high = Math.max(high, ys[i]); }
      d.y.push(sum / n); d.low.push(low); d.high.push(high);
    }
    return d;
  }
  // Round numbers of an axis, at most about `most`, and the decimals to write them with.
  function ticks(low, high, most) {
    const raw = (high - low) / most, ten = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * ten).find((s) => s >= raw), values = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) values.push(v);
    return { values, step, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }
  return { find, within, valueAt, reduced, ticks };
})();
