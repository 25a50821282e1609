  // -- moving ------------------------------------------------------------------------------------

  function draw() {
    for (const fit of film.fits) {
      drawPanels(fit);
      drawTrace(fit);
    }
  }

  function show() {
    draw();
    tell();
  }

  function go(stop) {
    pause();
    state.at = clamp(stop, 0, state.stops.length - 1);
    state.share = 0;
    show();
  }

  const step = (by) => go(state.at + (by < 0 && state.share > 0 ? 0 : by));

  function mark(level) {
    state.chosen = level;
    ui.level.value = String(level);
    show();
  }

  // Keep the place in the run when frames or alignment change.
  function retime(change) {
    const total = state.stops.length;
    const share = state.align === "share" ? clock() : (clock() - 1) / Math.max(longest - 1, 1);
    change();
    makeStops();
    const reading = state.align === "share" ? share : 1 + share * (longest - 1);
    let at = 0;
    state.stops.forEach((stop, i) => { if (stop <= reading + 1e-6) at = i; });
    go(total ? at : 0);
  }

  function pause() {
    state.playing = false;
  }

  function toggle() {
    if (state.playing) {
      pause();
      tell();
      return;
    }
    if (state.at >= state.stops.length - 1) {
      state.at = 0;
      state.share = 0;
    }
    state.playing = true;
    tell();
    let before = null;
    const tick = (time) => {
      if (!state.playing) return;
      // A page in the background gets no frames: it does not jump when it comes back.
      const elapsed = before === null ? 0 : Math.min((time - before) / 1000, 0.1);
      before = time;
      let left = elapsed * state.speed;
      let stopped = false;
      while (left > 0 && state.at < state.stops.length - 1) {
        const whole = lasts(state.at);
        const rest = whole * (1 - state.share);
        if (left < rest) {
          state.share += left / whole;
          left = 0;
        } else {
          left -= rest;
          state.at += 1;
          state.share = 0;
          stopped = true;
        }
      }
      if (state.at >= state.stops.length - 1) {
        state.share = 0;
        pause();
        stopped = true;
      }
      if (!calm.matches || stopped) draw();
      if (stopped) tell();
      if (state.playing) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  document.addEventListener("keydown", onKeys({ArrowLeft: () => step(-1), ArrowRight: () => step(1),
    Home: () => go(0), End: () => go(Infinity), " ": toggle},
  // What has the focus has a use of its own for some.
  ({key, target}) => target.tagName === "SELECT" || key === " " && /BUTTON|SUMMARY/.test(target.tagName) ||
    key !== " " && target.tagName === "A"));

  // -- beginning ---------------------------------------------------------------------------------

  for (const fit of film.fits) {
    if (film.order) fit.row = fit.levels.map((name) => film.order.indexOf(name));
  }
  build();
  makeStops();
  new ResizeObserver(() => draw()).observe(root);
  show();
