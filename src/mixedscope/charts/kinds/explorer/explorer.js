"use strict";
// Links the pictures of a model: what is chosen in one is marked in all.  The page shows what it
// holds and computes no statistic.  Pictures are Vega's: their selections say what was clicked,
// their parameters what is marked; this script hands one to the other and fills their tables.
{
//LOADER
  const MINUS = "\u2212";
  const root = document.getElementById("explorer");
  const views = {};
  const ui = {fields: {}, selects: {}};
  let data;

  // What is chosen.  ``at`` is an evaluation from 1.
  const state = {fit: 0, factor: 0, x: 0, y: 1, level: 0, at: 1, plane: 0, finding: -1, shown: ""};

  // -- small things ------------------------------------------------------------------------------

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "text") made.textContent = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const signed = (text) => text.replace(/-/g, MINUS);
  const grouped = (text) => text.replace(/^(-?\d+)/, (digits) =>
    digits.replace(/\B(?=(\d{3})+$)/g, ","));
  const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
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
  const plural = (n, noun) => `${grouped(String(n))} ${noun}${n === 1 ? "" : "s"}`;

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
  // The last of ascending evaluations that had been reached.
  const reached = (evaluations, evaluation) => {
    let low = 0;
    let high = evaluations.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (evaluations[middle] <= evaluation) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const frame = () => reached(own().at, best());
  const value = (values, level, term) => values[level * factor().terms.length + term];

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
    if (!rank) tell(rows);
    return rows;
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
    const at = frame();
    const sds = own().sds[at];
    const rho = own().correlations[at][state.x * sds.length + state.y] ?? 0;
    const turn = Math.acos(clamp(rho, -1, 1));
    return data.radii.flatMap((radius, c) => Array.from({length: 73}, (_, o) => {
      const t = 2 * Math.PI * o / 72;
      return {c, o, x: radius * sds[state.x] * Math.cos(t), y: radius * sds[state.y] * Math.cos(t - turn)};
    }));
  }

  function caterpillarRows(term, letter) {
    const modes = own().frames[frame()];
    return [...rowsBy((i) => value(last(), i, state.x))].map(([i, row]) => {
      const end = value(last(), i, term);
      const sd = value(own().sd, i, term);
      return {i, name: factor().levels[i], row, ["r" + letter]: value(own().reference, i, term),
        ["m" + letter]: value(modes, i, term), low: known(sd) ? end - 1.96 * sd : null,
        high: known(sd) ? end + 1.96 * sd : null};
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

  function endOf(term) {
    const mode = value(last(), state.level, term);
    const sd = value(own().sd, state.level, term);
    return {reference: value(own().reference, state.level, term),
      low: known(sd) ? mode - 1.96 * sd : mode, high: known(sd) ? mode + 1.96 * sd : mode};
  }

  const traceRows = () => fit().gap.map((gap, i) => ({e: i + 1, gap, best: fit().best[i]}));

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

  // -- pictures ----------------------------------------------------------------------------------

  // Brings a picture up to date: its tables where what they depend on has changed, and parameters.
  function bring(name, tables, parameters) {
    const shown = views[name];
    if (!shown) return;
    for (const [table, [key, rows, moving]] of Object.entries(tables)) {
      if (shown.keys[table] !== key) shown.view.data(table, rows());
      else if (moving && shown.moved[table] !== moving.key) move(shown.view, table, rows(), moving.fields);
      shown.keys[table] = key;
      shown.moved[table] = moving?.key;
    }
    const at = {level: state.level, at: state.at, best: best(), ...parameters};
    for (const [key, given] of Object.entries(at)) shown.view.signal(key, given);
    shown.view.run();
  }

  // What makes Vega's sets of changes: its views make some of their own, but hand on none.
  function changesOf(view, table) {
    let found;
    view.pulse = (_, changes) => {
      found = changes.constructor;
    };
    view.insert(table, []);
    delete view.pulse;
    return found;
  }

  // Changes some fields of the rows of a table, of levels each: marks that stay are not made anew.
  function move(view, table, rows, fields) {
    const fresh = new Map(rows.map((row) => [row.i, row]));
    const known = new Set(view.data(table).map((row) => row.i));
    const change = changesOf(view, table)().remove((row) => !fresh.has(row.i))
      .insert(rows.filter((row) => !known.has(row.i)));
    for (const name of fields) {
      change.modify((row) => fresh.has(row.i) && row[name] !== fresh.get(row.i)[name], name,
        (row) => fresh.get(row.i)[name]);
    }
    view.change(table, change);
  }

  function draw() {
    const {x, y} = state;
    const onPlane = `${state.factor}/${x}/${y}`;
    const now = `${onPlane}/${state.fit}/${frame()}/${added()}/${views.shrinkage.size}`;
    const [x0, x1] = factor().axes[x];
    const many = drawn().length;
    const named = many <= 40;
    const sizes = many <= 60 ? {dot: 26, bar: 1.6} : {dot: many <= 200 ? 12 : 7, bar: many <= 200 ? 1 : 0.6};
    const [y0, y1] = single() ? [0, many + 1] : factor().axes[y];
    bring("shrinkage", {levels: [onPlane, levelRows, {key: now, fields: ["rx", "ry", "mx", "my", "told"]}],
      ellipses: [`${onPlane}/${state.fit}/${frame()}`, ellipseRows]},
      {x0, x1, y0, y1, ranked: single(), ...sizes});
    const rows = [0, many + 1];
    for (const [name, term, letter] of [["caterpillar", x, "x"], ["caterpillar2", y, "y"]]) {
      if (letter === "y" && single()) continue;
      if (views[name].moved.rows !== now) {
        const bars = caterpillarRows(term, letter);
        const [low, high] = factor().axes[term];
        // Wide intervals are shown whole; references that are cut in other pictures are cut here.
        const ends = bars.flatMap((row) => [row.low, row.high]).filter(known);
        Object.assign(views[name], {bars, x0: Math.min(low, ...ends), x1: Math.max(high, ...ends)});
      }
      const {bars, x0: low, x1: high} = views[name];
      const fields = ["row", "low", "high", "r" + letter, "m" + letter];
      bring(name, {rows: [onPlane, () => bars, {key: now, fields}]}, {x0: low, x1: high, y0: rows[0], y1: rows[1],
        named: named && letter === "x", ...sizes});
    }
    const at = stored();
    if (at >= 0) {
      const panels = own().panels;
      const key = `${state.fit}/${state.factor}/${state.level}`;
      bring("panel", {points: [key, () => zipped(panels.points[at], ["x", "y"])],
        lines: [key, () => zipped(panels.lines[at], ["x", "own", "mixed", "population"])]},
      {...panels.span, names: panels.categories.length ? panels.categories : null});
    }
    const time = [0.5 - 0.01 * fit().size, fit().size + 0.5 + 0.02 * fit().size];
    bring("trace", {trace: [String(state.fit), traceRows], phases: [String(state.fit), phaseRows]},
      {x0: time[0], x1: time[1]});
    for (const [name, term, letter] of [["path", x, "x"], ["path2", y, "y"]]) {
      if (letter === "y" && single()) continue;
      const key = `${state.fit}/${state.factor}/${term}/${state.level}`;
      const path = pathRows(term);
      const end = endOf(term);
      const span = spanOf([...path.map((row) => row.v), ...Object.values(end)]);
      bring(name, {["path" + letter]: [key, () => path], ["end" + letter]: [key, () => [end]],
        ["now" + letter]: [`${key}/${state.at}/${frame()}`,
          () => [{e: state.at, v: value(own().frames[frame()], state.level, term)}]]},
      {x0: time[0], x1: time[1], y0: span[0], y1: span[1]});
    }
    bring("ledger", {shares: [String(state.fit), shareRows]}, {x0: time[0], x1: time[1]});
    if (fit().landscape) {
      const plane = fit().landscape.panels[state.plane];
      const key = `${state.fit}/${state.plane}`;
      bring("landscape", {regions: [key, () => outlineRows(plane, true)],
        lines: [key, () => outlineRows(plane, false)], visited: [key, () => visitedRows(plane)]},
      {x0: plane.x[0], x1: plane.x[1], y0: plane.y[0], y1: plane.y[1]});
    }
  }

  // -- words and tables --------------------------------------------------------------------------

  function statement() {
    const level = state.level;
    const modes = own().frames[frame()];
    const parts = factor().terms.map((term, j) => {
      if (!own().varies[j]) return `${term} does not vary`;
      const reference = value(own().reference, level, j);
      const mode = value(modes, level, j);
      const from = known(reference) ? `${number(reference)} → ` : "no estimate of its own, mode ";
      const end = value(last(), level, j);
      const later = number(mode) === number(end) ? "" : ` (at the end ${number(end)})`;
      return `${term} ${from}${number(mode)}${later}`;
    });
    const told = own().at[frame()];
    const shown = told === best() ? "" : `; modes are those stored of evaluation ${grouped(String(told))}`;
    return `${factor().levels[level]} of ${factor().name}, ${plural(factor().n[level], "observation")}: ` +
      `${parts.join("; ")}. ${fit().label}, evaluation ${grouped(String(state.at))} of ` +
      `${grouped(String(fit().size))}${shown}.`;
  }

  function numbers() {
    const at = best();
    const {ledger, stopping} = fit();
    const end = fit().bestAt[fit().size - 1];
    const rows = [
      ["objective", data.criterion, fixed(fit().objective[at - 1], 4), fixed(fit().objective[end - 1], 4)],
      ["gap", "above the minimum", number(fit().objective[at - 1] - fit().objective[end - 1]), "0"],
      ["sigma", "residual SD σ", number(fit().sigma[at - 1], 4), number(fit().sigma[end - 1], 4)],
    ];
    own().sds[frame()].forEach((sd, j) => {
      if (!own().varies[j]) return;
      const told = (i) => {
        const found = own().sds[i][j];
        return found > 0 && found < 1e-6 * fit().sigma[end - 1] ? `< 1e${MINUS}6 σ` : number(found, 4);
      };
      rows.push([`sd:${j}`, `SD of ${factor().terms[j]}`, told(frame()), told(own().sds.length - 1)]);
    });
    if (!single() && own().varies[state.x] && own().varies[state.y]) {
      const k = factor().terms.length;
      const told = (i) => fixed(own().correlations[i][state.x * k + state.y], 3);
      rows.push(["correlation", `correlation ${factor().terms[state.x]}, ${factor().terms[state.y]}`,
        told(frame()), told(own().sds.length - 1)]);
    }
    if (ledger) {
      const i = reached(ledger.at, at);
      const z = ledger.at.length - 1;
      for (const [name, words] of [["part_residual", "part of the residuals"],
        ["part_penalty", "part of the penalty"], ["log_det", "log-determinant"],
        ["edf", "effective degrees of freedom"]]) {
        rows.push([name, words, number(ledger.columns[name][i], 5), number(ledger.columns[name][z], 5)]);
      }
    }
    if (stopping) {
      for (const [name, words, told] of [["beta", "coefficients off by, in SE", number],
        ["std_error", "standard errors off by", percent], ["sigma", "σ off by", percent],
        ["modes", "modes off by, in their SD", number]]) {
        // What is smaller is rounding.
        const off = stopping[name][state.at - 1];
        rows.push([`stopping:${name}`, words, told(off !== null && off < 1e-9 ? 0 : off), told(0)]);
      }
    }
    ui.numbers.replaceChildren(...rows.map(([name, words, here, there]) => element("tr", {},
      element("th", {scope: "row", text: words}), element("td", {"data-field": name, text: here}),
      element("td", {"data-field": `end:${name}`, text: there}))));
    ui.here.textContent = state.at === fit().size ? "now (the end)" : `at ${grouped(String(state.at))}`;
  }

  function say(field, text) {
    if (ui.fields[field].textContent !== text) ui.fields[field].textContent = text;
  }

  function words() {
    const terms = factor().titles;
    say("statement", statement());
    const phase = data.phases[fit().phase[state.at - 1]][0];
    const moment = `${grouped(String(state.at))} of ${grouped(String(fit().size))}, ${phase}`;
    say("moment", moment);
    ui.slider.max = fit().size;
    ui.slider.value = state.at;
    ui.slider.setAttribute("aria-valuetext", `Evaluation ${moment}`);
    if (document.activeElement !== ui.search) ui.search.value = factor().levels[state.level];
    ui.searchLabel.textContent = factor().name;
    const reference = factor().reference;
    say("shrinkage", single() ? `Levels of ${factor().name}, by reference: ${terms[0]}`
      : `${terms[state.y]} ↑ against ${terms[state.x]} →, deviations from the population`);
    say("rule", factor().rule);
    say("caterpillar", terms[state.x]);
    say("path", `${factor().levels[state.level]}: ${terms[state.x]}`);
    if (!single()) {
      say("caterpillar2", terms[state.y]);
      say("path2", `${factor().levels[state.level]}: ${terms[state.y]}`);
    }
    ui.reference.textContent = reference;
    const {landscape} = fit();
    if (landscape) {
      const plane = landscape.panels[state.plane];
      say("landscape", `${plane.names[1]} ↑ against ${plane.names[0]} →`);
      ui.levels.textContent = `Contours: ${data.criterion} above the minimum of this structure by ` +
        `${landscape.levels.map((level) => number(level)).join(", ")}.`;
    }
    const panels = own().panels;
    ui.panel.hidden = stored() < 0;
    ui.rowless.hidden = stored() >= 0;
    ui.rowless.textContent = panels.missing ?? `The rows of ${factor().levels[state.level]} are not stored: ` +
      `those of ${plural(panels.levels.length, "level")} are, pulled most, of the fewest rows, or drawn at random.`;
    if (!panels.missing) {
      say("panel", `${factor().levels[state.level]}: ${panels.response} ↑ against ${panels.variable} →` +
        (panels.partial ? "; points are the model’s line plus residuals" : ""));
    }
    ui.landscapeFigure.hidden = ui.contours.hidden = !landscape;
    ui.planeRow.hidden = !landscape || landscape.panels.length < 2;
    ui.elsewhere.hidden = Boolean(landscape);
    ui.elsewhere.textContent = fit().noLandscape;
    ui.ledger.hidden = !fit().ledger;
    for (const name of ["caterpillar2", "path2"]) ui[name].hidden = single();
    ui.contour.closest("li")?.toggleAttribute("hidden", single());
    ui.pair.className = single() ? "pair single" : drawn().length <= 40 ? "pair wide" : "pair";
    ui.radios.forEach((radio, i) => {
      radio.checked = i === state.fit;
      radio.closest("tr").className = i === state.fit ? "chosen" : "";
    });
    for (const [name, select] of Object.entries(ui.selects)) select.value = String(state[name]);
    ui.findings.forEach((button, i) => button.setAttribute("aria-pressed", String(i === state.finding)));
    document.querySelectorAll(".views").forEach((view) =>
      view.toggleAttribute("data-shown", state.finding >= 0 && view.id === `view-${state.shown}`));
    if (fit().ledger) {
      const i = reached(fit().ledger.at, best());
      fit().ledger.shares.forEach(([name, shares], part) => {
        if (ui.shares[part]) ui.shares[part].textContent = `${name ?? "residuals"} ${percent(shares[i])}`;
      });
    }
    numbers();
  }

  // -- choosing ----------------------------------------------------------------------------------

  // All that changes what is shown goes through here.
  function choose(change, keep = false) {
    const ended = state.at >= fit().size;
    if ("factor" in change && change.factor !== state.factor) {
      const terms = data.factors[change.factor].terms.length;
      change = {x: 0, y: terms > 1 ? 1 : 0, level: data.factors[change.factor].drawn[0], ...change};
      ui.offer(change.factor);
    }
    if ("fit" in change && change.fit !== state.fit) change = {plane: samePlane(change.fit), ...change};
    Object.assign(state, change);
    if (!keep) Object.assign(state, {finding: -1, shown: ""});
    if ("fit" in change && ended && !("at" in change)) state.at = fit().size;
    state.at = state.at < 0 ? fit().size : clamp(Math.round(state.at), 1, fit().size);
    const began = performance.now();
    words();
    // How many rows there are, and which pictures, says how much room each has.
    const room = `${state.fit}/${state.factor}/${drawn().length}/${stored() < 0}`;
    if (room !== state.room) resize();
    state.room = room;
    draw();
    state.took = performance.now() - began;
  }

  // Planes that a fit has, by the names of their axes.
  const planes = (one) => (one.landscape?.panels ?? []).map((panel) => `${panel.names[0]} – ${panel.names[1]}`);

  // The plane of another fit that is shown now, or its first; its planes are offered from now on.
  function samePlane(at) {
    const offered = planes(data.fits[at]);
    ui.offerPlanes(offered);
    return Math.max(offered.indexOf(planes(fit())[state.plane]), 0);
  }

  // What a question asks to be chosen.
  function asked(i) {
    const {terms, ...change} = data.findings[i].set;
    return terms ? {...change, x: terms[0], y: terms[1]} : change;
  }

  function answer(i) {
    const {show} = data.findings[i];
    choose({...asked(i), finding: i, shown: show}, true);
    const view = document.getElementById(`view-${show}`);
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    view?.scrollIntoView({block: "nearest", behavior: calm ? "auto" : "smooth"});
  }

  function step(by) {
    const levels = order();
    const at = levels.indexOf(state.level);
    choose({level: levels[clamp(at + by, 0, levels.length - 1)]});
  }

  const keys = {
    ArrowUp: () => step(1),
    ArrowDown: () => step(-1),
    ArrowLeft: () => choose({at: Math.max(state.at - 1, 1)}),
    ArrowRight: () => choose({at: Math.min(state.at + 1, fit().size)}),
    Home: () => choose({at: 1}),
    End: () => choose({at: -1}),
  };

  function typed(event) {
    const act = event.altKey || event.ctrlKey || event.metaKey ? null : keys[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  }

  // -- the page ----------------------------------------------------------------------------------

  const field = (name, tag = "span", attributes = {}) =>
    ui.fields[name] = element(tag, {"data-field": name, ...attributes});

  function select(name, label, options) {
    const made = element("select", {"data-act": name});
    const fill = (list) => made.replaceChildren(...list.map((text, i) =>
      element("option", {value: i, text})));
    fill(options);
    made.addEventListener("change", () => choose({[name]: Number(made.value)}));
    ui.selects[name] = made;
    return {label: element("label", {}, `${label} `, made), fill};
  }

  function search() {
    const list = element("ul", {id: "levels", role: "listbox", hidden: ""});
    const input = element("input", {type: "text", role: "combobox", autocomplete: "off", spellcheck: "false",
      "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "levels", "data-act": "level",
      id: "search"});
    let found = [];
    let active = -1;
    const close = () => {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
      active = -1;
    };
    const mark = (at) => {
      active = at;
      [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
      if (at >= 0) input.setAttribute("aria-activedescendant", `level-${at}`);
      else input.removeAttribute("aria-activedescendant");
    };
    const take = (level) => {
      close();
      input.value = factor().levels[level];
      choose({level});
    };
    const offer = () => {
      const wanted = input.value.trim().toLowerCase();
      const begins = [];
      const within = [];
      factor().lower.forEach((name, i) => {
        const at = name.indexOf(wanted);
        if (at === 0) begins.push(i);
        else if (at > 0) within.push(i);
      });
      // The name as it is typed before those that it begins.
      begins.sort((a, b) => (factor().lower[b] === wanted) - (factor().lower[a] === wanted) || a - b);
      found = [...begins, ...within].slice(0, 8);
      list.replaceChildren(...found.map((i, at) => {
        const item = element("li", {id: `level-${at}`, role: "option", "aria-selected": "false"},
          `${factor().levels[i]} `, element("small", {text: plural(factor().n[i], "observation")}));
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          take(i);
        });
        return item;
      }));
      if (!found.length) {
        list.append(element("li", {role: "option", "aria-disabled": "true", "aria-selected": "false",
          text: `No level of ${factor().name} has this in its name`}));
      }
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      active = -1;
      input.removeAttribute("aria-activedescendant");
    };
    input.addEventListener("input", offer);
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => {
      close();
      input.value = factor().levels[state.level];
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (list.hidden) offer();
        const by = event.key === "ArrowDown" ? 1 : -1;
        if (found.length) mark((active + by + found.length) % found.length);
      } else if (event.key === "Enter" && !list.hidden && found.length) {
        take(found[Math.max(active, 0)]);
      } else if (event.key === "Escape") {
        close();
        input.value = factor().levels[state.level];
      } else {
        return;
      }
      event.preventDefault();
    });
    ui.search = input;
    ui.searchLabel = element("label", {for: "search"});
    return element("div", {class: "search"}, input, list);
  }

  function button(name, text, label, act) {
    const made = element("button", {type: "button", "data-act": name, "aria-label": label, text});
    made.addEventListener("click", act);
    return made;
  }

  function bar() {
    const box = search();
    const levels = element("div", {class: "levels"}, ui.searchLabel, box,
      button("down", "‹", "The level below, by mode", () => step(-1)),
      button("up", "›", "The level above, by mode", () => step(1)));
    const terms = element("div", {class: "terms"});
    if (data.factors.length > 1) {
      terms.append(select("factor", "Factor", data.factors.map((one) => one.name)).label);
    }
    const across = select("x", "Across", factor().terms);
    const up = select("y", "Up", factor().terms);
    ui.offer = (at) => {
      const many = data.factors[at].terms.length > 1;
      for (const one of [across, up]) {
        one.fill(data.factors[at].terms);
        one.label.hidden = !many;
      }
      // Of two terms there is one plane.
      across.label.hidden = up.label.hidden = data.factors[at].terms.length < 3;
    };
    ui.offer(0);
    if (data.factors.some((one) => one.terms.length > 2)) terms.append(across.label, up.label);
    ui.slider = element("input", {type: "range", min: 1, step: 1, id: "moment", "data-act": "moment"});
    ui.slider.addEventListener("input", () => choose({at: Number(ui.slider.value)}));
    const moment = element("div", {class: "moment"},
      element("label", {for: "moment", text: "Evaluation"}), ui.slider,
      field("moment", "output", {for: "moment"}));
    return element("div", {class: "bar", role: "group", "aria-label": "What is chosen"},
      levels, terms, moment);
  }

  function picture(name, label) {
    const canvas = element("div", {class: "canvas", id: `plot-${name}`, "aria-hidden": "true"});
    const made = element("figure", {tabindex: 0, role: "group", "data-view": name,
      "aria-label": `${label}. Arrow keys: up and down choose a level, left and right an evaluation; ` +
        "Home and End the first and the last."},
    element("figcaption", {}, field(name)), canvas);
    made.addEventListener("keydown", typed);
    ui[name] = made;
    return made;
  }

  function block(name, title, ...children) {
    return element("section", {class: "views", id: `view-${name}`, "aria-label": title},
      element("h2", {text: title}), ...children);
  }

  function sign(style) {
    const made = element("i", {"aria-hidden": "true"});
    Object.assign(made.style, style);
    return made;
  }

  const ring = (border, fill) => sign({width: "10px", height: "10px", borderRadius: "50%",
    border: `2px solid ${border}`, background: fill});
  const stroke = (border) => sign({width: "18px", height: "0", borderTop: border});
  const patch = (background) => sign({width: "13px", height: "11px", background});
  const key = (...items) => element("ul", {class: "key"},
    ...items.map(([mark, text]) => element("li", {}, mark,
      typeof text === "string" ? element("span", {text}) : text)));

  function structures() {
    const least = Math.min(...data.fits.map((one) => one.objectiveAtEnd));
    const head = ["structure", "parameters", data.criterion, "AIC", "evaluations", "collapsed"];
    ui.radios = [];
    const rows = data.fits.map((one, i) => {
      const radio = element("input", {type: "radio", name: "fit", value: i, "data-act": "fit"});
      radio.addEventListener("change", () => choose({fit: i}));
      ui.radios.push(radio);
      const above = one.objectiveAtEnd - least;
      const objective = `${fixed(one.objectiveAtEnd, 2)}${above > 0 ? ` (+${number(above)})` : ""}`;
      const cells = [String(one.dof), objective, fixed(one.aic, 2), grouped(String(one.size)),
        one.collapsed.join("; ") || "no"];
      return element("tr", {}, element("td", {}, element("label", {}, radio, one.label)),
        ...cells.map((text) => element("td", {text})));
    });
    return block("structures", "Structures", element("div", {class: "scroll"},
      element("table", {}, element("thead", {}, element("tr", {},
        ...head.map((text) => element("th", {scope: "col", text})))), element("tbody", {}, ...rows))));
  }

  function build() {
    const c = data.colours;
    ui.reference = element("span");
    ui.contour = element("span", {text:
      `${data.coverages.map((share) => percent(share)).join(", ")} of the fitted distribution`});
    const shrinkage = block("shrinkage", "Shrinkage: from each level’s own estimate to its mode",
      picture("shrinkage", "Shrinkage plot"),
      key([ring(c.reference, c.paper), ui.reference], [stroke(`2px solid ${c.movement}`), "pull"],
        [ring(c.mode, c.mode), "conditional mode"],
        ...data.coverages.length ? [[stroke(`2px solid ${c.ellipse}`), ui.contour]] : [],
        [element("span", {"aria-hidden": "true", text: "✛"}), "population"]),
      field("rule", "p"));
    ui.pair = element("div", {class: "pair"}, picture("caterpillar", "Caterpillar plot"),
      picture("caterpillar2", "Caterpillar plot of the other term"));
    const caterpillar = block("caterpillar", "Caterpillar: how sure each mode is", ui.pair,
      key([stroke(`3px solid ${c.ellipse}`), "mode ± 1.96 conditional SD"],
        [ring(c.reference, c.paper), "reference"], [stroke(`1px dashed ${c.zero}`), "population"]));
    ui.rowless = element("p");
    const panel = block("panel", "Data: the rows of the chosen level", picture("panel", "Rows of the chosen level"),
      ui.rowless, key([ring(c.evaluation, c.evaluation), "row"], [stroke(`2px dashed ${c.reference}`), "own least squares"],
        [stroke(`2px solid ${c.mode}`), "mixed model"], [stroke(`1px dashed ${c.population}`), "population"]));
    const phases = [...new Set(data.fits.flatMap((one) => one.phase))].sort();
    const trace = block("trace", "Optimisation: when was it over",
      picture("trace", "Trace of the optimiser"),
      key([ring(c.evaluation, c.evaluation), "evaluation"], [stroke(`2px solid ${c.best}`), "best so far"],
        ...phases.map((p) => [patch(data.phases[p][1]), data.phases[p][0]])),
      picture("path", "Path of the chosen level"), picture("path2", "Path of the other term"),
      key([stroke(`2px solid ${c.mode}`), "mode of the best so far"],
        [stroke(`2px dashed ${c.reference}`), "reference"], [patch("#d5ecf9"), "± 1.96 SD at the end"]));
    say("trace", `${data.criterion} above the minimum, by evaluation`);
    ui.shares = [];
    const parts = data.fits.find((one) => one.ledger)?.ledger.shares ?? [];
    const shareKey = key(...parts.map(([name], part) => {
      ui.shares[part] = element("span", {"data-field": `share:${part}`});
      return [patch(name === null ? c.observations : data.groupColours[name]), ui.shares[part]];
    }));
    ui.numbers = element("tbody");
    ui.here = element("th", {scope: "col"});
    const ledger = picture("ledger", "Shares of the variance");
    say("ledger", "Shares of the variance of an observation");
    const books = block("ledger", "Ledger: what stopping here would have cost", ledger, shareKey,
      element("div", {class: "scroll"}, element("table", {"aria-label": "Ledger"},
        element("thead", {}, element("tr", {}, element("td"), ui.here,
          element("th", {scope: "col", text: "end"}))), ui.numbers)));
    const plane = select("plane", "Plane", planes(fit()));
    ui.offerPlanes = plane.fill;
    ui.planeRow = element("p", {}, plane.label);
    ui.landscapeFigure = picture("landscape", "Landscape of the objective");
    ui.elsewhere = element("p");
    ui.levels = element("p");
    ui.contours = element("div", {},
      key([ring(c.mode, c.mode), "best so far"], [stroke(`2px solid ${c.best}`), "its path"],
        [ring(c.evaluation, c.evaluation), "evaluation"], [stroke(`2px solid ${c.ink}`), "5.99 above the minimum"]),
      ui.levels);
    ui.landscape = block("landscape", "Landscape: where the optimiser was", ui.planeRow,
      ui.landscapeFigure, ui.elsewhere,
      ui.contours);
    const hint = element("p", {class: "formula"});
    for (const [name, what] of [["↑", " "], ["↓", " choose a level, "], ["←", " "], ["→", " an evaluation, "],
      ["Home", " "], ["End", " the first and the last, where a picture has the focus. Levels and evaluations can be clicked."]]) {
      hint.append(element("kbd", {text: name}), what);
    }
    root.append(structures(), bar(), field("statement", "p", {class: "statement", role: "status", "aria-live": "polite"}),
      element("div", {class: "columns"},
        element("div", {}, shrinkage, ui.landscape),
        element("div", {}, caterpillar, books),
        element("div", {}, panel, trace)), hint);
    ui.findings = [...document.querySelectorAll("[data-finding]")];
    ui.findings.forEach((one, i) => {
      one.setAttribute("aria-pressed", "false");
      one.addEventListener("click", () => answer(i));
    });
  }

  // Room for labels beside each picture, and its height.
  const PADS = {
    shrinkage: [44, 8, 8, 22], caterpillar: [96, 8, 4, 22], caterpillar2: [8, 8, 4, 22],
    panel: [44, 8, 6, 22], trace: [58, 8, 6, 22], path: [58, 8, 6, 22], path2: [58, 8, 6, 22], ledger: [44, 8, 6, 22],
    landscape: [50, 8, 6, 22],
  };
  const HEIGHTS = {panel: 190, trace: 130, path: 96, path2: 96, ledger: 90};

  function sizeOf(name) {
    const [left, right, top, bottom] = PADS[name];
    const room = views[name].holder.clientWidth;
    const across = Math.max(room - (name === "caterpillar" && drawn().length > 40 ? 14 : left) - right, 60);
    const square = clamp(across * 0.86, 180, 380);
    const down = name.startsWith("caterpillar")
      ? clamp(drawn().length * 17, 120, views.shrinkage.down ?? 340)
      : HEIGHTS[name] ?? (name === "landscape" ? square * 0.8 : square);
    return {across, down, left: room - across - right, top, right, bottom};
  }

  function resize() {
    for (const name of Object.keys(views)) {
      const shown = views[name];
      if (!shown.holder.clientWidth) continue;
      const size = sizeOf(name);
      const written = JSON.stringify(size);
      if (written === shown.size) continue;
      Object.assign(shown, {size: written, down: size.down});
      shown.view.width(size.across).height(size.down).padding({left: size.left, right: size.right,
        top: size.top, bottom: size.bottom});
      shown.view.run();
    }
  }

  async function embed(name, spec) {
    const holder = document.getElementById(`plot-${name}`);
    const [left, right, top, bottom] = PADS[name];
    const shown = await vegaEmbed(holder, {...spec, config: data.config, autosize: "none", width: 200, height: 100,
      padding: {left, right, top, bottom}}, {renderer: "canvas", actions: false, tooltip: {sanitize}});
    views[name] = {view: shown.view, holder, keys: {}, moved: {}};
    const picks = {picked: (chosen) => choose({level: chosen.i[0]}), pointed: (chosen) => choose({at: chosen.e[0]})};
    for (const layer of spec.layer) {
      for (const {name: signal} of layer.params ?? []) {
        shown.view.addSignalListener(signal, (_, chosen) => {
          // Its own change is not under way any more when the others are drawn.
          if (Object.keys(chosen).length) setTimeout(() => picks[signal](chosen));
        });
      }
    }
  }

  const start = async () => {
    data = JSON.parse(await unpacked(held("contents")));
    prepare();
    build();
    await loadVega();
    for (const [name, spec] of Object.entries(data.views)) await embed(name, spec);
    state.y = single() ? 0 : 1;
    state.at = fit().size;
    choose(asked(data.opened));
    new ResizeObserver(() => {
      resize();
      draw();
    }).observe(root);
    window.linked = {state, views, choose, levels: () => factor().levels.length};
    root.dataset.ready = "";
  };
  start().catch((error) => {
    root.textContent = "The pictures cannot be drawn: " + error;
    console.error(error);
  });
}
