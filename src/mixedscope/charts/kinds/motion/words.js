  // -- words and numbers -------------------------------------------------------------------------

  function tell() {
    const words = [];
    for (const fit of film.fits) {
      const e = passed(fit, state.stops[state.at]);
      const at = fit.tracks[state.track].at;
      const shown = at[frameAt(fit, e)];
      const course = fit.course;
      const n = fit.numbers;
      const phase = film.phases[course.phase[e - 1]][0];
      n.evaluation.textContent = `${grouped(e)} of ${grouped(last(fit))}`;
      n.shown.textContent = grouped(shown);
      n.phase.textContent = phase;
      n.objective.textContent = fixed(course.objective[shown - 1], 4);
      const gap = course.gap[shown - 1];
      n.gap.textContent = gap !== null && gap <= film.gap[0]
        ? "< " + signed(film.gap[0].toExponential(0)) : number(gap);
      if (n.sigma) n.sigma.textContent = number(course.sigma[shown - 1], 4);
      if (fit.table) {
        fit.cells.sd.forEach((cell, i) => {
          cell.textContent = deviation(fit.table.sd[shown - 1][i], course.sigma[shown - 1]);
        });
        fit.cells.cor.forEach((cell, i) => {
          cell.textContent = fixed(fit.table.cor[shown - 1][i], 3);
        });
      }
      fit.panels.setAttribute("aria-label", `${film.what}, ${fit.label}, evaluation ${grouped(e)} of ` +
        `${grouped(last(fit))}, ${film.shown} ${grouped(shown)}`);
      fit.plot.setAttribute("aria-label", `Trace of ${fit.label}: objective minus minimum ` +
        `${n.gap.textContent} at evaluation ${grouped(shown)}`);
      words.push(film.fits.length > 1 ? `${fit.label} ${grouped(e)} of ${grouped(last(fit))}`
        : `evaluation ${grouped(e)} of ${grouped(last(fit))}, ${phase}`);
    }
    ui.now.textContent = (film.fits.length > 1 ? "evaluation: " : "") + words.join(" · ");
    ui.count.textContent = `frame ${grouped(state.at + 1)} of ${grouped(state.stops.length)}`;
    ui.slider.max = String(state.stops.length - 1);
    ui.slider.value = String(state.at);
    ui.slider.setAttribute("aria-valuetext", ui.now.textContent);
    ui.play.textContent = state.playing ? "Pause" : "Play";
    ui.info.textContent = state.chosen < 0 ? "" : film.fits.map((fit) => {
      const i = fit.levels.indexOf(film.levels[state.chosen]);
      const words = describe(fit, i).join(", ");
      return film.fits.length > 1 ? `${fit.label}: ${words}` : words;
    }).join(" · ");
    // While it plays nothing is said; of the slider its place is, by what reads the page.
    const heard = document.activeElement === ui.slider ? [] : [ui.now.textContent];
    if (!state.playing) announce([...heard, ui.info.textContent].join(". "));
  }

  function describe(fit, i) {
    const k = film.terms.length;
    const values = fit.tracks[state.track].values[frameAt(fit, passed(fit, state.stops[state.at]))];
    const lines = [`${film.group} ${fit.levels[i]}`, `n = ${grouped(fit.n[i])}`];
    film.terms.forEach((term, j) => {
      lines.push(`${term}: reference ${number(fit.reference[i * k + j], 4)}, ` +
        `mode ${number(values[i * k + j], 4)}`);
    });
    if (film.terms.some((_, j) => fit.ways?.[i * k + j])) lines.push("own estimate infinite");
    return lines;
  }

  function nearest(fit, event) {
    if (!film.levels) return null;
    const edge = fit.panels.getBoundingClientRect();
    const px = event.clientX - edge.left;
    const py = event.clientY - edge.top;
    const now = current(fit);
    let best = null;
    let away = 12;
    for (const box of fit.boxes) {
      if (px < box.x || px > box.x + box.w || py < box.y || py > box.y + box.h) continue;
      const place = placer(fit, box);
      for (let i = 0; i < fit.levels.length; i++) {
        for (const values of [now, fit.reference]) {
          const at = place(values, i);
          const d = at ? Math.hypot(at[0] - px, at[1] - py) : Infinity;
          if (d < away) [best, away] = [i, d];
        }
      }
    }
    return best;
  }

  function point(fit, event) {
    const hit = nearest(fit, event);
    ui.tip.hidden = hit === null;
    if (hit === null) return;
    ui.tip.textContent = describe(fit, hit).join("\n");
    const box = ui.tip.getBoundingClientRect();
    ui.tip.style.left = clamp(event.clientX + 14, 4, window.innerWidth - box.width - 4) + "px";
    ui.tip.style.top = clamp(event.clientY + 14, 4, window.innerHeight - box.height - 4) + "px";
  }
