  // -- what moves in panels ----------------------------------------------------------------------

  function drawLevels(fit, ctx, box, now) {
    const q = fit.levels.length;
    // Small panels have small marks.
    const small = clamp(Math.min(box.w, box.h) / marks.full, marks.smallest, 1);
    const place = placer(fit, box);
    const marked = state.chosen < 0 ? -1 : fit.levels.indexOf(film.levels[state.chosen]);
    const refs = [];
    const modes = [];
    const listed = marks.levels[film.dense ? "many" : "few"];
    const heads = [];
    for (let i = 0; i < q; i++) {
      const end = endOf(fit, box, i, named(listed).head.scaled ? small : 1);
      if (end) heads.push(end);
      refs.push(place(fit.reference, i) ?? end?.ring ?? null);
      modes.push(place(now, i));
    }
    const points = (mark, places, size) => {
      ctx.beginPath();
      for (const at of places) if (at) dot(ctx, at[0], at[1], size * mark.radius);
    };
    for (const mark of listed) {
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
      } else if (mark.name === "head") {
        if (heads.length) arrowheads(ctx, heads, size * mark.radius);
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

  // Of a level whose own estimate is infinite: where its arrowhead stands and points to, and its
  // ring where that stands at the edge of the panel. As mixedscope.charts.common.open_ends has it.
  function endOf(fit, box, i, size) {
    const terms = termsOf(box);
    const at = (values, j) => values[i * film.terms.length + j];
    const way = terms.map((j) => fit.ways ? at(fit.ways, j) : 0);
    if (!way.some((v) => v)) return null;
    const isKnown = terms.map((j) => at(fit.reference, j) !== null);
    const last = fit.tracks.best.values.at(-1);
    let ring = spotter(fit, box)(i, terms.map((j) => at(fit.reference, j) ?? at(last, j)));
    const sides = [box.w, -box.h]; // pixels run down
    const pull = terms.map((j, n) => way[n] * sides[n] / (film.axes[j][1] - film.axes[j][0]));
    const step = [0, 1].map((n) => (pull[n] ?? 0) / Math.hypot(...pull));
    if (way.some((v, n) => v && !isKnown[n])) {
      const low = [box.x, box.y].map((v) => v + size * marks.head.inset);
      const high = [box.x + box.w, box.y + box.h].map((v) => v - size * marks.head.inset);
      ring = ring.map((v, n) => n < terms.length ? clamp(v, low[n], high[n]) : v);
      const room = Math.min(...step.map((v, n) =>
        v ? ((v > 0 ? high : low)[n] - ring[n]) / v : Infinity));
      ring = ring.map((v, n) => v + room * step[n]);
    }
    const middle = ring.map((v, n) => v + size * marks.head.apart * step[n]);
    return {middle, step, ring: isKnown.every((v) => v) ? null : ring};
  }

  function arrowheads(ctx, heads, radius) {
    ctx.beginPath();
    for (const {middle: [x, y], step: [dx, dy]} of heads) {
      const corners = marks.head.corners.map(([a, b]) =>
        [x - radius * (a * dy + b * dx), y + radius * (a * dx - b * dy)]);
      ctx.moveTo(...corners[0]);
      for (const n of [1, 2, 0]) ctx.lineTo(...corners[n]);
    }
    ctx.stroke();
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
    const ranks = ranksOf(fit, box);
    const [left, foot] = [box.ix, box.iy].map((j) => ranks?.term === j ? ranks.foot : 0);
    const n = fit.table.pairs.findIndex(([a, b]) => a === box.ix && b === box.iy);
    for (const r of film.radii) {
      const path = contour(sd[box.ix], sd[box.iy], n < 0 ? 0 : cor[n], r);
      ctx.beginPath();
      if (path.length === 1) {
        dot(ctx, x(left), y(foot), marks.collapsed.radius);
        ctx.fill();
        continue;
      }
      ctx.lineWidth = path.length === 2 ? marks.collapsed.width : mark.width;
      path.forEach(([a, b], i) => i ? ctx.lineTo(x(left + a), y(foot + b))
        : ctx.moveTo(x(left + a), y(foot + b)));
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
