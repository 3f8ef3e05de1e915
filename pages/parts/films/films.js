// Films hung side by side.  What is looked at lies in the browser; Python hears of regions, and of when they were first seen.
const MOST_ZOOM = 32;
const FLICKER_MS = 250; // two changes there and back a second

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".films");
  root.send = (value) => setStateValue("act", value);
  if (!root.state) build(root);
  show(root, data);
  return () => root.stop();
}

function build(root) {
  const find = (name) => root.querySelector(name);
  const look = { on: true, opacity: 0.6, outline: false, threshold: 0.5, flicker: null, number: 0 };
  const state = { views: [], regions: new Map(), linked: true, inverted: false, tool: "pan", lens: false, look, begun: performance.now() };
  Object.assign(root, { state, find });
  root.say = (text) => (find(".films-said").textContent = text);
  root.shown = () => state.views.filter((view) => !state.alone || view === state.active);
  root.moved = () => (state.linked ? root.shown() : [state.active]);
  root.overlayOf = (view) => view.film.overlays[look.number] ?? null;

  // Everything that is drawn is drawn here, once a frame, and only where something changed.
  root.redraw = (what = {}, views = root.shown()) => {
    views.forEach((view) => Object.assign(view.dirty, what));
    state.frame ??= requestAnimationFrame(() => {
      state.frame = null;
      frame(root);
    });
  };
  root.store = tileStore({
    onTile: ({ raster }) => {
      const views = state.views.filter(({ film }) => [film, ...film.overlays].some(({ id }) => id === raster.id));
      views.forEach((view) => view.arrivals++);
      root.redraw({ film: true, map: true }, views);
    },
    onTrouble: root.say,
  });
  root.resized = new ResizeObserver((entries) => resize(root, entries));
  root.stop = () => {
    if (root.isConnected) return;
    root.resized.disconnect();
    root.store.stop();
    clearInterval(look.flicker);
    cancelAnimationFrame(state.frame);
    window.removeEventListener("keydown", root.onKey);
  };
  listen(root);
  root.focus({ preventScroll: true });
  root.rhoscope = readBack(root);
}

// New data: the same films keep their zoom and their windows; others are hung anew.
function show(root, data) {
  const { state, find } = root;
  root.data = data;
  for (const film of data.views) {
    film.regions = state.regions.get(film.name) ?? film.regions;
    for (const one of film.overlays) if (typeof one.colours === "string") one.colours = new Uint32Array(bytesOf(one.colours).buffer);
  }
  const hung = JSON.stringify([data.rows, data.may_draw, data.views.map(({ overlays, address, regions, ...film }) => film)]);
  if (root.hung !== hung) hang(root, data);
  else state.views.forEach((view, number) => Object.assign(view.film, { address: data.views[number].address, overlays: data.views[number].overlays }));
  root.hung = hung;
  const overlays = data.views.find((film) => film.overlays.length)?.overlays ?? [];
  find(".films-explanation").hidden = !overlays.length;
  state.look.number = Math.min(state.look.number, Math.max(0, overlays.length - 1));
  find(".films-overlays").replaceChildren(...overlays.map(({ name }, number) => new Option(name, number)));
  find(".films-mapping").textContent = overlays[state.look.number]?.mapping ?? "";
  find(".films-regions").hidden = !data.may_draw;
  legend(root);
  root.redraw({ film: true, map: true });
  tools(root);
}

function hang(root, data) {
  const { state, find } = root;
  root.resized.disconnect();
  const kept = new Map(state.views.map((view) => [view.film.name, view]));
  state.views = data.views.map((film) => {
    const onRegions = (regions) => (state.regions.set(film.name, regions), tell(root));
    const view = viewOf(film, { store: root.store, changed: () => root.redraw({}, [view]), onRegions, say: root.say, mayDraw: data.may_draw });
    const before = kept.get(film.name);
    if (before) view.window = before.window;
    view.rewindow(state.inverted);
    return view;
  });
  const least = state.views.map(({ film }) => film.spacing);
  const known = least.every(({ kind }) => kind !== "pixels" && kind === least[0].kind);
  const finest = Math.min(...least.map(({ row }) => row));
  state.views.forEach((view) => (view.times = known ? view.film.spacing.row / finest : 1)); // the same millimetres look the same
  const places = new Map(state.views.map((view) => [view.film.place, view.element]));
  const grid = find(".films-views");
  grid.style.gridTemplate = `repeat(${data.rows.length}, 1fr) / repeat(${data.rows[0]?.length ?? 1}, 1fr)`;
  grid.replaceChildren(...data.rows.flat().map((place) => places.get(place) ?? none(place)));
  state.active = state.views.find((view) => view.film.name === state.active?.film.name) ?? state.views[0];
  state.fitted = false;
  state.views.forEach((view) => {
    view.element.onfocus = () => activate(root, view);
    root.resized.observe(view.element);
  });
}

function none(place) {
  const element = document.createElement("div");
  element.className = "films-none";
  element.textContent = place ? `no ${place}` : "";
  return element;
}

