  // -- drawing -----------------------------------------------------------------------------------

  function prepare(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const w = Math.round(width * ratio);
    const h = Math.round(height * ratio);
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.height = height + "px";
    }
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.font = FONT;
    ctx.lineJoin = "round";
    return ctx;
  }

  const text = (ctx, words, x, y, align = "center", base = "middle", fill = film.ink.soft) => {
    ctx.fillStyle = fill;
    ctx.textAlign = align;
    ctx.textBaseline = base;
    ctx.fillText(words, x, y);
  };

  const upright = (ctx, words, x, y) => {
    ctx.save();
    ctx.translate(x, y);
    ctx.rotate(-Math.PI / 2);
    text(ctx, words, 0, 0, "center", "middle", film.ink.ink);
    ctx.restore();
  };

  const line = (ctx, x0, y0, x1, y1) => {
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
    ctx.stroke();
  };

  const clipped = (ctx, box, draw) => {
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.x, box.y, box.w, box.h);
    ctx.clip();
    draw();
    ctx.restore();
  };

  const dot = (ctx, x, y, r) => {
    ctx.moveTo(x + r, y);
    ctx.arc(x, y, r, 0, 2 * Math.PI);
  };

  // Labels that do not overlap, with the axis's own ticks.  Panels beside each other pass where
  // the last label of this row ended, and get back where theirs does.
  function ticksX(ctx, ticks, x, y, room, before = -Infinity) {
    const widest = Math.max(...ticks.map((t) => ctx.measureText(t[1]).width)) + 8;
    const apart = ticks.length > 1 ? Math.abs(x(ticks[1][0]) - x(ticks[0][0])) : room;
    const every = Math.max(1, Math.ceil(widest / apart));
    let end = before;
    ticks.forEach(([value, label], i) => {
      const half = ctx.measureText(label).width / 2;
      if (i % every || x(value) - half < end + 6) return;
      text(ctx, label, x(value), y, "center", "top");
      end = x(value) + half;
    });
    return end;
  }

  // The same for a vertical axis, whose ticks go upwards; gives where the lowest label ends.
  function ticksY(ctx, ticks, x, y, before = -Infinity) {
    let end = before;
    for (const [value, label] of [...ticks].sort((a, b) => b[0] - a[0])) {
      if (y(value) - 6 < end) continue;
      text(ctx, label, x, y(value), "right");
      end = y(value) + 6;
    }
    return end;
  }

  // Words that fit into a room, cut where they do not.
  function fitted(ctx, words, room) {
    if (ctx.measureText(words).width <= room) return words;
    let n = words.length - 1;
    while (n > 1 && ctx.measureText(words.slice(0, n) + "…").width > room) n -= 1;
    return words.slice(0, n) + "…";
  }

  // Where panels begin: labels of a vertical axis and, upright before them, its title.
  function leftOf(fit, labels, title = true) {
    const ctx = fit.panels.getContext("2d");
    ctx.font = FONT;
    const widest = Math.max(0, ...labels.map((label) => ctx.measureText(label).width));
    return Math.ceil(widest) + (title ? 26 : 8);
  }

  function layout(fit) {
    const width = Math.max(fit.panels.clientWidth, 160);
    const boxes = [];
    const names = film.kind === "dumbbell";
    const left = names ? film.rowLabels ? leftOf(fit, film.order.map(rowLabel), false) : 30
      : leftOf(fit, film.ticks.slice(film.kind === "modes" ? 1 : 0).flat().map((t) => t[1]));
    if (film.kind === "modes") {
      const side = film.terms.length - 1;
      const gap = 8;
      const w = (width - left - 8 - gap * (side - 1)) / side;
      const h = clamp(0.82 * w, 70, 480 / side);
      for (const [j, i] of fit.panelPairs) {
        boxes.push({x: left + j * (w + gap), y: 6 + (i - 1) * (h + gap), w, h, ix: j, iy: i,
          bottom: !fit.panelPairs.some(([b, a]) => b === j && a > i), first: j === 0});
      }
      const deep = Math.max(...fit.panelPairs.map(([, i]) => i));
      return {width, height: 6 + deep * (h + gap) + 36, boxes};
    }
    const rows = names ? film.order.length : 0;
    const h = film.kind === "theta" ? clamp(0.62 * width, 220, 440)
      : film.rowLabels ? clamp(rows * 17, 120, 560) : 440;
    boxes.push({x: left, y: 6, w: width - left - 10, h, ix: 0, iy: 0, bottom: true, first: true});
    return {width, height: h + (film.kind === "theta" ? 88 : 44), boxes};
  }

  const rowLabel = (name) => name.length > 10 ? name.slice(0, 9) + "…" : name;
  const scaleX = (box, j) => (v) =>
    box.x + (v - film.axes[j][0]) / (film.axes[j][1] - film.axes[j][0]) * box.w;
  const scaleY = (box, j) => (v) =>
    box.y + (film.axes[j][1] - v) / (film.axes[j][1] - film.axes[j][0]) * box.h;
  // Room at the foot for the bars of the distribution.
  const rowY = (box, row) => box.y + marks.dumbbell.above +
    (row + 0.5) / film.order.length * (box.h - marks.dumbbell.room);

  // How levels stand by rank in a box of two terms of which one alone varies, if they do.
  const ranksOf = (fit, box) => fit.ranks.find((r) => r.x === box.ix && r.y === box.iy);

  // Places of level i in a box: of its values there, and of a value per term.
  function spotter(fit, box) {
    const x = scaleX(box, box.ix);
    if (film.kind === "dumbbell") {
      return (i, [a]) => a === null ? null : [x(a), rowY(box, fit.row[i])];
    }
    const y = scaleY(box, box.iy);
    const ranks = ranksOf(fit, box);
    return (i, [a, b]) => {
      if (a === null || b === null) return null;
      return [x(ranks?.term === box.ix ? ranks.at[i] : a), y(ranks?.term === box.iy ? ranks.at[i] : b)];
    };
  }
  const termsOf = (box) => film.kind === "dumbbell" ? [box.ix] : [box.ix, box.iy];
  function placer(fit, box) {
    const k = film.terms.length;
    const spot = spotter(fit, box);
    const terms = termsOf(box);
    return (values, i) => spot(i, terms.map((j) => values[i * k + j]));
  }

  function current(fit) {
    const {from, to, way} = moment(fit);
    const frames = fit.tracks[state.track].values;
    const a = frames[from];
    return way ? a.map((v, i) => between(v, frames[to][i], way)) : a;
  }

  function drawPanels(fit) {
    const {width, height, boxes} = layout(fit);
    const ctx = prepare(fit.panels, width, height);
    fit.boxes = boxes;
    if (film.kind === "theta") {
      drawTheta(fit, ctx, boxes[0]);
      return;
    }
    const now = current(fit);
    const rows = new Map(); // where the last label of each row and of the column of axes ends
    for (const box of [...boxes].sort((a, b) => a.x - b.x || a.y - b.y)) {
      frame(ctx, fit, box, rows);
      clipped(ctx, box, () => drawLevels(fit, ctx, box, now));
    }
  }

  function frame(ctx, fit, box, rows) {
    const x = scaleX(box, box.ix);
    const ranks = ranksOf(fit, box);
    const across = ranks?.term !== box.ix;
    const up = film.kind === "modes" && ranks?.term !== box.iy;
    ctx.strokeStyle = film.ink.grid;
    ctx.lineWidth = 1;
    if (across) for (const [v] of film.ticks[box.ix]) line(ctx, x(v), box.y, x(v), box.y + box.h);
    if (up) {
      const y = scaleY(box, box.iy);
      for (const [v] of film.ticks[box.iy]) line(ctx, box.x, y(v), box.x + box.w, y(v));
      if (box.first) {
        rows.set("left", ticksY(ctx, film.ticks[box.iy], box.x - 5, y, rows.get("left")));
        upright(ctx, fitted(ctx, film.terms[box.iy], box.h), 9, box.y + box.h / 2);
      }
    } else if (film.kind === "modes") {
      // Neighbours show the axis of the term that is missing.
    } else if (film.rowLabels) {
      film.order.forEach((name, row) => {
        text(ctx, rowLabel(name), box.x - 6, rowY(box, row), "right");
      });
    } else {
      upright(ctx, fitted(ctx, film.rowTitle, box.h), 12, box.y + box.h / 2);
    }
    if (box.bottom && across) {
      const y = box.y + box.h + 5;
      rows.set(y, ticksX(ctx, film.ticks[box.ix], x, y, box.w, rows.get(y)));
      text(ctx, fitted(ctx, film.xTitle || film.terms[box.ix], box.w), box.x + box.w / 2,
        box.y + box.h + 20, "center", "top", film.ink.ink);
    }
    ctx.strokeRect(box.x, box.y, box.w, box.h);
    ctx.save();
    ctx.strokeStyle = colour.zero;
    ctx.setLineDash([4, 3]);
    if (across && film.axes[box.ix][0] < 0 && film.axes[box.ix][1] > 0) {
      line(ctx, x(0), box.y, x(0), box.y + box.h);
    }
    if (up && film.axes[box.iy][0] < 0 && film.axes[box.iy][1] > 0) {
      const y0 = scaleY(box, box.iy)(0);
      line(ctx, box.x, y0, box.x + box.w, y0);
    }
    ctx.restore();
    if (ranks) text(ctx, across ? "by rank ↑" : "by rank →", box.x + 5, box.y + 5, "left", "top");
  }
