// One view: a film on two canvases, its explanation on the upper one, a sheet to draw on, and what stands in its corners.
const LENS = 220; // side of the magnifier, on the screen
const OUTLINE = 0xff00d4ff; // ABGR

const dotsOf = (element) => element.querySelector("canvas").width / element.clientWidth || 1;

function viewOf(film, { store, changed, onRegions, say, mayDraw }) {
  const element = document.createElement("div");
  element.className = `films-view films-${film.side === "R" ? "right" : "left"}`;
  element.tabIndex = 0;
  element.dataset.place = film.place;
  element.setAttribute("role", "application");
  element.innerHTML = `<canvas aria-hidden="true"></canvas><canvas aria-hidden="true" class="films-over-film"></canvas>
    <p class="films-marker"></p><p class="films-facts"></p><canvas aria-hidden="true" class="films-lens" hidden></canvas>`;
  const [canvas, above, lens] = element.querySelectorAll("canvas");
  const contexts = [canvas, above, lens].map((one) => one.getContext("2d", { willReadFrequently: true }));
  const view = { film, element, outward: film.side === "R" ? -1 : 1, k: 0, u: 0, v: 0, times: 1, arrivals: 0, dirty: { film: true, map: true } };
  view.modality = modalityOf(film);
  view.window = film.presets[0];
  const planes = { film: null, map: null, lens: null };

  // How the picture lies on a canvas of this size; `zoom` and `middle` as the magnifier has them.
  view.place = (width = canvas.width, height = canvas.height, zoom = 1, middle = null) => {
    const [[h, w], scale] = [film.size, view.k * view.times];
    const [flipX, flipY] = [film.mirror !== (film.turn === 180), film.turn === 180];
    const x = view.outward < 0 ? w - view.u / view.times : view.u / view.times;
    const y = h / 2 + view.v / view.times;
    const hung = middle ?? [x, y];
    const at = (length, point) => Math.round(length / 2 - scale * zoom * point);
    return { x: { at: at(width, hung[0]), scale: scale * zoom, flip: flipX }, y: { at: at(height, hung[1]), scale: scale * zoom, flip: flipY } };
  };
  view.sheet = sheetFor({ film, element, place: () => view.place(), onChange: onRegions, say, mayDraw });

  // Which part of a raster's level is seen, in pixels of the level.
  const under = (raster, level, at, width, height, [x, y, across, down]) => {
    const [h, w] = film.size;
    const ends = ([count, axis, length, start, own, inFilm]) =>
      [0, count].map((pixel) => ((storedAt(pixel, axis, length) - start) * own) / inFilm / 2 ** level).sort((a, b) => a - b);
    const [left, right] = ends([width, at.x, w, x, raster.size[1], across]);
    const [top, bottom] = ends([height, at.y, h, y, raster.size[0], down]);
    return tilesUnder(raster, level, [left - 1, top - 1, right + 1, bottom + 1]);
  };
  const whole = [0, 0, film.size[1], film.size[0]];
  const levelOf = (raster, at) => levelAt(raster, (at.x.scale * (raster.box ?? whole)[2]) / raster.size[1]);
  const seen = (raster, at, width, height) => {
    const level = levelOf(raster, at);
    return [level, under(raster, level, at, width, height, raster.box ?? whole)];
  };

  // What is needed for what is looked at, most urgent first.
  view.wishes = (overlay) => {
    const at = view.place();
    const list = [film, ...(overlay ? [overlay] : [])].flatMap((raster) => urgency(raster, ...seen(raster, at, canvas.width, canvas.height)));
    if (view.lens) list.push(...urgency(film, ...seen(film, view.lensPlace(), lens.width, lens.height)));
    return list;
  };

  view.rewindow = (inverted) => {
    view.greys = greysOf(film, view.modality, view.window, inverted);
    view.dirty.film = true;
  };

  const paint = (context, draw) => {
    const { width, height } = context.canvas;
    if (!context.kept || context.kept.width !== width || context.kept.height !== height) {
      context.kept = context.createImageData(width, height);
      context.numbers = new Uint32Array(context.kept.data.buffer);
    }
    draw(context.numbers, width, height);
    context.putImageData(context.kept, 0, 0);
  };
  const plane = (name, raster, at, width, height) => {
    const [level, tiles] = seen(raster, at, width, height);
    return (planes[name] = planeOf(store, raster, level, tiles, planes[name], view.arrivals));
  };

  view.draw = (overlay, look) => {
    const at = view.place();
    if (!canvas.width || !canvas.height) return;
    if (view.dirty.film) {
      paint(contexts[0], (out, width, height) => drawFilm(out, width, height, at, film, plane("film", film, at, width, height), view.greys));
      view.level = planes.film?.level;
      view.whole = planes.film?.complete ?? false;
      if (view.lens) drawLens();
    }
    if (view.dirty.map) {
      above.hidden = !overlay || !look.on;
      above.style.opacity = look.outline ? 1 : look.opacity;
      if (!above.hidden) paint(contexts[1], (out, width, height) =>
        drawMap(out, width, height, at, film, overlay, plane("map", overlay, at, width, height), overlay.colours, look.outline ? look.threshold * 65535 : null, OUTLINE));
    }
    view.sheet.draw();
    view.dirty = { film: false, map: false };
  };

  // The magnifier: twice what is seen, at least 1:1, around a point of the canvas.
  view.lensPlace = () => {
    const [at, zoom] = [view.place(), Math.max(2, 1 / (view.k * view.times))];
    const hung = [(view.lens[0] - at.x.at) / at.x.scale, (view.lens[1] - at.y.at) / at.y.scale];
    return view.place(lens.width, lens.height, zoom, hung);
  };
  const drawLens = () => {
    const at = view.lensPlace();
    paint(contexts[2], (out, width, height) => drawFilm(out, width, height, at, film, plane("lens", film, at, width, height), view.greys));
  };
  view.magnify = (point) => {
    view.lens = point;
    lens.hidden = !point;
    if (!point) return;
    const dots = dotsOf(element);
    lens.width = lens.height = Math.round(LENS * dots);
    lens.style.left = `${point[0] / dots - LENS / 2}px`;
    lens.style.top = `${point[1] / dots - LENS / 2}px`;
    view.dirty.film = true;
    changed();
  };

  view.resize = (width, height) => {
    if (canvas.width === width && canvas.height === height) return false;
    canvas.width = above.width = width;
    canvas.height = above.height = height;
    view.dirty = { film: true, map: true };
    return true;
  };

  view.tell = () => {
    const zoom = `${(100 * view.k * view.times).toPrecision(3).replace(/\.0+$/, "")} %`;
    const { name, center, width, function: kind } = view.window;
    const shown = center === undefined ? `${name}, a table` : `C ${rounded(center)} W ${rounded(width)} ${kind}${name ? `, ${name}` : ""}`;
    const hung = [film.mirror ? "mirrored" : "", film.turn ? "turned by 180°" : ""].filter(Boolean).join(", ") || "not mirrored";
    element.querySelector(".films-marker").textContent = film.label;
    element.querySelector(".films-facts").textContent = [...film.notes, `${film.name}${film.date ? `, ${film.date}` : ""}`, `${shown}; zoom ${zoom}; ${hung}`].join("\n");
    element.setAttribute("aria-label", `${film.label}, film ${film.name}. ${[...film.notes, shown, `zoom ${zoom}`, hung].join(", ")}`);
  };
  view.sheet.hang(film.regions);
  return view;
}
