  // -- tables of the pictures --------------------------------------------------------------------

  function levelRows() {
    const modes = own().frames[frame()];
    const references = own().reference;
    let rank = null;
    if (single()) {
      // By the reference of the first fit, so that a level stands where it stood.
      const first = data.fits[0].factors[state.factor];
      rank = rowsBy((i) => value(first.reference, i, 0) ?? value(first.frames[first.frames.length - 1], i, 0));
    }
    const rows = [...drawn(), ...added()].map((i) => ({
      i, name: factor().levels[i], n: factor().n[i],
      rx: value(references, i, state.x), mx: value(modes, i, state.x),
      ry: rank ? rank.get(i) : value(references, i, state.y),
      my: rank ? rank.get(i) : value(modes, i, state.y),
    }));
    if (own().ways) rows.forEach(pointOut);
    if (!rank) tell(rows);
    return rows;
  }

  // Of a level whose own estimate is infinite: where its arrowhead stands and points to, and its
  // ring where that stands at the edge. As mixedscope.charts.common.open_ends has it.
  function pointOut(row) {
    const terms = single() ? [state.x] : [state.x, state.y];
    const way = terms.map((term) => own().ways[row.i * factor().terms.length + term]);
    if (!way.some((v) => v)) return;
    const {across, down} = sizeOf("shrinkage");
    const sides = [across, -down]; // pixels run down
    const frames = terms.map((term) => factor().axes[term]);
    const unit = frames.map(([low, high], n) => sides[n] / (high - low));
    const pull = way.map((v, n) => v * unit[n]);
    const step = pull.map((v) => v / Math.hypot(...pull));
    const names = ["x", "y"].slice(0, terms.length);
    const isKnown = names.map((name) => known(row["r" + name]));
    let at = names.map((name, n) => ((row["r" + name] ?? row["m" + name]) - frames[n][0]) * unit[n]);
    if (way.some((v, n) => v && !isKnown[n])) {
      const ends = sides.map((side) => [0, side].sort((a, b) => a - b));
      const low = ends.map(([v]) => v + data.head.inset);
      const high = ends.map(([, v]) => v - data.head.inset);
      at = at.map((v, n) => clamp(v, low[n], high[n]));
      const room = Math.min(...step.map((v, n) => v ? ((v > 0 ? high : low)[n] - at[n]) / v : Infinity));
      at = at.map((v, n) => v + room * step[n]);
    }
    const valueOf = (v, n) => v / unit[n] + frames[n][0];
    if (!isKnown.every((v) => v)) names.forEach((name, n) => row["r" + name] = valueOf(at[n], n));
    row.hy = row.ry;
    names.forEach((name, n) => row["h" + name] = valueOf(at[n] + data.head.apart * step[n], n));
    row.angle = (Math.atan2(step[0], -(step[1] ?? 0)) * 180 / Math.PI + 360) % 360;
  }

  // Names levels whose names have room beside those of levels that move more.
  function tell(rows) {
    const [x0, x1] = factor().axes[state.x];
    const [y0, y1] = factor().axes[state.y];
    const {across, down} = sizeOf("shrinkage");
    const placed = [];
    const far = (row) => known(row.rx) && known(row.ry)
      ? Math.hypot((row.mx - row.rx) / (x1 - x0), (row.my - row.ry) / (y1 - y0)) : 0;
    for (const row of [...rows].sort((a, b) => far(b) - far(a)).slice(0, 60)) {
      const x = (row.mx - x0) / (x1 - x0) * across;
      const y = (1 - (row.my - y0) / (y1 - y0)) * down - 8;
      const half = Math.min(row.name.length * 6, 80) / 2 + 3;
      if (x < half || x > across - half || y < 8) continue;
      if (placed.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 13)) continue;
      placed.push({x, y, half});
      row.told = true;
    }
  }

  function ellipseRows() {
    if (single()) return [];
    const sds = own().sds[frame()];
    const rho = own().correlations[frame()][state.x * sds.length + state.y];
    return data.radii.flatMap((radius, c) => contour(sds[state.x], sds[state.y], rho, radius)
      .map(([x, y], o) => ({c, o, x, y})));
  }

  // Where a share of the random effects of the chosen level is, given its data, about its last mode.
  function regionRows() {
    if (single() || !own().dependence) return [];
    const {level, x, y} = state;
    const [later, earlier] = [Math.max(x, y), Math.min(x, y)];
    const rho = own().dependence[later * (later - 1) / 2 + earlier][level];
    const sds = [value(own().sd, level, x), value(own().sd, level, y)];
    // Terms written apart have no stored correlation.
    if (!known(rho) && sds.every((sd) => sd > 0)) return [];
    return contour(...sds, rho, data.region.radius)
      .map(([a, b], o) => ({o, x: value(last(), level, x) + a, y: value(last(), level, y) + b}));
  }

  function caterpillarRows(term, letter) {
    const modes = own().frames[frame()];
    return [...rowsBy((i) => value(last(), i, state.x))].map(([i, row]) => {
      const {reference, low, high} = endOf(i, term);
      return {i, name: factor().levels[i], row, ["r" + letter]: reference,
        ["m" + letter]: value(modes, i, term), low, high};
    });
  }

  function spanOf(values, share = 0.08) {
    const found = values.filter(known);
    const low = Math.min(...found);
    const high = Math.max(...found);
    const room = high > low ? share * (high - low) : Math.abs(high) || 1;
    return [low - room, high + room];
  }

  function pathRows(term) {
    const rows = own().at.map((e, i) => ({e, v: value(own().frames[i], state.level, term)}));
    return [...rows, {e: fit().size, v: rows[rows.length - 1].v}];
  }

  const traceRows = () => fit().gap.map((gap, i) => ({e: i + 1, gap, best: fit().best[i]}));

  // Gaps that may be smaller than the error of random probes.
  const unsureRows = () => fit().unsure ? [{gap: data.gap[0] / 4, above: fit().unsure}] : [];

  function phaseRows() {
    const rows = [];
    fit().phase.forEach((phase, i) => {
      const before = rows[rows.length - 1];
      if (before && before.phase === phase) before.to = i + 1.5;
      else rows.push({phase, from: i + 0.5, to: i + 1.5, colour: data.phases[phase][1]});
    });
    return rows;
  }

  function shareRows() {
    const ledger = fit().ledger;
    if (!ledger) return [];
    return ledger.shares.flatMap(([, shares], part) => [
      ...ledger.at.map((e, i) => ({e, part, share: shares[i]})),
      {e: fit().size, part, share: shares[shares.length - 1]},
    ]);
  }

  function outlineRows(plane, region) {
    const {levels, bands} = fit().landscape;
    return plane.shapes.flatMap(([isRegion, level, at], part) => isRegion !== region ? [] :
      Array.from({length: at.length / 2}, (_, o) => ({part, o, x: at[2 * o], y: at[2 * o + 1],
        fill: bands[level], bold: levels[level] === 5.99})));
  }

  function visitedRows(plane) {
    const [e, x, y] = plane.points;
    const {bestAt} = fit();
    return e.map((evaluation, i) => ({e: evaluation, x: x[i], y: y[i],
      better: bestAt[evaluation - 1] === evaluation}));
  }

  // The place of the chosen level among those whose rows are stored.
  const stored = () => own().panels.levels?.indexOf(state.level) ?? -1;

  const zipped = (columns, names) => columns[0].map((_, i) =>
    Object.fromEntries(names.map((name, j) => [name, columns[j][i]])));
