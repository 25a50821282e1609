// The player of an animation.  It shows what the page holds and computes no statistic: positions
// between two frames are drawn on the way, numbers are always those of a stored evaluation.

  const film = JSON.parse(await unpacked(held("film")));
  const colour = film.colours;
  const font = getComputedStyle(document.body).fontFamily;
  const FONT = "11px " + font; // of what is drawn
  const marks = film.marks; // what is drawn, how and when: the same list as that of films
  const named = (list) => Object.fromEntries(list.map((mark) => [mark.name, mark]));

  const state = {track: "best", align: "evaluation", speed: 1, stops: [], begins: [], at: 0, share: 0,
    playing: false, chosen: -1};

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
  const passed = (fit, reading) => Math.floor(position(fit, reading) + 1e-6);
  const frameAt = (fit, evaluation) => reached(fit.tracks[state.track].at, evaluation);

  // What a fit shows now: from frame, to frame, and how much of the way has been gone.
  function moment(fit) {
    const {stops, at, share} = state;
    const from = frameAt(fit, passed(fit, stops[at]));
    if (at + 1 >= stops.length || !share) return {from, to: from, way: 0};
    const to = frameAt(fit, passed(fit, stops[at + 1]));
    if (calm.matches) return {from, to: from, way: 0};
    const whole = lasts(at);
    const moving = Math.min(marks.arrival, whole);
    const way = clamp((share * whole - whole + moving) / moving, 0, 1);
    return {from, to, way: way * way * (3 - 2 * way)};
  }

  const between = (a, b, way) => a === null || b === null ? a : a + (b - a) * way;
