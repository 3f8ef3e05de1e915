// What keys, buttons and the mouse do.
const KEYS = {
  f: "fit", 0: "one", "+": "larger", "=": "larger", "-": "smaller", v: "alone", t: "link", i: "invert", n: "preset",
  "[": "narrower", "]": "wider", ",": "darker", ".": "brighter", h: "overlay", o: "outline", b: "flicker", m: "lens",
  u: "full", k: "keys",
};
const TOOLS = { q: "pan", w: "window", d: "ruler", e: "ellipse", x: "box", z: "freehand" };
const REGIONS = ["ellipse", "box", "freehand"];
const LEGEND = [
  ["Arrow keys", "the next view"], ["Shift + arrows", "move the films"], ["+ − or wheel", "zoom"], ["0, F", "1:1, fit"],
  ["V", "one view or all"], ["T", "views together or each by itself"], ["I", "invert"], ["N", "the next window of the file"],
  ["[ ]", "narrower, wider window"], [", .", "darker, brighter"], ["Right button", "drag: window"], ["H", "explanation on or off"],
  ["O", "its outline"], ["B", "flicker, twice a second"], ["M", "magnifier"], ["U", "full screen"], ["D", "ruler"],
  ["E, X, Z", "ellipse, box, freehand"], ["Enter", "puts the chosen ruler or region in the middle"],
  ["Tab", "to what is drawn; arrows, Shift, Page keys, Delete"], ["Q, Escape", "move again"], ["K", "these keys"],
];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function legend(root) {
  root.find(".films-keys").replaceChildren(...LEGEND.map((pair) => {
    const row = document.createElement("div");
    row.append(...["dt", "dd"].map((tag, number) => Object.assign(document.createElement(tag), { textContent: pair[number] })));
    return row;
  }));
}

function listen(root) {
  const { find, state } = root;
  const { look } = state;
  root.querySelectorAll("[data-act]").forEach((button) => (button.onclick = () => act(root, button.dataset.act)));
  root.querySelectorAll("button[data-tool]").forEach((button) => (button.onclick = () => take(root, button.dataset.tool)));
  find(".films-presets").onchange = ({ target }) => choosePreset(root, Number(target.value));
  const typed = () => {
    const [center, width] = [find(".films-center").valueAsNumber, find(".films-width").valueAsNumber];
    if (Number.isFinite(center) && width > 0) rewindow(root, state.active, center, width);
  };
  find(".films-center").onchange = find(".films-width").onchange = typed;
  find(".films-overlays").onchange = ({ target }) => {
    look.number = Number(target.value);
    find(".films-mapping").textContent = root.overlayOf(state.active)?.mapping ?? "";
    root.redraw({ map: true });
  };
  find(".films-opacity").oninput = ({ target }) => ((look.opacity = target.valueAsNumber), root.redraw({ map: true }));
  find(".films-threshold").oninput = ({ target }) => ((look.threshold = target.valueAsNumber), root.redraw({ map: true }));
  root.onKey = (event) => onKey(root, event);
  window.addEventListener("keydown", root.onKey);
  const views = find(".films-views");
  const viewAt = (event) => state.views.find(({ element }) => element.contains(event.target));
  views.oncontextmenu = (event) => event.preventDefault();
  views.onpointerdown = (event) => viewAt(event) && press(root, viewAt(event), event);
  views.onpointermove = (event) => state.lens && viewAt(event) && lensAt(root, viewAt(event), pointOf(viewAt(event), event));
  views.addEventListener("wheel", (event) => {
    const view = viewAt(event);
    if (!view || event.ctrlKey) return;
    event.preventDefault();
    const [x, y] = pointOf(view, event);
    const [canvas] = view.element.querySelectorAll("canvas");
    const lines = event.deltaMode ? 30 : 1;
    zoom(root, view, Math.exp((-event.deltaY * lines) / 500), x - canvas.width / 2, y - canvas.height / 2);
  }, { passive: false });
}

function pointOf(view, event) {
  const [box, dots] = [view.element.getBoundingClientRect(), dotsOf(view.element)];
  return [(event.clientX - box.left) * dots, (event.clientY - box.top) * dots];
}

