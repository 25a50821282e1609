  // -- the page ----------------------------------------------------------------------------------

  const field = (name, tag = "span", attributes = {}) =>
    ui.fields[name] = element(tag, {"data-field": name, ...attributes});

  // What is chosen of a list by its place there.
  function select(name, label, options) {
    const numbered = (list) => list.map((text, i) => [i, text]);
    const made = choice(name, label, numbered(options), (place) => choose({[name]: Number(place)}));
    ui.choices[name] = made;
    return {label: made.label, fill: (list) => made.fill(numbered(list))};
  }

  // So many levels are offered of those that have what is typed in their names.
  const OFFERED = 8;

  function search() {
    const list = element("ul", {id: "levels", role: "listbox", "aria-label": "Levels that have this in their names"});
    // What is said of the list stands below it: it is nothing that can be chosen.
    const more = element("p");
    const box = element("div", {class: "offered", hidden: ""}, list, more);
    const input = element("input", {type: "text", role: "combobox", autocomplete: "off", spellcheck: "false",
      "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "levels", "data-act": "level",
      id: "search"});
    let found = [];
    let active = -1;
    const close = () => {
      box.hidden = true;
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
      const every = [...begins, ...within];
      found = every.slice(0, OFFERED);
      list.replaceChildren(...found.map((i, at) => {
        const item = element("li", {id: `level-${at}`, role: "option", "aria-selected": "false"},
          `${factor().levels[i]} `, element("small", {text: plural(factor().n[i], "observation")}));
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          take(i);
        });
        return item;
      }));
      const rest = every.length - found.length;
      more.textContent = !found.length ? `No level of ${factor().name} has this in its name`
        : rest ? `and ${plural(rest, "more level")}: type more of the name` : "";
      list.hidden = !found.length;
      more.hidden = !more.textContent;
      box.hidden = false;
      input.setAttribute("aria-expanded", String(found.length > 0));
      active = -1;
      input.removeAttribute("aria-activedescendant");
      announce(found.length ? `${plural(every.length, "level")} found. ${more.textContent}` : more.textContent);
    };
    input.addEventListener("input", offer);
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => {
      close();
      input.value = factor().levels[state.level];
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (box.hidden) offer();
        const by = event.key === "ArrowDown" ? 1 : -1;
        // From the field itself, up leads to the last.
        if (found.length) mark((Math.max(active, by < 0 ? 0 : -1) + by + found.length) % found.length);
      } else if (event.key === "Enter" && !box.hidden && found.length) {
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
    return element("div", {class: "search"}, input, box);
  }

  function bar() {
    const box = search();
    const levels = element("div", {class: "levels"}, ui.searchLabel, box,
      button("down", "‹", () => step(-1), {"aria-label": "The level below, by mode"}),
      button("up", "›", () => step(1), {"aria-label": "The level above, by mode"}));
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
      // The slider says the same to those who listen.
      field("moment", "output", {for: "moment", "aria-hidden": "true"}));
    return element("div", {class: "bar", role: "group", "aria-label": "What is chosen"},
      levels, terms, moment);
  }

  function picture(name, label) {
    const canvas = element("div", {class: "canvas", id: `plot-${name}`, "aria-hidden": "true"});
    ui.told[name] = element("p", {class: "unseen", id: `told-${name}`});
    // Keys that screen readers use themselves reach a page in what it calls an application.
    const made = element("figure", {tabindex: 0, role: "application", "aria-roledescription": "picture",
      "data-view": name, "aria-labelledby": `name-${name}`, "aria-describedby": `told-${name} keys`},
    element("figcaption", {id: `name-${name}`}, element("span", {class: "unseen", text: `${label}: `}), field(name)),
    canvas, ui.told[name]);
    made.addEventListener("keydown", onKeys(keys));
    ui[name] = made;
    return made;
  }

  function block(name, title, ...children) {
    return element("section", {class: "views", id: `view-${name}`, "aria-labelledby": `title-${name}`},
      element("h2", {id: `title-${name}`, text: title}), ...children);
  }

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
      const cells = [String(one.dof), objective, fixed(one.aic, 2), grouped(one.size),
        one.collapsed.join("; ") || "no"];
      return element("tr", {}, element("th", {scope: "row"}, element("label", {}, radio, one.label)),
        ...cells.map((text) => element("td", {text})));
    });
    return block("structures", "Structures", element("div", {class: "scroll", role: "radiogroup",
      "aria-label": "Structure shown"}, element("table", {"aria-label": "Structures"}, element("thead", {},
      element("tr", {}, ...head.map((text) => element("th", {scope: "col", text})))),
    element("tbody", {}, ...rows))));
  }

  function build() {
    const c = data.colours;
    ui.reference = element("span");
    ui.contour = element("span", {text:
      `${data.coverages.map((share) => percent(share)).join(", ")} of the fitted distribution`});
    ui.region = element("span", {text:
      `${percent(data.region.coverage)} of the chosen level’s random effects, given its data (at the end)`});
    ui.populationCross = element("span", {text: "population"});
    ui.populationLine = element("span", {text: "population"});
    ui.levelsTable = element("details", {class: "scroll"},
      element("summary", {text: "These levels in numbers"}), element("div"));
    ui.levelsTable.addEventListener("toggle", fillLevels);
    const shrinkage = block("shrinkage", "Shrinkage: from each level’s own estimate to its mode",
      picture("shrinkage", "Shrinkage plot"),
      keyList([ring(c.reference, c.paper), ui.reference],
        ...data.head ? [[arrowhead(data.head.corners, c.reference), data.head.words]] : [],
        [stroke(`2px solid ${c.movement}`), "pull"],
        [ring(c.mode, c.mode), "conditional mode"],
        ...data.coverages.length ? [[stroke(`2px solid ${c.ellipse}`), ui.contour]] : [],
        [stroke(`2px solid ${c.ink}`), ui.region],
        [element("span", {"aria-hidden": "true", text: "✛"}), ui.populationCross],
        [stroke(`1px dashed ${c.zero}`), ui.populationLine]),
      field("rule", "p"), ui.levelsTable);
    ui.pair = element("div", {class: "pair"}, picture("caterpillar", "Caterpillar plot"),
      picture("caterpillar2", "Caterpillar plot of the other term"));
    const caterpillar = block("caterpillar", "Caterpillar: how sure each mode is", ui.pair,
      keyList([stroke(`3px solid ${c.ellipse}`), "mode ± 1.96 conditional SD"],
        [ring(c.reference, c.paper), "reference"], [stroke(`1px dashed ${c.zero}`), "population"]));
    ui.rowless = element("p");
    const panel = block("panel", "Data: the rows of the chosen level", picture("panel", "Rows of the chosen level"),
      ui.rowless, keyList([ring(c.evaluation, c.evaluation), "row"], [stroke(`2px dashed ${c.reference}`), "own least squares"],
        [stroke(`2px solid ${c.mode}`), "mixed model"], [stroke(`1px dashed ${c.population}`), "population"]));
    const phases = [...new Set(data.fits.flatMap((one) => one.phase))].sort();
    const trace = block("trace", "Optimisation: when was it over",
      picture("trace", "Trace of the optimiser"),
      keyList([ring(c.evaluation, c.evaluation), "evaluation"], [stroke(`2px solid ${c.best}`), "best so far"],
        ...phases.map((p) => [patch(data.phases[p][1]), data.phases[p][0]]),
        ...data.veil ? [[patch(data.veil[0]), data.veil[1]]] : []),
      picture("path", "Path of the chosen level"), picture("path2", "Path of the other term"),
      keyList([stroke(`2px solid ${c.mode}`), "mode of the best so far"],
        [stroke(`2px dashed ${c.reference}`), "reference"], [patch("#d5ecf9"), "± 1.96 SD at the end"]));
    say("trace", `${data.criterion} above the minimum, by evaluation`);
    ui.shares = [];
    const parts = data.fits.find((one) => one.ledger)?.ledger.shares ?? [];
    const shareKey = keyList(...parts.map(([name], part) => {
      ui.shares[part] = element("span", {"data-field": `share:${part}`});
      return [patch(name === null ? c.observations : data.groupColours[name]), ui.shares[part]];
    }));
    ui.numbers = element("tbody");
    ui.here = element("th", {scope: "col"});
    const ledger = ui.shareFigure = picture("ledger", "Shares of the variance");
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
      keyList([ring(c.mode, c.mode), "best so far"], [stroke(`2px solid ${c.best}`), "its path"],
        [ring(c.evaluation, c.evaluation), "evaluation"], [stroke(`2px solid ${c.ink}`), "5.99 above the minimum"]),
      ui.levels);
    ui.landscape = block("landscape", "Landscape: where the optimiser was", ui.planeRow,
      ui.landscapeFigure, ui.elsewhere,
      ui.contours);
    const help = hint({id: "keys"}, ["↑", " "], ["↓", " choose a level, "], ["←", " "], ["→", " an evaluation, "],
      ["Home", " "], ["End", " the first and the last, where a picture has the focus. "]);
    help.append("Levels and evaluations can be clicked.");
    // In one column pictures follow each other in another order: they are moved, so that the focus
    // goes from one to the next that is seen.
    const columns = [1, 2, 3].map(() => element("div"));
    const narrow = window.matchMedia("(max-width: 40rem)");
    const arrange = () => {
      const places = narrow.matches ? [[shrinkage, caterpillar, panel, trace, books, ui.landscape], [], []]
        : [[shrinkage, ui.landscape], [caterpillar, books], [panel, trace]];
      columns.forEach((column, i) => column.replaceChildren(...places[i]));
    };
    root.append(structures(), bar(), field("statement", "p", {class: "statement"}), said, help,
      element("div", {class: "columns"}, ...columns));
    arrange();
    narrow.addEventListener("change", arrange);
    ui.findings = [...document.querySelectorAll("[data-finding]")];
    ui.findings.forEach((one, i) => {
      one.setAttribute("aria-pressed", "false");
      one.addEventListener("click", () => answer(i));
    });
  }
