  // -- numbers -----------------------------------------------------------------------------------

  const MINUS = "\u2212";
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
  const signed = (text) => text.replace(/-/g, MINUS);
  const grouped = (value) => String(value).replace(/^(-?\d+)/, (digits) =>
    digits.replace(/\B(?=(\d{3})+$)/g, ","));
  // Digits that count; whole numbers that have more keep them all.
  const number = (value, digits = 3) => {
    if (!known(value)) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 10 ** digits && size < 1e12) return signed(grouped(value.toFixed(0)));
    if (size >= 1e-4 && size < 10 ** digits) return signed(Number(value.toPrecision(digits)).toString());
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    return signed(`${Number(mantissa)}e${Number(exponent)}`);
  };
  const fixed = (value, decimals) => known(value) ? signed(grouped(value.toFixed(decimals))) : "–";
  const percent = (value) => `${number(100 * value, 2)}\u00a0%`;
  const plural = (n, noun) => `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;
  // A collapsed standard deviation is rounding: which number it is means nothing.
  const deviation = (sd, sigma) =>
    sd > 0 && sd < 1e-6 * sigma ? `< 1e${MINUS}6 σ` : number(sd, 4);

  // The last of ascending values that had been reached.
  const reached = (values, value) => {
    let low = 0;
    let high = values.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (values[middle] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  // Contour of a bivariate normal around 0: its ends where it has collapsed to a line or a point.
  const contour = (s1, s2, correlation, radius, steps = 72) => {
    if (!known(s1) || !known(s2)) return [];
    const rho = clamp(correlation ?? 0, -1, 1);
    const flat = s1 === 0 || s2 === 0 || Math.abs(rho) >= 1 - 1e-6;
    const turn = flat ? rho >= 0 ? 0 : Math.PI : Math.acos(rho);
    if (s1 === 0 && s2 === 0) return [[0, 0]];
    const last = flat ? 1 : steps;
    return Array.from({length: last + 1}, (_, i) => {
      const t = flat ? i * Math.PI : i / steps * 2 * Math.PI;
      return [s1 * radius * Math.cos(t), s2 * radius * Math.cos(t - turn)];
    });
  };
