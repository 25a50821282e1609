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
    const shown = told === best() ? "" : `; modes are those stored of evaluation ${grouped(told)}`;
    return `${factor().levels[level]} of ${factor().name}, ${plural(factor().n[level], "observation")}: ` +
      `${parts.join("; ")}. ${fit().label}, evaluation ${grouped(state.at)} of ` +
      `${grouped(fit().size)}${shown}.`;
  }

  function numbers() {
    const at = best();
    const {ledger, stopping} = fit();
    const end = fit().bestAt[fit().size - 1];
    const rows = [
      ["objective", data.criterion, fixed(fit().objective[at - 1], 4), fixed(fit().objective[end - 1], 4)],
      ["gap", "above the minimum", number(fit().objective[at - 1] - fit().objective[end - 1]), "0"],
    ];
    // A generalised model has none.
    const sigma = fit().sigma[end - 1];
    if (sigma !== null) rows.push(["sigma", "residual SD σ", number(fit().sigma[at - 1], 4), number(sigma, 4)]);
    own().sds[frame()].forEach((sd, j) => {
      if (!own().varies[j]) return;
      const told = (i) => deviation(own().sds[i][j], fit().sigma[own().at[i] - 1]);
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
        ["part_penalty", "part of the penalty"], ["conditional_deviance", "−2 log L given modes"],
        ["penalty", "penalty"], ["log_det", "log-determinant"], ["newton_steps", "Newton steps to modes"],
        ["edf", "effective degrees of freedom"]]) {
        // Linear and generalised models have parts of their own.
        if (!ledger.columns[name]) continue;
        rows.push([name, words, number(ledger.columns[name][i], 5), number(ledger.columns[name][z], 5)]);
      }
    }
    if (stopping) {
      for (const [name, words, told] of [["beta", "coefficients off by, in SE", number],
        ["std_error", "standard errors off by", percent], ["sigma", "σ off by", percent],
        ["modes", "modes off by, in their SD", number]]) {
        if (name === "sigma" && sigma === null) continue;
        // What is smaller is rounding.
        const off = stopping[name][state.at - 1];
        rows.push([`stopping:${name}`, words, told(off !== null && off < 1e-9 ? 0 : off), told(0)]);
      }
    }
    ui.numbers.replaceChildren(...rows.map(([name, words, here, there]) => element("tr", {},
      element("th", {scope: "row", text: words}), element("td", {"data-field": name, text: here}),
      element("td", {"data-field": `end:${name}`, text: there}))));
    ui.here.textContent = state.at === fit().size ? "now (the end)" : `at ${grouped(state.at)}`;
  }

  const say = (field, text) => write(ui.fields[field], text);

  function words() {
    const terms = factor().titles;
    say("statement", statement());
    const phase = data.phases[fit().phase[state.at - 1]][0];
    const moment = `${grouped(state.at)} of ${grouped(fit().size)}, ${phase}`;
    say("moment", moment);
    ui.slider.max = fit().size;
    ui.slider.value = state.at;
    ui.slider.setAttribute("aria-valuetext", moment);
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
    ui.shareFigure.hidden = !fit().ledger?.shares.length;
    for (const name of ["caterpillar2", "path2"]) ui[name].hidden = single();
    ui.contour.closest("li")?.toggleAttribute("hidden", single());
    ui.region.closest("li").hidden = !regionRows().length;
    ui.populationCross.closest("li").hidden = single();
    ui.populationLine.closest("li").hidden = !single();
    ui.pair.className = single() ? "pair single" : drawn().length <= 40 ? "pair wide" : "pair";
    ui.radios.forEach((radio, i) => {
      radio.checked = i === state.fit;
      radio.closest("tr").className = radio.checked ? "chosen" : "";
    });
    for (const [name, {select}] of Object.entries(ui.choices)) select.value = String(state[name]);
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
    for (const [name, told] of Object.entries(ui.told)) write(told, pictured[name]());
    fillLevels();
    if (root.dataset.ready === "") announce(statement());
  }

  // What each picture shows of what is chosen, for those who do not see it.
  const bounds = ({low, high}) => known(low) ? `, ± 1.96 SD from ${number(low)} to ${number(high)}` : "";
  const barOf = (term) => {
    const end = endOf(state.level, term);
    const levels = order();
    return `${factor().levels[state.level]}: mode ${number(end.mode)} at the end${bounds(end)}; ` +
      `number ${grouped(levels.indexOf(state.level) + 1)} of ${plural(levels.length, "level")} drawn, from below.`;
  };
  const pathOf = (term) => {
    const {frames} = own();
    return `Mode ${number(value(frames[0], state.level, term))} at evaluation ${grouped(own().at[0])}, ` +
      `${number(value(frames[frame()], state.level, term))} now, ${number(endOf(state.level, term).mode)} at the end.`;
  };
  const pictured = {
    shrinkage: () => {
      const shown = single() ? [state.x] : [state.x, state.y];
      const ways = shown.map((term) => {
        const reference = value(own().reference, state.level, term);
        const from = known(reference) ? `${number(reference)} to ` : "no estimate of its own, mode ";
        return `${factor().terms[term]} ${from}${number(value(own().frames[frame()], state.level, term))}`;
      });
      return `${plural(drawn().length + added().length, "level")} drawn. Marked is ` +
        `${factor().levels[state.level]}: ${ways.join("; ")}.`;
    },
    caterpillar: () => barOf(state.x),
    caterpillar2: () => single() ? "" : barOf(state.y),
    panel: () => {
      if (stored() < 0) return "";
      const values = own().panels.points[stored()][1].filter(known);
      return `${plural(values.length, "row")}, ${own().panels.response} from ` +
        `${number(Math.min(...values))} to ${number(Math.max(...values))}.`;
    },
    trace: () => {
      const spans = phaseRows().map(({phase, from, to}) =>
        `${data.phases[phase][0]} ${grouped(from + 0.5)} to ${grouped(to - 0.5)}`);
      const {objective, bestAt, size} = fit();
      const above = (i) => number(known(objective[i]) ? objective[i] - objective[bestAt[size - 1] - 1] : null);
      return `Evaluation ${grouped(state.at)}: ${above(state.at - 1)} above the minimum, best so far ` +
        `${above(best() - 1)}. Phases: ${spans.join(", ")}.`;
    },
    path: () => pathOf(state.x),
    path2: () => single() ? "" : pathOf(state.y),
    ledger: () => fit().ledger?.shares.length ? `${ui.shares.map((share) => share.textContent).join(", ")}.` : "",
    landscape: () => {
      if (!fit().landscape) return "";
      const plane = fit().landscape.panels[state.plane];
      const at = plane.points[0].indexOf(best());
      const places = plane.names.map((name, i) => `${name} ${at < 0 ? "outside" : number(plane.points[i + 1][at])}`);
      return `Best so far at ${places.join(", ")}.`;
    },
  };

  // What the pictures of levels show, in numbers: where it is looked at.
  function fillLevels() {
    if (!ui.levelsTable.open) return;
    const terms = factor().terms.map((_, j) => j).filter((j) => own().varies[j]);
    const head = [factor().name, "observations", ...terms.flatMap((j) => [`${factor().terms[j]}: its own`, "mode", "SD"])];
    const modes = own().frames[frame()];
    const rows = order().reverse().map((i) => element("tr", i === state.level ? {class: "chosen"} : {},
      element("th", {scope: "row", text: factor().levels[i]}), element("td", {text: grouped(factor().n[i])}),
      ...terms.flatMap((j) => [own().reference, modes, own().sd].map((values) =>
        element("td", {text: number(value(values, i, j))})))));
    ui.levelsTable.lastChild.replaceChildren(element("table", {"aria-label": "Levels"},
      element("thead", {}, element("tr", {}, ...head.map((text) => element("th", {scope: "col", text})))),
      element("tbody", {}, ...rows)));
  }
