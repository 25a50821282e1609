  // -- the page ----------------------------------------------------------------------------------

  const ui = {};

  function build() {
    const buttons = element("div", {class: "buttons", role: "group", "aria-label": "Playing"});
    ui.play = button("play", "Play", toggle, {class: "play"});
    buttons.append(
      ui.play,
      button("start", "Start", () => go(0), {"aria-label": "To the start"}),
      button("back", "Back", () => step(-1), {"aria-label": "One step back"}),
      button("forward", "Forward", () => step(1), {"aria-label": "One step forward"}),
      button("end", "End", () => go(Infinity), {"aria-label": "To the end"}),
    );
    const speed = choice("speed", "Speed",
      [["0.25", "¼"], ["0.5", "½"], ["1", "1"], ["2", "2"], ["4", "4"]],
      (value) => { state.speed = Number(value); });
    speed.select.value = "1";
    const choices = element("div", {class: "choices"}, speed.label);
    if (film.fits.every((fit) => fit.tracks.every)) {
      choices.append(choice("track", "Show",
        [["best", "the best so far"], ["every", film.every]],
        (value) => retime(() => { state.track = value; })).label);
    }
    if (film.fits.length > 1) {
      choices.append(choice("align", "Side by side",
        [["evaluation", "by evaluation"], ["share", "by share of the run"]],
        (value) => retime(() => { state.align = value; })).label);
    }
    if (film.levels) {
      const level = choice("level", film.group,
        [["-1", "none marked"], ...film.levels.map((name, i) => [String(i), name])],
        (value) => mark(Number(value)));
      ui.level = level.select;
      choices.append(level.label);
    }
    ui.slider = element("input", {type: "range", min: 0, step: 1, value: 0,
      "aria-label": "Position in the optimisation"});
    ui.slider.addEventListener("input", () => go(Number(ui.slider.value)));
    ui.now = element("span", {"data-field": "now"});
    ui.count = element("span", {"data-field": "frame"});
    const now = element("div", {class: "now"}, ui.now, ui.count);
    const bar = element("div", {class: "bar"}, buttons, ui.slider, now);

    const fits = element("div", {class: film.fits.length > 1 ? "fits many" : "fits one"});
    fits.style.setProperty("--least", film.least + "rem");
    film.fits.forEach((fit, i) => fits.append(section(fit, i)));
    ui.info = element("p", {class: "level", "data-field": "level"});
    ui.tip = element("div", {class: "tip", hidden: ""});
    const help = hint({}, ["Space", " plays and pauses, "], ["←", " "], ["→", " step, "], ["Home", " "],
      ["End", film.levels ? " jump. The traces can be clicked, and so can levels."
        : " jump. The traces can be clicked."]);
    root.append(bar, choices, said, key(), fits, ui.info, help, ui.tip);
  }

  function section(fit, i) {
    fit.panels = element("canvas", {class: "panels", role: "img"});
    fit.plot = element("canvas", {class: "trace", role: "img"});
    fit.numbers = {};
    const list = element("dl", {class: "numbers"});
    for (const [name, label] of [["evaluation", "evaluation"], ["shown", film.shown],
      ["phase", "phase"], ["objective", film.criterion], ["gap", "above the minimum"],
      ["sigma", "σ"]]) {
      // A generalised model has none.
      if (name === "sigma" && fit.course.sigma.every((value) => value === null)) continue;
      fit.numbers[name] = element("dd", {"data-field": name});
      list.append(element("dt", {text: label}), fit.numbers[name]);
    }
    const side = element("div", {class: "side"}, fit.plot, list);
    if (fit.table) side.append(table(fit));
    const head = element("header", {}, element("h2", {id: `fit-${i}`, text: fit.label}),
      element("p", {text: fit.sub}));
    const made = element("section", {class: "fit", "data-fit": i, "aria-labelledby": `fit-${i}`},
      head, fit.panels, side);
    fit.panels.addEventListener("pointermove", (event) => point(fit, event));
    fit.panels.addEventListener("pointerleave", () => { ui.tip.hidden = true; });
    fit.panels.addEventListener("click", (event) => {
      const hit = nearest(fit, event);
      if (film.levels) mark(hit === null ? -1 : film.levels.indexOf(fit.levels[hit]));
    });
    const seek = (event) => {
      const box = fit.plot.getBoundingClientRect();
      const evaluation = fit.axis.unX(event.clientX - box.left);
      const reading = state.align === "share" ? (evaluation - 1) / Math.max(last(fit) - 1, 1)
        : evaluation;
      let best = 0;
      state.stops.forEach((stop, j) => {
        if (Math.abs(stop - reading) < Math.abs(state.stops[best] - reading)) best = j;
      });
      go(best);
    };
    fit.plot.addEventListener("pointerdown", (event) => {
      fit.plot.setPointerCapture(event.pointerId);
      seek(event);
    });
    fit.plot.addEventListener("pointermove", (event) => { if (event.buttons) seek(event); });
    return made;
  }

  function table(fit) {
    const {terms, pairs} = fit.table;
    fit.cells = {sd: [], cor: []};
    const head = element("tr", {}, element("th", {scope: "col", text: "random effect"}),
      element("th", {scope: "col", text: "SD"}));
    const columns = terms.map((_, j) => j).filter((j) => pairs.some(([a]) => a === j));
    columns.forEach((j, n) => head.append(element("th", {scope: "col",
      text: n ? terms[j] : "correlation with " + terms[j]})));
    const body = element("tbody");
    terms.forEach((term, i) => {
      const sd = element("td", {"data-field": "sd:" + term});
      fit.cells.sd.push(sd);
      const row = element("tr", {}, element("th", {scope: "row", text: term}), sd);
      for (const j of columns) {
        const n = pairs.findIndex(([a, b]) => a === j && b === i);
        const cell = element("td", n < 0 ? {} : {"data-field": `cor:${terms[j]}:${term}`});
        if (n >= 0) fit.cells.cor[n] = cell;
        row.append(cell);
      }
      body.append(row);
    });
    return element("table", {"aria-label": `Random effects of ${film.group}`}, element("thead", {}, head), body);
  }

  function key() {
    const signs = {
      reference: (kind) => ring(colour[kind], "transparent"),
      infinite: () => arrowhead(marks.head.corners, colour.reference),
      mode: (kind) => ring(colour[kind], colour[kind]),
      evaluation: (kind) => ring(colour[kind], "transparent", 1),
      "phase:": (kind) => patch(kind.slice(6)),
      "line:": (kind) => stroke(`2px solid ${kind.slice(5)}`),
      trail: () => sign({width: "18px", height: "3px", background: `linear-gradient(to right, transparent, ${colour.mode})`}),
      movement: (kind) => stroke(`1.5px solid ${colour[kind]}`),
    };
    const signOf = (kind) => signs[kind] ?? signs[kind.replace(/:.*/, ":")] ?? (() => stroke(`2px solid ${colour[kind]}`));
    return keyList(...film.key.map(([kind, words]) => [signOf(kind)(kind), words]));
  }
