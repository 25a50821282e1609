  // -- elements of the page ----------------------------------------------------------------------

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "text") made.textContent = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  // What does something, and what is chosen of a list, each with the name of what it does.
  function button(name, text, act, attributes = {}) {
    const made = element("button", {type: "button", "data-act": name, ...attributes, text});
    made.addEventListener("click", act);
    return made;
  }
  function choice(name, label, options, act) {
    const select = element("select", {"data-act": name});
    const fill = (list) => select.replaceChildren(...list.map(([value, text]) =>
      element("option", {value, text})));
    fill(options);
    select.addEventListener("change", () => act(select.value));
    return {label: element("label", {}, `${label} `, select), select, fill};
  }

  // Words that are written only where they change: what listens to a page hears changes.
  const write = (place, words) => {
    if (place.textContent !== words) place.textContent = words;
  };

  // The key of a picture: a sign for each kind of mark, and its words.
  function sign(style) {
    const made = element("i", {"aria-hidden": "true"});
    Object.assign(made.style, style);
    return made;
  }
  const ring = (border, fill, width = 2) => sign({width: "10px", height: "10px", borderRadius: "50%",
    border: `${width}px solid ${border}`, background: fill});
  const stroke = (border) => sign({width: "18px", height: "0", borderTop: border});
  const patch = (background) => sign({width: "13px", height: "11px", background});
  // An open arrowhead that points to the right.
  function arrowhead(corners, stroke) {
    const drawn = (name, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      return made;
    };
    const made = drawn("svg", {viewBox: "-1.3 -1.3 2.6 2.6", width: 14, height: 14});
    made.append(drawn("polygon", {points: corners.join(" "), transform: "rotate(90)",
      fill: "none", stroke, "stroke-width": 0.35}));
    const mark = sign({width: "14px", height: "14px"});
    mark.append(made);
    return mark;
  }
  const keyList = (...items) => element("ul", {class: "key"},
    ...items.map(([mark, words]) => element("li", {}, mark,
      typeof words === "string" ? element("span", {text: words}) : words)));

  // -- keys and ears -----------------------------------------------------------------------------

  // What keys do; with others held down they mean something else.
  const onKeys = (acts, isLeft = () => false) => (event) => {
    const isOther = event.altKey || event.ctrlKey || event.metaKey;
    const act = isOther || isLeft(event) ? null : acts[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  };
  const hint = (attributes, ...pairs) => element("p", {class: "hint", ...attributes},
    ...pairs.flatMap(([name, words]) => [element("kbd", {text: name}), words]));

  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  // What is said to those who listen, when what is shown has come to rest: whoever goes through
  // evaluations hears where they end, not all that they pass.
  const REST = 500;
  const said = element("p", {class: "unseen", role: "status", "data-field": "said"});
  let rest;
  const announce = (words) => {
    clearTimeout(rest);
    rest = setTimeout(() => write(said, words), REST);
  };
