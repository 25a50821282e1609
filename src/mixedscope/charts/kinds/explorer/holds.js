// Links the pictures of a model: what is chosen in one is marked in all.  The page shows what it
// holds and computes no statistic.  Pictures are Vega's: their selections say what was clicked,
// their parameters what is marked; this script hands one to the other and fills their tables.

  const data = JSON.parse(await unpacked(held("contents")));
  const views = {};
  const ui = {fields: {}, told: {}, choices: {}};

  // What is chosen.  ``at`` is an evaluation from 1.
  const state = {fit: 0, factor: 0, x: 0, y: 1, level: 0, at: 1, plane: 0, finding: -1, shown: ""};

  // -- what the page holds -----------------------------------------------------------------------

  // Modes are told from the end backwards, as whole numbers of a unit of their term.
  function decoded(own, factor) {
    const k = factor.terms.length;
    const units = factor.decimals.map((decimals) => 10 ** decimals);
    const frames = [];
    let whole = own.steps[0];
    own.steps.forEach((step, i) => {
      if (i > 0) whole = whole.map((value, j) => value + (step[j] ?? 0));
      frames.unshift(whole);
    });
    const inUnits = (values) => values.map((value, j) => value === null ? null : value / units[j % k]);
    own.frames = frames.map(inUnits);
    own.reference = inUnits(own.reference);
    own.sd = inUnits(own.sd);
  }

  function prepare() {
    for (const fit of data.fits) {
      fit.size = fit.objective.length;
      let best = 0;
      fit.bestAt = fit.objective.map((value, i) => {
        if (value !== null && (fit.objective[best] === null || value < fit.objective[best])) best = i;
        return best + 1;
      });
      fit.factors.forEach((own, f) => {
        decoded(own, data.factors[f]);
        if (!own.panels.missing) {
          // Axes that all levels share, so that one can be compared with another.
          const every = (parts, from) => parts.flatMap((columns) => columns.slice(...from).flat());
          const {points, lines} = own.panels;
          const [x0, x1] = spanOf([...every(points, [0, 1]), ...every(lines, [0, 1])], 0.05);
          const [y0, y1] = spanOf([...every(points, [1]), ...every(lines, [1])], 0.04);
          own.panels.span = {x0, x1, y0, y1};
        }
      });
    }
    data.factors.forEach((factor) => {
      factor.isDrawn = new Set(factor.drawn);
      factor.lower = factor.levels.map((name) => name.toLowerCase());
    });
  }

  const fit = () => data.fits[state.fit];
  const factor = () => data.factors[state.factor];
  const own = () => fit().factors[state.factor];
  const single = () => factor().terms.length === 1;
  const best = () => fit().bestAt[state.at - 1];
  const frame = () => reached(own().at, best());
  const value = (values, level, term) => values[level * factor().terms.length + term];
  // Of a level at the end: its mode, what is 1.96 conditional SDs below and above it, its reference.
  function endOf(level, term) {
    const mode = value(last(), level, term);
    const sd = value(own().sd, level, term);
    return {mode, reference: value(own().reference, level, term),
      low: known(sd) ? mode - 1.96 * sd : null, high: known(sd) ? mode + 1.96 * sd : null};
  }

  // The levels that are drawn, that which is chosen among them: others are drawn while they are.
  const drawn = () => factor().drawn;
  const added = () => factor().isDrawn.has(state.level) ? [] : [state.level];

  // Levels in the order of a number of each; what has none comes first.
  const ranked = (levels, key) => [...levels].sort((a, b) =>
    (key(a) ?? -Infinity) - (key(b) ?? -Infinity) || a - b);
  const last = () => own().frames[own().frames.length - 1];
  const order = () => ranked([...drawn(), ...added()], (i) => value(last(), i, state.x));
  // The rows of levels in the order of a number of each; what is added stands between two.
  function rowsBy(key) {
    const levels = ranked(drawn(), key);
    const rows = new Map(levels.map((i, at) => [i, at + 1]));
    for (const more of added()) {
      const before = ranked([...levels, more], key).indexOf(more);
      rows.set(more, before + 0.5);
    }
    return rows;
  }
