"use strict";
// The player of an animation.  It shows what the page holds and computes no statistic: positions
// between two frames are drawn on the way, numbers are always those of a stored evaluation.
(async () => {
  const packed = atob(document.getElementById("film").textContent);
  const bytes = new Blob([Uint8Array.from(packed, (c) => c.charCodeAt(0))]).stream();
  const film = await new Response(bytes.pipeThrough(new DecompressionStream("deflate"))).json();
  const root = document.getElementById("player");
  const colour = film.colours;
  const font = getComputedStyle(document.body).fontFamily;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const FONT = "11px " + font; // of what is drawn
  const marks = film.marks; // what is drawn, how and when: the same list as that of films
  const named = (list) => Object.fromEntries(list.map((mark) => [mark.name, mark]));
  const MINUS = "\u2212";

  const state = {track: "best", align: "evaluation", speed: 1, stops: [], begins: [], at: 0, share: 0,
    playing: false, chosen: -1};

  // -- small things ------------------------------------------------------------------------------

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "text") made.textContent = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const signed = (text) => text.replace(/-/g, MINUS);
  const significant = (value, digits = 4) => {
    if (value === null || !Number.isFinite(value)) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e-4 && size < 1e6) return signed(Number(value.toPrecision(digits)).toString());
    return signed(value.toExponential(digits - 1));
  };
  // A collapsed standard deviation is rounding: which number it is means nothing.
  const deviation = (sd, sigma) =>
    sd > 0 && sd < 1e-6 * sigma ? "< 1e" + MINUS + "6 σ" : significant(sd);
  const fixed = (value, digits) => value === null ? "–" : signed(value.toFixed(digits));

  // -- time --------------------------------------------------------------------------------------

  const last = (fit) => fit.course.gap.length;
  const longest = Math.max(...film.fits.map(last));

  function makeStops() {
    Object.assign(state, film.clock[state.track][state.align]);
  }

  const clock = () => {
    const {stops, at, share} = state;
    return at + 1 < stops.length ? stops[at] + share * (stops[at + 1] - stops[at]) : stops[at];
  };

  // Seconds from one stop to the next, at speed 1.
  const lasts = (i) => state.begins[i + 1] - state.begins[i];

  // Evaluation that a fit has reached, and the frame shown there.
  const position = (fit, reading) => state.align === "share"
    ? 1 + reading * (last(fit) - 1)
    : Math.min(reading, last(fit));
  const reached = (fit, reading) => Math.floor(position(fit, reading) + 1e-6);
  const frameAt = (fit, evaluation) => {
    const at = fit.tracks[state.track].at;
    let low = 0;
    let high = at.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (at[middle] <= evaluation) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  // What a fit shows now: from frame, to frame, and how much of the way has been gone.
  function moment(fit) {
    const {stops, at, share} = state;
    const from = frameAt(fit, reached(fit, stops[at]));
    if (at + 1 >= stops.length || !share) return {from, to: from, way: 0};
    const to = frameAt(fit, reached(fit, stops[at + 1]));
    if (still.matches) return {from, to: from, way: 0};
    const whole = lasts(at);
    const moving = Math.min(marks.arrival, whole);
    const way = clamp((share * whole - whole + moving) / moving, 0, 1);
    return {from, to, way: way * way * (3 - 2 * way)};
  }

  const between = (a, b, way) => a === null || b === null ? a : a + (b - a) * way;

  // -- the page ----------------------------------------------------------------------------------

  const ui = {};

  function button(name, label, act, extra = {}) {
    const made = element("button", {type: "button", "data-act": name, ...extra, text: label});
    made.addEventListener("click", act);
    return made;
  }

  function choice(name, label, options, act) {
    const select = element("select", {"data-act": name});
    for (const [value, text] of options) select.append(element("option", {value, text}));
    select.addEventListener("change", () => act(select.value));
    return [element("label", {}, label, select), select];
  }

  function build() {
    const bar = element("div", {class: "bar"});
    const buttons = element("div", {class: "buttons", role: "group", "aria-label": "Playing"});
    ui.play = button("play", "Play", toggle, {class: "play"});
    buttons.append(
      ui.play,
      button("start", "Start", () => go(0), {"aria-label": "To the start"}),
      button("back", "Back", () => step(-1), {"aria-label": "One step back"}),
      button("forward", "Forward", () => step(1), {"aria-label": "One step forward"}),
      button("end", "End", () => go(Infinity), {"aria-label": "To the end"}),
    );
    const [speed, speeds] = choice("speed", "Speed",
      [["0.25", "¼"], ["0.5", "½"], ["1", "1"], ["2", "2"], ["4", "4"]],
      (value) => { state.speed = Number(value); });
    speeds.value = "1";
    buttons.append(speed);
    if (film.fits.every((fit) => fit.tracks.every)) {
      const [label] = choice("track", "Show",
        [["best", "the best so far"], ["every", film.every]],
        (value) => retime(() => { state.track = value; }));
      buttons.append(label);
    }
    if (film.fits.length > 1) {
      const [label] = choice("align", "Side by side",
        [["evaluation", "by evaluation"], ["share", "by share of the run"]],
        (value) => retime(() => { state.align = value; }));
      buttons.append(label);
    }
    if (film.levels) {
      const [label, select] = choice("level", film.group,
        [["-1", "none marked"], ...film.levels.map((name, i) => [String(i), name])],
        (value) => mark(Number(value)));
      select.style.maxWidth = "11rem";
      ui.level = select;
      buttons.append(label);
    }
    ui.slider = element("input", {type: "range", min: 0, step: 1, value: 0,
      "aria-label": "Position in the optimisation"});
    ui.slider.addEventListener("input", () => go(Number(ui.slider.value)));
    ui.now = element("span", {"data-field": "now"});
    ui.count = element("span", {"data-field": "frame"});
    const now = element("div", {class: "now"}, ui.now, ui.count);
    bar.append(buttons, ui.slider, now);

    const fits = element("div", {class: film.fits.length > 1 ? "fits many" : "fits one"});
    fits.style.setProperty("--least", film.least + "rem");
    film.fits.forEach((fit, i) => fits.append(section(fit, i)));
    ui.info = element("p", {class: "level", role: "status", "data-field": "level"});
    ui.tip = element("div", {class: "tip", hidden: ""});
    const hint = element("p", {class: "hint"});
    for (const [key, what] of [["Space", " plays and pauses, "], ["←", " "],
      ["→", " step, "], ["Home", " "], ["End", film.levels ? " jump. The traces can be clicked, and so can levels."
        : " jump. The traces can be clicked."]]) {
      hint.append(element("kbd", {text: key}), what);
    }
    root.append(bar, key(), fits, ui.info, hint, ui.tip);
  }

  function section(fit, i) {
    fit.panels = element("canvas", {class: "panels", role: "img"});
    fit.plot = element("canvas", {class: "trace", role: "img"});
    fit.numbers = {};
    const list = element("dl", {class: "numbers"});
    for (const [name, label] of [["evaluation", "evaluation"], ["shown", film.shown],
      ["phase", "phase"], ["objective", film.criterion], ["gap", "above the minimum"],
      ["sigma", "σ"]]) {
      fit.numbers[name] = element("dd", {"data-field": name});
      list.append(element("dt", {text: label}), fit.numbers[name]);
    }
    const side = element("div", {class: "side"}, fit.plot, list);
    if (fit.table) side.append(table(fit));
    const head = element("header", {}, element("h2", {text: fit.label}),
      element("p", {text: fit.sub}));
    const made = element("section", {class: "fit", "data-fit": i, "aria-label": fit.label},
      head, fit.panels, side);
    fit.panels.addEventListener("pointermove", (event) => point(fit, event));
    fit.panels.addEventListener("pointerleave", () => { ui.tip.hidden = true; });
    fit.panels.addEventListener("click", (event) => {
      const hit = nearest(fit, event);
      mark(hit === null ? -1 : film.levels.indexOf(fit.levels[hit]));
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
    return element("table", {}, element("thead", {}, head), body);
  }

  function key() {
    const list = element("ul", {class: "key"});
    for (const [kind, words] of film.key) {
      const sign = element("i", {"aria-hidden": "true"});
      const style = sign.style;
      const round = kind === "reference" || kind === "mode" || kind === "evaluation";
      if (round) {
        Object.assign(style, {width: "9px", height: "9px", borderRadius: "50%",
          background: kind === "mode" ? colour.mode : "transparent",
          border: `${kind === "evaluation" ? 1 : 2}px solid ${colour[kind]}`});
      } else if (kind.startsWith("phase:")) {
        Object.assign(style, {width: "14px", height: "11px", background: kind.slice(6)});
      } else if (kind.startsWith("line:")) {
        Object.assign(style, {width: "18px", height: "0", borderTop: `2px solid ${kind.slice(5)}`});
      } else if (kind === "trail") {
        Object.assign(style, {width: "18px", height: "3px",
          background: `linear-gradient(to right, transparent, ${colour.mode})`});
      } else {
        Object.assign(style, {width: "18px", height: "0", borderTop:
          `${kind === "movement" ? 1.5 : 2}px solid ${colour[kind]}`});
      }
      list.append(element("li", {}, sign, element("span", {text: words})));
    }
    return list;
  }

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

  // Places of level i in a box: of a value per term.
  function placer(fit, box) {
    const k = film.terms.length;
    const x = scaleX(box, box.ix);
    if (film.kind === "dumbbell") {
      return (values, i) => values[i] === null ? null : [x(values[i]), rowY(box, fit.row[i])];
    }
    const y = scaleY(box, box.iy);
    return (values, i) => {
      const a = values[i * k + box.ix];
      const b = values[i * k + box.iy];
      return a === null || b === null ? null : [x(a), y(b)];
    };
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
    ctx.strokeStyle = film.ink.grid;
    ctx.lineWidth = 1;
    for (const [v] of film.ticks[box.ix]) line(ctx, x(v), box.y, x(v), box.y + box.h);
    if (film.kind === "modes") {
      const y = scaleY(box, box.iy);
      for (const [v] of film.ticks[box.iy]) line(ctx, box.x, y(v), box.x + box.w, y(v));
      if (box.first) {
        rows.set("left", ticksY(ctx, film.ticks[box.iy], box.x - 5, y, rows.get("left")));
        upright(ctx, fitted(ctx, film.terms[box.iy], box.h), 9, box.y + box.h / 2);
      }
    } else if (film.rowLabels) {
      film.order.forEach((name, row) => {
        text(ctx, rowLabel(name), box.x - 6, rowY(box, row), "right");
      });
    } else {
      upright(ctx, fitted(ctx, film.rowTitle, box.h), 12, box.y + box.h / 2);
    }
    if (box.bottom) {
      const y = box.y + box.h + 5;
      rows.set(y, ticksX(ctx, film.ticks[box.ix], x, y, box.w, rows.get(y)));
      text(ctx, fitted(ctx, film.xTitle || film.terms[box.ix], box.w), box.x + box.w / 2,
        box.y + box.h + 20, "center", "top", film.ink.ink);
    }
    ctx.strokeRect(box.x, box.y, box.w, box.h);
    ctx.save();
    ctx.strokeStyle = colour.zero;
    ctx.setLineDash([4, 3]);
    if (film.axes[box.ix][0] < 0 && film.axes[box.ix][1] > 0) {
      line(ctx, x(0), box.y, x(0), box.y + box.h);
    }
    if (film.kind === "modes" && film.axes[box.iy][0] < 0 && film.axes[box.iy][1] > 0) {
      const y0 = scaleY(box, box.iy)(0);
      line(ctx, box.x, y0, box.x + box.w, y0);
    }
    ctx.restore();
  }

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
    const rho = n < 0 || cor[n] === null ? 0 : clamp(cor[n], -1, 1);
    const [s1, s2] = [sd[box.ix], sd[box.iy]];
    if (s1 === null || s2 === null) return;
    const flat = s1 === 0 || s2 === 0 || Math.abs(rho) >= 1 - 1e-6;
    const turn = flat ? rho >= 0 ? 0 : Math.PI : Math.acos(rho);
    const steps = flat ? 1 : 72;
    for (const r of film.radii) {
      if (s1 === 0 && s2 === 0) {
        ctx.beginPath();
        dot(ctx, x(0), y(0), marks.collapsed.radius);
        ctx.fill();
        continue;
      }
      ctx.lineWidth = flat ? marks.collapsed.width : mark.width;
      ctx.beginPath();
      for (let i = 0; i <= steps; i++) {
        const t = flat ? i * Math.PI : i / steps * 2 * Math.PI;
        const at = [x(s1 * r * Math.cos(t)), y(s2 * r * Math.cos(t - turn))];
        if (i) ctx.lineTo(...at);
        else ctx.moveTo(...at);
      }
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

  // -- words and numbers -------------------------------------------------------------------------

  function write() {
    const words = [];
    for (const fit of film.fits) {
      const e = reached(fit, state.stops[state.at]);
      const at = fit.tracks[state.track].at;
      const shown = at[frameAt(fit, e)];
      const course = fit.course;
      const n = fit.numbers;
      const phase = film.phases[course.phase[e - 1]][0];
      n.evaluation.textContent = `${e} of ${last(fit)}`;
      n.shown.textContent = String(shown);
      n.phase.textContent = phase;
      n.objective.textContent = fixed(course.objective[shown - 1], 4);
      const gap = course.gap[shown - 1];
      n.gap.textContent = gap === null ? "–" : gap <= film.gap[0]
        ? "< " + signed(film.gap[0].toExponential(0)) : gap < 0.001
          ? signed(gap.toExponential(2)) : significant(gap, 3);
      n.sigma.textContent = significant(course.sigma[shown - 1]);
      if (fit.table) {
        fit.cells.sd.forEach((cell, i) => {
          cell.textContent = deviation(fit.table.sd[shown - 1][i], course.sigma[shown - 1]);
        });
        fit.cells.cor.forEach((cell, i) => {
          const value = fit.table.cor[shown - 1][i];
          cell.textContent = value === null ? "–" : fixed(value, 3);
        });
      }
      fit.panels.setAttribute("aria-label", `${film.what}, ${fit.label}, evaluation ${e} of ` +
        `${last(fit)}, modes of evaluation ${shown}`);
      fit.plot.setAttribute("aria-label", `Trace of ${fit.label}: objective minus minimum ` +
        `${n.gap.textContent} at evaluation ${shown}`);
      words.push(film.fits.length > 1 ? `${fit.label} ${e} of ${last(fit)}`
        : `evaluation ${e} of ${last(fit)}, ${phase}`);
    }
    ui.now.textContent = (film.fits.length > 1 ? "evaluation: " : "") + words.join(" · ");
    ui.count.textContent = `frame ${state.at + 1} of ${state.stops.length}`;
    ui.slider.max = String(state.stops.length - 1);
    ui.slider.value = String(state.at);
    ui.slider.setAttribute("aria-valuetext", ui.now.textContent);
    ui.play.textContent = state.playing ? "Pause" : "Play";
    ui.info.textContent = state.chosen < 0 ? "" : film.fits.map((fit) => {
      const i = fit.levels.indexOf(film.levels[state.chosen]);
      const said = describe(fit, i).join(", ");
      return film.fits.length > 1 ? `${fit.label}: ${said}` : said;
    }).join(" · ");
  }

  function describe(fit, i) {
    const k = film.terms.length;
    const values = fit.tracks[state.track].values[frameAt(fit, reached(fit, state.stops[state.at]))];
    const lines = [`${film.group} ${fit.levels[i]}`, `n = ${fit.n[i]}`];
    film.terms.forEach((term, j) => {
      lines.push(`${term}: reference ${significant(fit.reference[i * k + j])}, ` +
        `mode ${significant(values[i * k + j])}`);
    });
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

  // -- moving ------------------------------------------------------------------------------------

  function draw() {
    for (const fit of film.fits) {
      drawPanels(fit);
      drawTrace(fit);
    }
  }

  function show() {
    draw();
    write();
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
      write();
      return;
    }
    if (state.at >= state.stops.length - 1) {
      state.at = 0;
      state.share = 0;
    }
    state.playing = true;
    write();
    let before = null;
    const tick = (time) => {
      if (!state.playing) return;
      // A page in the background gets no frames: it does not jump when it comes back.
      const passed = before === null ? 0 : Math.min((time - before) / 1000, 0.1);
      before = time;
      let left = passed * state.speed;
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
      if (!still.matches || stopped) draw();
      if (stopped) write();
      if (state.playing) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const on = event.target;
    if (on.tagName === "SELECT") return;
    const acts = {ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => go(0),
      End: () => go(Infinity)};
    if (event.key === " " && on.tagName !== "BUTTON") toggle();
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  });

  // -- beginning ---------------------------------------------------------------------------------

  for (const fit of film.fits) {
    if (film.order) fit.row = fit.levels.map((name) => film.order.indexOf(name));
  }
  build();
  makeStops();
  new ResizeObserver(() => draw()).observe(root);
  show();
})();
