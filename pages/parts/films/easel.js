// The sheet over a film on which regions and rulers stand; drawn, moved and pulled by mouse and by keys.
const SVG = "http://www.w3.org/2000/svg";
const TOUCH = 5; // radius of a handle, and the shortest drag that draws, on the screen
const MOST_HANDLES = 40; // a line drawn by hand shows every so many of its points

function sheetFor({ film, element, place, onChange, say, mayDraw }) {
  const sheet = document.createElementNS(SVG, "svg");
  sheet.setAttribute("class", "films-sheet");
  element.append(sheet);
  let shapes = []; // groups are made once for each, and kept: what has the focus keeps it
  const groups = new Map();

  const toStored = (event) => {
    const [box, at, dots] = [sheet.getBoundingClientRect(), place(), dotsOf(element)];
    return [
      storedAt((event.clientX - box.left) * dots, at.x, film.size[1]),
      storedAt((event.clientY - box.top) * dots, at.y, film.size[0]),
    ];
  };
  const pixel = () => dotsOf(element) / place().x.scale; // of the screen, in those of the film
  const kept = () => shapes.filter((one) => one.shape !== "ruler").map(recordOf);
  const put = (one) => {
    const made = settled(one, film.size);
    shapes = shapes.some(({ id }) => id === one.id) ? shapes.map((other) => (other.id === one.id ? made : other)) : [...shapes, made];
    draw();
  };
  const remove = (id) => {
    const gone = shapes.find((one) => one.id === id);
    shapes = shapes.filter((one) => one.id !== id);
    draw();
    element.focus({ preventScroll: true });
    say(`${SHAPES[gone.shape].name} removed`);
    if (gone.shape !== "ruler") onChange(kept());
  };
  const finish = (id) => {
    const one = shapes.find((other) => other.id === id);
    if (!one) return;
    say(one.shape === "ruler" ? lengthOf(one, film.spacing) : named(one));
    if (one.shape !== "ruler") onChange(kept());
  };
  const named = (one) => `${SHAPES[one.shape].name} around ${SHAPES[one.shape].middle(one).map(Math.round).join(", ")}`;
  const editable = (one) => one.shape === "ruler" || mayDraw;

  const draw = () => {
    const [at, dots, [height, width]] = [place(), dotsOf(element), film.size];
    for (const [id, group] of groups) if (!shapes.some((one) => one.id === id)) group.remove(), groups.delete(id);
    const axis = ({ at: start, scale, flip }, length) => [((flip ? -1 : 1) * scale) / dots, (start + (flip ? scale * length : 0)) / dots];
    const [[sx, ox], [sy, oy]] = [axis(at.x, width), axis(at.y, height)];
    for (const one of shapes) {
      const group = groups.get(one.id) ?? groupFor(one);
      group.querySelector("g").setAttribute("transform", `matrix(${sx} 0 0 ${sy} ${ox} ${oy})`);
      group.querySelectorAll("path").forEach((path) => path.setAttribute("d", SHAPES[one.shape].path(one)));
      const label = one.shape === "ruler" ? lengthOf(one, film.spacing) : one.label ?? "";
      group.setAttribute("aria-label", `${one.shape === "ruler" ? `Ruler: ${label}` : named(one)}. ${editable(one) ? SHAPES[one.shape].does : ""}`);
      handlesOn(group, one, (x, y) => [x * sx + ox, y * sy + oy]);
      const [text, [x, y]] = [group.querySelector("text"), SHAPES[one.shape].handles(one, 0).reduce((a, b) => (b[1] * sy > a[1] * sy ? b : a))];
      text.textContent = label;
      text.setAttribute("x", x * sx + ox);
      text.setAttribute("y", y * sy + oy + 18);
    }
  };

  const handlesOn = (group, one, seen) => {
    const all = editable(one) ? SHAPES[one.shape].handles(one, 4 * TOUCH * pixel()) : [];
    const every = Math.ceil(all.length / MOST_HANDLES);
    const shown = all.map((point, number) => [number, seen(...point)]).filter(([number]) => number % every === 0 || number === one.at);
    const circles = [...group.querySelectorAll("circle")];
    while (circles.length < shown.length) circles.push(group.appendChild(document.createElementNS(SVG, "circle")));
    circles.splice(shown.length).forEach((circle) => circle.remove());
    shown.forEach(([number, [x, y]], index) => {
      for (const [name, value] of Object.entries({ cx: x, cy: y, r: TOUCH, "data-handle": number })) circles[index].setAttribute(name, value);
      circles[index].classList.toggle("films-chosen", number === one.at);
    });
  };

  const groupFor = (one) => {
    const group = document.createElementNS(SVG, "g");
    group.innerHTML = '<g><path class="films-under"/><path class="films-over"/></g><text/>';
    Object.entries({ role: "application", tabindex: "0", class: `films-shape films-${one.shape}` }).forEach((pair) => group.setAttribute(...pair));
    group.onkeydown = (event) => onKey(event, one.id);
    group.onpointerdown = (event) => event.button === 0 && drag(event, one.id);
    groups.set(one.id, group);
    sheet.append(group);
    return group;
  };

  const following = (event, move, end) => {
    event.preventDefault();
    event.stopPropagation();
    sheet.setPointerCapture(event.pointerId);
    sheet.onpointermove = move;
    sheet.onpointerup = sheet.onpointercancel = () => ((sheet.onpointermove = sheet.onpointerup = sheet.onpointercancel = null), end());
  };

  const drag = (begun, id) => {
    const before = shapes.find((one) => one.id === id);
    groups.get(id).focus({ preventScroll: true });
    if (!editable(before)) return begun.stopPropagation();
    const [[x0, y0], handle] = [toStored(begun), begun.target.dataset?.handle];
    following(begun, (event) => {
      const [x, y] = toStored(event);
      const kind = SHAPES[before.shape];
      put(handle === undefined ? kind.moved(before, x - x0, y - y0) : kind.pulled(before, Number(handle), x, y));
    }, () => finish(id));
  };

  const onKey = (event, id) => {
    const one = shapes.find((other) => other.id === id);
    const kind = SHAPES[one.shape];
    const [sx, sy] = [place().x.flip ? -1 : 1, place().y.flip ? -1 : 1];
    const step = event.altKey ? 1 : Math.max(1, Math.round(4 * pixel()));
    const [x, y] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] ?? [0, 0];
    const page = { PageUp: -1, PageDown: 1 }[event.key] ?? 0;
    const gone = event.key === "Delete" || event.key === "Backspace";
    if (!editable(one) || !(x || y || page || gone)) return;
    event.preventDefault();
    event.stopPropagation();
    if (gone) return remove(id);
    if (page && kind.turned) put(kind.turned(one, TURN * page * sx * sy));
    else if (page && one.points) return put({ ...one, at: ((one.at ?? -1) + page + one.points.length) % one.points.length });
    else if (event.ctrlKey && one.points) put(kind.pulled(one, one.at ?? 0, ...[0, 1].map((axis) => one.points[one.at ?? 0][axis] + [x * sx, y * sy][axis])));
    else if (event.shiftKey) put(kind.grown(one, one.shape === "ruler" ? x * sx : x, one.shape === "ruler" ? y * sy : y));
    else put(kind.moved(one, x * sx, y * sy));
    finish(id);
  };

  // One drawn by a drag from here on; a drag too short to be meant draws nothing.
  const begin = (event, shape, done) => {
    const [[x0, y0], id, points] = [toStored(event), crypto.randomUUID(), [toStored(event)]];
    following(event, (moved) => {
      const [x, y] = toStored(moved);
      points.push([x, y]);
      if (Math.hypot(x - x0, y - y0) < TOUCH * pixel()) return;
      put({ id, shape, ...(shape === "freehand" ? { points: thinned(points, 2 * pixel()) } : SHAPES[shape].between(x0, y0, x, y)) });
    }, () => (done(), finish(id), groups.get(id)?.focus({ preventScroll: true })));
  };

  // One in the middle of what is seen, for keys to move.
  const middle = (shape) => {
    const [at, id, dots] = [place(), crypto.randomUUID(), dotsOf(element)];
    const x = storedAt((element.clientWidth * dots) / 2, at.x, film.size[1]);
    const y = storedAt((element.clientHeight * dots) / 2, at.y, film.size[0]);
    const half = 40 * pixel();
    put({ id, shape, ...SHAPES[shape].between(x - half, shape === "ruler" ? y : y - half, x + half, shape === "ruler" ? y : y + half) });
    groups.get(id).focus({ preventScroll: true });
    finish(id);
  };

  return {
    draw,
    begin,
    middle,
    hang: (given) => (shapes = [...given.map(shapeFrom), ...shapes.filter((one) => one.shape === "ruler")]),
    shapes: () => shapes,
  };
}
