  // -- what moves in panels ----------------------------------------------------------------------

  function drawLevels(fit, ctx, box, now) {
    const q = fit.levels.length;
    // Small panels have small marks.
    const small = clamp(Math.min(box.w, box.h) / marks.full, marks.smallest, 1);
    const place = placer(fit, box);
    const marked = state.chosen < 0 ? -1 : fit.levels.indexOf(film.levels[state.chosen]);
    const refs = [];
    const modes = [];
    for (let i = 0; i < q; i++) {
      refs.push(place(fit.reference, i));
      modes.push(place(now, i));
    }
    const points = (mark, places, size) => {
      ctx.beginPath();
      for (const at of places) if (at) dot(ctx, at[0], at[1], size * mark.radius);
    };
    for (const mark of marks.levels[film.dense ? "many" : "few"]) {
      const size = mark.scaled ? small : 1;
      ctx.strokeStyle = ctx.fillStyle = colour[mark.colour];
      ctx.globalAlpha = mark.opacity;
      ctx.lineWidth = size * mark.width;
      if (mark.name === "pull") {
        ctx.beginPath();
        for (let i = 0; i < q; i++) {
          if (!refs[i] || !modes[i]) continue;
          ctx.moveTo(...refs[i]);
          ctx.lineTo(...modes[i]);
        }
        ctx.stroke();
      } else if (mark.name === "reference") {
        points(mark, refs, size);
        if (mark.filled) {
          ctx.fillStyle = film.ink.paper;
          ctx.fill();
        }
        ctx.stroke();
      } else if (mark.name === "mode") {
        points(mark, modes, size);
        ctx.fill();
      } else if (mark.name === "trail") {
        trails(fit, ctx, place, modes, mark);
      } else {
        ellipses(fit, ctx, box, mark);
      }
    }
    ctx.globalAlpha = 1;
    if (marked >= 0 && modes[marked]) {
      whole(fit, ctx, place, marked, modes[marked]);
      ctx.lineWidth = 2;
      ctx.strokeStyle = film.ink.ink;
      for (const at of [refs[marked], modes[marked]]) {
        if (!at) continue;
        ctx.beginPath();
        dot(ctx, at[0], at[1], 6);
        ctx.stroke();
      }
    }
  }

  // Where every level was, the oldest at first; moves that are too small to be seen are none.
  function trails(fit, ctx, place, modes, mark) {
    const {from} = moment(fit);
    const frames = fit.tracks[state.track].values;
    for (let age = Math.min(mark.back, from + 1) - 1; age >= 0; age--) {
      ctx.globalAlpha = mark.opacity * (1 - age / mark.back);
      ctx.beginPath();
      for (let i = 0; i < modes.length; i++) {
        const older = place(frames[from - age], i);
        const newer = age ? place(frames[from - age + 1], i) : modes[i];
        if (!older || !newer) continue;
        const moved = Math.max(Math.abs(older[0] - newer[0]), Math.abs(older[1] - newer[1]));
        if (moved <= marks.still) continue;
        ctx.moveTo(...older);
        ctx.lineTo(...newer);
      }
      ctx.stroke();
    }
  }

  // The whole way of one level so far.
  function whole(fit, ctx, place, i, end) {
    const {from} = moment(fit);
    const frames = fit.tracks[state.track].values;
    ctx.strokeStyle = film.ink.ink;
    ctx.lineWidth = 1.2;
    ctx.beginPath();
    for (let f = 0; f <= from; f++) {
      const at = place(frames[f], i);
      if (!at) continue;
      if (f) ctx.lineTo(...at);
      else ctx.moveTo(...at);
    }
    ctx.lineTo(...end);
    ctx.stroke();
  }

  function covariance(fit) {
    const {from, to, way} = moment(fit);
    const at = fit.tracks[state.track].at;
    const a = at[from] - 1;
    const b = at[to] - 1;
    const mix = (rows) => rows[a].map((v, i) => between(v, rows[b][i], way));
    return {sd: mix(fit.table.sd), cor: mix(fit.table.cor)};
  }

  function ellipses(fit, ctx, box, mark) {
    const {sd, cor} = covariance(fit);
    const x = scaleX(box, box.ix);
    if (film.kind === "dumbbell") {
      // One term: where a share of the levels is expected, as a bar at the foot of the panel.
      film.radii.forEach((r, n) => {
        ctx.lineWidth = marks.bars[Math.min(n, 1)];
        const y = box.y + box.h - marks.dumbbell.foot;
        line(ctx, x(-r * sd[0]), y, x(r * sd[0]), y);
      });
      return;
    }
    const y = scaleY(box, box.iy);
    const n = fit.table.pairs.findIndex(([a, b]) => a === box.ix && b === box.iy);
    for (const r of film.radii) {
      const path = contour(sd[box.ix], sd[box.iy], n < 0 ? 0 : cor[n], r);
      ctx.beginPath();
      if (path.length === 1) {
        dot(ctx, x(0), y(0), marks.collapsed.radius);
        ctx.fill();
        continue;
      }
      ctx.lineWidth = path.length === 2 ? marks.collapsed.width : mark.width;
      path.forEach(([a, b], i) => i ? ctx.lineTo(x(a), y(b)) : ctx.moveTo(x(a), y(b)));
      ctx.stroke();
    }
  }

  function drawTheta(fit, ctx, box) {
    const {from} = moment(fit);
    const frames = fit.tracks[state.track].values;
    const now = current(fit);
    const names = fit.components;
    const y = scaleY(box, 0);
    const x = (j) => box.x + (j + 0.5) / names.length * box.w;
    ctx.strokeStyle = film.ink.grid;
    ctx.lineWidth = 1;
    for (const [v] of film.ticks[0]) {
      line(ctx, box.x, y(v), box.x + box.w, y(v));
    }
    ticksY(ctx, film.ticks[0], box.x - 5, y);
    upright(ctx, "θ", 9, box.y + box.h / 2);
    ctx.strokeRect(box.x, box.y, box.w, box.h);
    const room = box.w / names.length;
    const fits = names.every((name) => ctx.measureText(name).width < room - 6);
    names.forEach((name, j) => {
      if (fits) {
        text(ctx, name, x(j), box.y + box.h + 6, "center", "top", fit.hues[j]);
        return;
      }
      // Aslant: as long as the foot is high and as there is canvas to the left.
      const short = fitted(ctx, name, Math.min(95, (x(j) - 4) * Math.SQRT2));
      ctx.save();
      ctx.translate(x(j) + 3, box.y + box.h + 7);
      ctx.rotate(-Math.PI / 4);
      text(ctx, short, 0, 0, "right", "middle", fit.hues[j]);
      ctx.restore();
    });
    clipped(ctx, box, () => {
      ctx.save();
      ctx.strokeStyle = colour.zero;
      ctx.setLineDash([4, 3]);
      line(ctx, box.x, y(0), box.x + box.w, y(0));
      ctx.restore();
      const {echo, stem, theta} = named(marks.theta);
      const half = Math.min(room * marks.echo.share, marks.echo.most);
      for (let age = Math.min(echo.back, from + 1); age > 0; age--) {
        ctx.globalAlpha = echo.opacity * (1 - (age - 0.5) / echo.back) ** marks.echo.fading;
        ctx.lineWidth = echo.width;
        frames[from - age + 1].forEach((v, j) => {
          ctx.strokeStyle = fit.hues[j];
          line(ctx, x(j) - half, y(v), x(j) + half, y(v));
        });
      }
      ctx.globalAlpha = 1;
      ctx.lineWidth = stem.width;
      now.forEach((v, j) => {
        ctx.strokeStyle = fit.hues[j];
        line(ctx, x(j), y(0), x(j), y(v));
      });
      now.forEach((v, j) => {
        ctx.fillStyle = fit.hues[j];
        ctx.beginPath();
        dot(ctx, x(j), y(v), theta.radius);
        ctx.fill();
      });
    });
  }