function press(root, view, begun) {
  const { state } = root;
  view.element.focus({ preventScroll: true });
  activate(root, view);
  const tool = begun.button === 2 ? "window" : begun.button === 1 ? "pan" : state.tool;
  if (SHAPES[tool]) return view.sheet.begin(begun, tool, () => take(root, "pan"));
  begun.preventDefault();
  view.element.setPointerCapture(begun.pointerId);
  let [x, y] = pointOf(view, begun);
  const [x0, y0, start] = [x, y, asWindow(view)];
  view.element.onpointermove = (event) => {
    const now = pointOf(view, event);
    if (tool === "pan") pan(root, view, now[0] - x, now[1] - y);
    else if (now[0] !== x0 || now[1] !== y0) {
      const width = start.width * Math.exp((now[0] - x0) / 250);
      rewindow(root, view, start.center + brighter(root, view) * ((y0 - now[1]) / 400) * start.width, width);
    }
    [x, y] = now;
  };
  view.element.onpointerup = view.element.onpointercancel = () => (view.element.onpointermove = view.element.onpointerup = null);
}

// Which way the centre goes for brighter greys.
const brighter = ({ state }, view) => (view.film.inverse !== state.inverted ? 1 : -1);

function lensAt(root, view, point) {
  root.state.views.forEach((other) => (other === view ? view.magnify(point) : other.lens && other.magnify(null)));
}

const typing = (target) => target?.closest?.("input:not([type=range]), textarea, select, [contenteditable=true], [role=combobox], [role=slider]");

function onKey(root, event) {
  const { state } = root;
  if (!root.isConnected || !root.checkVisibility() || !state.active) return;
  const focused = document.activeElement;
  const inside = root.contains(focused);
  const strange = event.ctrlKey || event.altKey || event.metaKey;
  if ((strange && !event.getModifierState("AltGraph")) || typing(focused) || !(inside || focused === document.body)) return;
  if (document.querySelector("[role=dialog], dialog[open]")) return;
  const [onView, key] = [focused?.closest?.(".films-view") || focused === root || focused === document.body, event.key.toLowerCase()];
  if (ARROWS[event.key] && onView) arrow(root, event);
  else if (event.key === "Enter" && SHAPES[state.tool] && onView) putMiddle(root);
  else if (event.key === "Escape" && state.tool !== "pan") take(root, "pan");
  else if (event.key === "Escape" && state.lens) act(root, "lens");
  else if (TOOLS[key] && !event.repeat && allowed(root, TOOLS[key])) take(root, TOOLS[key]);
  else if (KEYS[key] && (!event.repeat || "+=-[],.".includes(key))) act(root, KEYS[key]);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

const allowed = (root, tool) => root.data.may_draw || !REGIONS.includes(tool);

function arrow(root, event) {
  const { state } = root;
  const [x, y] = ARROWS[event.key];
  if (event.shiftKey) return pan(root, state.active, -60 * x, -60 * y);
  const rows = root.data.rows;
  const row = rows.findIndex((one) => one.includes(state.active.film.place));
  const column = rows[row].indexOf(state.active.film.place);
  for (let step = 1; step < 5; step++) {
    const view = state.views.find(({ film }) => film.place === rows[row + step * y]?.[column + step * x]);
    if (view) return goTo(root, view);
  }
}

function goTo(root, view) {
  activate(root, view);
  if (root.state.alone) shownAlone(root);
  view.element.focus({ preventScroll: true });
}

function shownAlone(root) {
  const { state } = root;
  root.find(".films-views").classList.toggle("films-alone", Boolean(state.alone));
  root.find(".films-views").querySelectorAll(":scope > div").forEach((one) => (one.hidden = state.alone && one !== state.active.element));
  state.fitted = false;
  root.redraw({ film: true, map: true });
}

function putMiddle(root) {
  const { state } = root;
  const tool = state.tool;
  take(root, "pan");
  state.active.sheet.middle(tool);
}

function take(root, tool) {
  root.state.tool = tool;
  const drawn = SHAPES[tool] ? `${SHAPES[tool].name}: drag on a film, or press Enter to put one in the middle of the view.` : "";
  root.say(drawn || { pan: "", window: "Drag: up is brighter, to the right is a wider window." }[tool]);
  if (!root.contains(document.activeElement) || SHAPES[tool]) root.state.active.element.focus({ preventScroll: true });
  tools(root);
}

function act(root, name) {
  const { state } = root;
  const { look, active: view } = state;
  const { center, width } = asWindow(view);
  const acts = {
    fit: () => fit(root),
    one: () => zoom(root, view, 1 / (view.times * view.k)),
    larger: () => zoom(root, view, 1.25),
    smaller: () => zoom(root, view, 0.8),
    alone: () => ((state.alone = !state.alone), shownAlone(root)),
    link: () => (state.linked = !state.linked),
    invert: () => {
      state.inverted = !state.inverted;
      state.views.forEach((one) => one.rewindow(state.inverted));
      root.redraw({ film: true });
    },
    preset: () => choosePreset(root, (view.film.presets.indexOf(view.window) + 1) % view.film.presets.length),
    narrower: () => rewindow(root, view, center, width * 0.9),
    wider: () => rewindow(root, view, center, width / 0.9),
    darker: () => rewindow(root, view, center - brighter(root, view) * 0.05 * width, width),
    brighter: () => rewindow(root, view, center + brighter(root, view) * 0.05 * width, width),
    overlay: () => ((look.on = !look.on), flicker(root, false), root.redraw({ map: true })),
    outline: () => ((look.outline = !look.outline), root.redraw({ map: true })),
    flicker: () => flicker(root, !look.flicker),
    lens: () => {
      state.lens = !state.lens;
      const [canvas] = view.element.querySelectorAll("canvas");
      if (state.lens) lensAt(root, view, [canvas.width / 2, canvas.height / 2]);
      else state.views.forEach((one) => one.magnify(null));
    },
    full: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()),
    keys: () => (root.find(".films-keys").hidden = !root.find(".films-keys").hidden),
  };
  acts[name]();
  tools(root);
}

