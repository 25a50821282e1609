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

  // Of many rows the marks of the outermost are higher than these.
  const rowsOf = (many) => {
    const margin = Math.max(1, 0.04 * many);
    return [1 - margin, many + margin];
  };

  function draw() {
    const {x, y} = state;
    const onPlane = `${state.factor}/${x}/${y}`;
    const now = `${onPlane}/${state.fit}/${frame()}/${added()}/${views.shrinkage.size}`;
    const [x0, x1] = factor().axes[x];
    const many = drawn().length;
    const named = many <= 40;
    const sizes = many <= 60 ? {dot: 26, bar: 1.6} : {dot: many <= 200 ? 12 : 7, bar: many <= 200 ? 1 : 0.6};
    const [y0, y1] = single() ? rowsOf(many) : factor().axes[y];
    bring("shrinkage", {levels: [onPlane, levelRows, {key: now, fields: ["rx", "ry", "mx", "my", "told"]}],
      ellipses: [`${onPlane}/${state.fit}/${frame()}`, ellipseRows],
      region: [`${onPlane}/${state.fit}/${state.level}`, regionRows]},
      {x0, x1, y0, y1, ranked: single(), many, ...sizes});
    const rows = rowsOf(many);
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
    bring("trace", {trace: [String(state.fit), traceRows], phases: [String(state.fit), phaseRows],
      ...data.veil ? {unsure: [String(state.fit), unsureRows]} : {}},
      {x0: time[0], x1: time[1]});
    for (const [name, term, letter] of [["path", x, "x"], ["path2", y, "y"]]) {
      if (letter === "y" && single()) continue;
      const key = `${state.fit}/${state.factor}/${term}/${state.level}`;
      const path = pathRows(term);
      const {reference, low, high, mode} = endOf(state.level, term);
      const end = {reference, low: low ?? mode, high: high ?? mode};
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
    const many = drawn().length;
    // Rows that have names are as high as these, however low the plot beside them.
    const down = name.startsWith("caterpillar")
      ? clamp(many * 17, 120, Math.max(views.shrinkage.down ?? 340, many <= 40 ? many * 11 : 0))
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