function resize(root, entries) {
  for (const { target, devicePixelContentBoxSize: box } of entries) {
    const view = root.state.views.find(({ element }) => element === target);
    const size = box ? [box[0].inlineSize, box[0].blockSize] : [target.clientWidth, target.clientHeight].map((side) => Math.round(side * devicePixelRatio));
    if (view?.resize(...size)) root.redraw({ film: true, map: true }, [view]);
  }
  if (!root.state.fitted || root.state.fits) fit(root);
}

function frame(root) {
  const { state } = root;
  const views = root.shown().filter((view) => view.element.querySelector("canvas").width > 1);
  root.store.want(views.flatMap((view) => view.wishes(state.look.on ? root.overlayOf(view) : null)));
  for (const view of views) {
    if (view.dirty.film || view.dirty.map) view.draw(root.overlayOf(view), state.look);
    view.tell();
  }
  if (!state.painted && views.length && views.every((view) => view.level !== undefined)) {
    state.painted = Math.round(performance.now() - state.begun);
    if (root.data.tell_paint) tell(root);
  }
  tools(root);
}

function tell(root) {
  const { regions, painted } = root.state;
  root.send({ regions: Object.fromEntries(regions), painted_ms: painted ?? null });
}

function activate(root, view) {
  root.state.active = view;
  root.state.views.forEach((one) => one.element.classList.toggle("films-active", one === view && root.state.views.length > 1));
  tools(root);
}

// Zoom and place are told for each view by the distance of its middle from the chest wall (u), which is to the right in
// films of the right breast, and below the middle (v): so mirrored breasts move mirrored.
function fit(root) {
  const { state } = root;
  const views = root.shown().filter((view) => view.element.clientWidth);
  if (!views.length) return;
  const sides = (view) => [0, 1].map((side) => dotsOf(view.element) * [view.element.clientHeight, view.element.clientWidth][side]);
  const k = Math.min(...views.map((view) => Math.min(...sides(view).map((room, side) => room / (view.film.size[side] * view.times)))));
  if (!(k > 0)) return;
  for (const view of views) Object.assign(view, { k, u: sides(view)[1] / (2 * k), v: 0 });
  Object.assign(state, { fitted: true, fits: true, least: k });
  root.redraw({ film: true, map: true });
}

function pan(root, from, dx, dy) {
  for (const view of root.moved()) {
    const [most, down] = [view.film.size[1] * view.times, (view.film.size[0] * view.times) / 2];
    const wide = (dotsOf(view.element) * view.element.clientWidth) / (2 * view.k);
    view.u = Math.min(Math.max(most, wide), Math.max(0, view.u - (dx * from.outward) / from.k));
    view.v = Math.min(down, Math.max(-down, view.v - dy / from.k));
  }
  root.state.fits = false;
  root.redraw({ film: true, map: true }, root.moved());
}

// About a point of the view, in its canvas's pixels from its middle; from a fit, and without a point, about the chest wall.
function zoom(root, from, times, dx = root.state.fits ? (-from.outward * dotsOf(from.element) * from.element.clientWidth) / 2 : 0, dy = 0) {
  const within = (k) => Math.min(MOST_ZOOM, Math.max(root.state.least / 4, k));
  const share = within(from.k * times) / from.k;
  for (const view of root.moved()) {
    const own = within(view.k * share);
    view.u += dx * from.outward * (1 / view.k - 1 / own);
    view.v += dy * (1 / view.k - 1 / own);
    view.k = own;
  }
  root.state.fits = false;
  root.redraw({ film: true, map: true }, root.moved());
}

// Other films' windows change in the same proportion as this one's.
function rewindow(root, from, center, width) {
  const before = asWindow(from);
  const [shift, times] = [(center - before.center) / before.width, width / before.width];
  for (const view of root.moved()) {
    const own = asWindow(view);
    view.window = { ...own, center: own.center + shift * own.width, width: Math.max(1e-6, own.width * times), name: "set by hand" };
    view.rewindow(root.state.inverted);
  }
  root.redraw({ film: true }, root.moved());
}

// A table has no centre; the window that comes nearest to it stands in for it once somebody wants another.
function asWindow({ window, film }) {
  return window.near ? { ...window.near, name: "" } : window.width ? window : { ...film.presets.find((one) => one.width), name: "" };
}

function choosePreset(root, number) {
  for (const view of root.moved()) {
    view.window = view.film.presets[number] ?? view.film.presets[0];
    view.rewindow(root.state.inverted);
  }
  root.redraw({ film: true }, root.moved());
}

// For tests: how each film lies on its canvas, and whether all of it that is seen has come.
function readBack(root) {
  const views = () => root.state.views.map((view) => {
    const { x, y } = view.place();
    return { place: view.film.place, film: view.film.name, scale: x.scale, x: x.at, y: y.at, flip_x: x.flip, flip_y: y.flip, level: view.level, whole: view.whole };
  });
  return { views, idle: () => !root.state.frame && root.store.idle() && root.shown().every((view) => view.whole) };
}
