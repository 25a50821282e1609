  // -- the trace ---------------------------------------------------------------------------------

  function drawTrace(fit) {
    const width = Math.max(fit.plot.clientWidth, 160);
    const h = film.fits.length > 1 ? 130 : 190;
    const ctx = prepare(fit.plot, width, h + 44);
    const left = leftOf(fit, film.gapTicks.map((t) => t[1]));
    const box = {x: left, y: 6, w: width - left - 10, h};
    const course = fit.course;
    const n = course.gap.length;
    const end = state.align === "share" ? n : longest;
    const x = (e) => box.x + (e - 0.5) / end * box.w;
    const [low, high] = film.gap.map(Math.log10);
    const y = (g) => box.y + (high - Math.log10(g)) / (high - low) * (box.h - 5);
    fit.axis = {unX: (px) => (px - box.x) / box.w * end + 0.5};
    let start = 0;
    course.phase.forEach((p, i) => {
      if (i + 1 < n && course.phase[i + 1] === p) return;
      ctx.fillStyle = film.phases[p][1];
      ctx.fillRect(x(start + 0.5), box.y, x(i + 1.5) - x(start + 0.5), box.h);
      start = i + 1;
    });
    if (course.unsure) {
      const edge = y(course.unsure);
      ctx.fillStyle = film.ink.soft;
      ctx.globalAlpha = film.veil;
      ctx.fillRect(box.x, edge, box.w, box.y + box.h - edge);
      ctx.globalAlpha = 1;
      ctx.strokeStyle = film.ink.soft;
      ctx.lineWidth = 1;
      ctx.setLineDash([5, 2]);
      line(ctx, box.x, edge, box.x + box.w, edge);
      ctx.setLineDash([]);
    }
    ctx.strokeStyle = film.ink.grid;
    ctx.lineWidth = 1;
    ctx.strokeRect(box.x, box.y, box.w, box.h);
    ctx.strokeStyle = "#ffffffb0";
    for (const [v] of film.gapTicks) line(ctx, box.x, y(v), box.x + box.w, y(v));
    ticksY(ctx, film.gapTicks, box.x - 5, y);
    const whole = niceWhole(end, Math.max(2, Math.floor(box.w / 70)));
    for (const e of whole) text(ctx, String(e), x(e), box.y + box.h + 5, "center", "top");
    text(ctx, "evaluation", box.x + box.w / 2, box.y + box.h + 20, "center", "top", film.ink.ink);
    const gap = film.fits.length > 1 ? "gap" : "objective " + MINUS + " minimum";
    upright(ctx, fitted(ctx, gap, box.h), 9, box.y + box.h / 2);
    const reading = clock();
    const here = position(fit, reading);
    const {evaluation, best, cursor, shown} = named(marks.trace);
    const radius = n > marks.crowd.more ? marks.crowd.radius : evaluation.radius;
    clipped(ctx, {x: box.x - 4, y: box.y - 4, w: box.w + 8, h: box.h + 8}, () => {
      ctx.strokeStyle = colour.evaluation;
      course.gap.forEach((g, i) => {
        if (g === null) return;
        ctx.globalAlpha = i + 1 <= here + 1e-6 ? evaluation.opacity : marks.ahead;
        ctx.lineWidth = evaluation.width;
        ctx.beginPath();
        dot(ctx, x(i + 1), y(g), radius);
        ctx.stroke();
      });
      ctx.globalAlpha = 1;
      ctx.strokeStyle = colour.best;
      ctx.lineWidth = best.width;
      ctx.beginPath();
      let begun = false;
      course.best.forEach((g, i) => {
        if (g === null || i + 1 > here) return;
        if (begun) ctx.lineTo(x(i + 1), y(course.best[i - 1] ?? g));
        else ctx.moveTo(x(i + 1), y(g));
        begun = true;
        ctx.lineTo(x(i + 1), y(g));
      });
      if (begun) ctx.lineTo(x(here), y(course.best[Math.floor(here + 1e-6) - 1]));
      ctx.stroke();
      ctx.strokeStyle = film.ink.ink;
      ctx.lineWidth = cursor.width;
      line(ctx, x(here), box.y, x(here), box.y + box.h);
      const frame = fit.tracks[state.track].at[moment(fit).from];
      const g = course.gap[frame - 1];
      if (g !== null) {
        ctx.fillStyle = colour.mode;
        ctx.strokeStyle = film.ink.paper;
        ctx.lineWidth = shown.width;
        ctx.beginPath();
        dot(ctx, x(frame), y(g), shown.radius);
        ctx.fill();
        ctx.stroke();
      }
    });
  }

  function niceWhole(end, most) {
    if (end <= most) return Array.from({length: end}, (_, i) => i + 1);
    let size = 1;
    for (let factor = 1; ; factor *= 10) {
      const found = [1, 2, 5].find((m) => end / (m * factor) <= most);
      if (found) {
        size = found * factor;
        break;
      }
    }
    return Array.from({length: Math.floor(end / size)}, (_, i) => (i + 1) * size);
  }
