// What can be drawn on a film, in pixels of its stored grid, as annotations/shapes.py has its ellipse: `angle`, in
// degrees, turns the half-axis rx from the x axis towards the y axis.  A ruler is drawn like a region, and kept nowhere.
const LEAST = 0.5; // of a half-axis, in pixels
const TURN = 5;
const rounded = (value) => Math.round(value * 100) / 100;

function turned(x, y, angle) {
  const turn = (angle * Math.PI) / 180;
  return [x * Math.cos(turn) - y * Math.sin(turn), x * Math.sin(turn) + y * Math.cos(turn)];
}

const ELLIPSE = {
  name: "Ellipse",
  between: (x0, y0, x1, y1) =>
    ({ cx: (x0 + x1) / 2, cy: (y0 + y1) / 2, rx: Math.max(LEAST, Math.abs(x1 - x0) / 2), ry: Math.max(LEAST, Math.abs(y1 - y0) / 2), angle: 0 }),
  middle: ({ cx, cy }) => [cx, cy],
  moved: (one, dx, dy) => ({ ...one, cx: one.cx + dx, cy: one.cy + dy }),
  grown: (one, dx, dy) => ({ ...one, rx: Math.max(LEAST, one.rx + dx), ry: Math.max(LEAST, one.ry + dy) }),
  turned: (one, degrees) => ({ ...one, angle: ((((one.angle + degrees + 180) % 360) + 360) % 360) - 180 }),
  handles: ({ cx, cy, rx, ry, angle }, reach) =>
    [[rx, 0], [0, ry], [-rx, 0], [0, -ry], [0, -ry - reach]].map(([x, y]) => turned(x, y, angle)).map(([x, y]) => [cx + x, cy + y]),
  pulled: (one, handle, x, y) => {
    const [dx, dy] = [x - one.cx, y - one.cy];
    if (handle === 4) return ELLIPSE.turned({ ...one, angle: 0 }, (Math.atan2(dy, dx) * 180) / Math.PI + 90);
    const [along, across] = turned(dx, dy, -one.angle);
    return handle % 2 ? { ...one, ry: Math.max(LEAST, Math.abs(across)) } : { ...one, rx: Math.max(LEAST, Math.abs(along)) };
  },
  // Four quarters: of a half, single precision leaves the middle uncertain by a thousandth of the radius.
  path: (one) => {
    const [start, ...others] = ELLIPSE.handles(one, 0).slice(0, 4);
    const arcs = [...others, start].map(([x, y]) => `A ${one.rx} ${one.ry} ${one.angle} 0 1 ${x} ${y}`);
    return `M ${start.join(" ")} ${arcs.join(" ")} Z`;
  },
  does: "Arrow keys move it; with Shift they change its width and height; Page up and down turn it; Delete removes it.",
};

const BOX = {
  name: "Box",
  between: (x0, y0, x1, y1) =>
    ({ x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.max(2 * LEAST, Math.abs(x1 - x0)), height: Math.max(2 * LEAST, Math.abs(y1 - y0)) }),
  middle: ({ x, y, width, height }) => [x + width / 2, y + height / 2],
  moved: (one, dx, dy) => ({ ...one, x: one.x + dx, y: one.y + dy }),
  grown: (one, dx, dy) => ({ ...one, width: Math.max(2 * LEAST, one.width + dx), height: Math.max(2 * LEAST, one.height + dy) }),
  handles: ({ x, y, width, height }) => [[x, y], [x + width, y], [x + width, y + height], [x, y + height]],
  pulled: (one, handle, x, y) => {
    const [fixedX, fixedY] = BOX.handles(one)[(handle + 2) % 4];
    return { ...one, ...BOX.between(fixedX, fixedY, x, y) };
  },
  path: ({ x, y, width, height }) => `M ${x} ${y} h ${width} v ${height} h ${-width} Z`,
  does: "Arrow keys move it; with Shift they change its width and height; Delete removes it.",
};