function flicker(root, on) {
  const { look } = root.state;
  clearInterval(look.flicker);
  look.flicker = null;
  if (!on || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  look.flicker = setInterval(() => root.isConnected && ((look.on = !look.on), root.redraw({ map: true })), FLICKER_MS);
}

// The bar shows what is so of the active view.
function tools(root) {
  const { find, state } = root;
  const { active, look } = state;
  if (!active) return;
  const press_ = (name, on) => find(`[data-act="${name}"]`).setAttribute("aria-pressed", Boolean(on));
  for (const [name, on] of Object.entries({ alone: state.alone, link: state.linked, invert: state.inverted, lens: state.lens, overlay: look.on || look.flicker, outline: look.outline, flicker: look.flicker })) press_(name, on);
  root.querySelectorAll("button[data-tool]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.tool === state.tool));
  state.views.forEach(({ element }) => (element.dataset.tool = state.tool));
  find('[data-act="keys"]').setAttribute("aria-expanded", !find(".films-keys").hidden);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  Object.assign(find('[data-act="flicker"]'), { disabled: still, title: still ? "This computer asks for less motion." : "" });
  find(".films-explanation output").textContent = look.threshold.toFixed(2);
  const names = active.film.presets.map((one, number) => one.name || `Window ${number + 1}`);
  const presets = find(".films-presets");
  if (presets.dataset.names !== names.join("\n")) {
    presets.dataset.names = names.join("\n");
    presets.replaceChildren(...names.map((name, number) => new Option(name, number)), Object.assign(new Option("set by hand", -1), { disabled: true }));
  }
  presets.value = active.film.presets.indexOf(active.window);
  for (const [name, value] of Object.entries({ center: active.window.center, width: active.window.width })) {
    const input = find(`.films-${name}`);
    if (input !== document.activeElement) input.value = value === undefined ? "" : rounded(value);
  }
}
