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
    // Of two axes that would show one term each takes the term of the other.
    const {x, y} = {...state, ...change};
    if (x === y && data.factors[change.factor ?? state.factor].terms.length > 1) {
      change = "x" in change ? {...change, y: state.x} : {...change, x: state.y};
    }
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
    view?.scrollIntoView({block: "nearest", behavior: calm.matches ? "auto" : "smooth"});
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

  // -- beginning ---------------------------------------------------------------------------------

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