// Points that are joined in a closed line; `at` names the one that keys move, and is not kept.
const FREEHAND = {
  name: "Freehand region",
  between: (x0, y0, x1, y1) => {
    const [rx, ry] = [(x1 - x0) / 2, (y1 - y0) / 2];
    return { points: Array.from({ length: 8 }, (_, one) => turned(1, 0, 45 * one)).map(([x, y]) => [x0 + rx + rx * x, y0 + ry + ry * y]) };
  },
  middle: ({ points }) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length),
  moved: (one, dx, dy) => ({ ...one, points: one.points.map(([x, y]) => [x + dx, y + dy]) }),
  grown: (one, dx, dy) => {
    const middle = FREEHAND.middle(one);
    const half = [0, 1].map((axis) => Math.max(1, ...one.points.map((point) => Math.abs(point[axis] - middle[axis]))));
    const times = [Math.max(0.1, 1 + dx / half[0]), Math.max(0.1, 1 + dy / half[1])];
    return { ...one, points: one.points.map((point) => point.map((value, axis) => middle[axis] + (value - middle[axis]) * times[axis])) };
  },
  handles: ({ points }) => points,
  pulled: (one, handle, x, y) => ({ ...one, points: one.points.map((point, number) => (number === handle ? [x, y] : point)) }),
  path: ({ points }) => `M ${points.map((point) => point.join(" ")).join(" L ")} Z`,
  does: "Arrow keys move it; with Shift they change its width and height; Page up and down choose a point, which Ctrl and arrow keys move; Delete removes it.",
};

const RULER = {
  name: "Ruler",
  between: (x0, y0, x1, y1) => ({ ends: [[x0, y0], [x1, y1]] }),
  middle: ({ ends: [a, b] }) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2],
  moved: (one, dx, dy) => ({ ...one, ends: one.ends.map(([x, y]) => [x + dx, y + dy]) }),
  grown: (one, dx, dy) => ({ ...one, ends: [one.ends[0], [one.ends[1][0] + dx, one.ends[1][1] + dy]] }),
  handles: ({ ends }) => ends,
  pulled: (one, handle, x, y) => ({ ...one, ends: one.ends.map((end, number) => (number === handle ? [x, y] : end)) }),
  path: ({ ends }) => `M ${ends[0].join(" ")} L ${ends[1].join(" ")}`,
  does: "Arrow keys move it; with Shift they move its second end; Delete removes it.",
};

const SHAPES = { ellipse: ELLIPSE, box: BOX, freehand: FREEHAND, ruler: RULER };

// Points of a line drawn by hand, fewer than were heard: none nearer than `apart` to the one before it.
function thinned(points, apart) {
  const kept = [points[0]];
  for (const point of points) if (Math.hypot(point[0] - kept.at(-1)[0], point[1] - kept.at(-1)[1]) >= apart) kept.push(point);
  return kept;
}

// Inside the film, in hundredths of a pixel.
function settled(one, [height, width]) {
  const within = (value, most) => Math.min(most, Math.max(0, value));
  const put = (points) => points.map(([x, y]) => [rounded(within(x, width)), rounded(within(y, height))]);
  const kind = SHAPES[one.shape];
  if (one.points) return { ...one, points: put(one.points) };
  if (one.ends) return { ...one, ends: put(one.ends) };
  if (one.shape === "box") {
    const made = { ...one, width: Math.min(one.width, width), height: Math.min(one.height, height) };
    const [x, y] = [within(made.x, width - made.width), within(made.y, height - made.height)];
    return { ...made, x: rounded(x), y: rounded(y), width: rounded(made.width), height: rounded(made.height) };
  }
  const [cx, cy] = kind.middle(one);
  const made = { ...one, cx: within(cx, width), cy: within(cy, height), rx: Math.min(one.rx, width), ry: Math.min(one.ry, height) };
  for (const name of ["cx", "cy", "rx", "ry", "angle"]) made[name] = rounded(made[name]);
  return made;
}

// What a ruler says: millimetres only where the film tells them, and of which plane they are.
function lengthOf({ ends: [a, b] }, { row, column, kind }) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  if (kind === "pixels") return `${Math.hypot(dx, dy).toFixed(1)} pixels (no millimetres are known)`;
  const length = `${Math.hypot(dx * column, dy * row).toFixed(1)} mm`;
  return { calibrated: `${length}, calibrated`, body: `≈ ${length}, estimated in the breast`, detector: `${length} at the detector; smaller in the breast` }[kind];
}

// As explain_core/shapes.py records a shape, under its name, with its id beside it; and back.
function recordOf({ id, shape, x, y, width, height, points, cx, cy, rx, ry, angle }) {
  if (shape === "box") return { id, box: { left: x, top: y, right: rounded(x + width), bottom: rounded(y + height) } };
  return { id, [shape]: shape === "freehand" ? { points } : { cx, cy, rx, ry, angle } };
}

function shapeFrom({ id, label, ellipse, box, freehand }) {
  if (ellipse) return { id, label, shape: "ellipse", ...ellipse };
  if (freehand) return { id, label, shape: "freehand", points: freehand.points };
  return { id, label, shape: "box", x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top };
}
