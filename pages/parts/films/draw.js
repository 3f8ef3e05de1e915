// From planes to pixels of a canvas, row by row: canvas = at + scale * hung, where hung is the stored grid as the film
// hangs, mirrored or turned.  Below 1:1 four neighbours are mixed, after the window; from 1:1 on the nearest stands as it is.
const BLACK = 0xff000000;

const shrinks = (scale) => scale < 0.9999;
const levelAt = (raster, scale) => Math.min(raster.levels.length - 1, Math.max(0, Math.floor(Math.log2(1 / scale) + 1e-6)));

// From a canvas's pixels to coordinates of the stored grid, and back.  `length` of the film in this direction.
const storedAt = (canvas, { at, scale, flip }, length) => (flip ? length - (canvas - at) / scale : (canvas - at) / scale);
const canvasAt = (stored, { at, scale, flip }, length) => at + scale * (flip ? length - stored : stored);

// For each pixel of the canvas in one direction: which pixel of the plane, which after it, and how much of that one, of
// 256.  `raster` gives {start, step, length}: where in the film it begins, film pixels to one of its own, and how many.
function steps(count, axis, film, level, raster, plane, mixed) {
  const [near, next, part] = [new Int32Array(count), new Int32Array(count), new Int32Array(count)];
  let [from, to] = [count, 0];
  for (let pixel = 0; pixel < count; pixel++) {
    const inside = (storedAt(pixel + 0.5, axis, film) - raster.start) / raster.step;
    if (!(inside >= 0 && inside < raster.length)) continue;
    from = Math.min(from, pixel);
    to = pixel + 1;
    const place = inside / 2 ** level - (mixed ? 0.5 : 0);
    const first = Math.floor(place);
    const within = (one) => Math.min(plane.count - 1, Math.max(0, one - plane.start));
    near[pixel] = within(first);
    next[pixel] = within(first + 1);
    part[pixel] = mixed ? Math.round(256 * (place - first)) : 0;
  }
  return { near, next, part, from, to };
}

function stepsOf(width, height, at, size, plane, box, of, mixed) {
  const [x, y, across, down] = box ?? [0, 0, size[1], size[0]];
  const along = (count, axis, film, start, length, own, planeStart, planeCount) =>
    steps(count, axis, film, plane.level, { start, step: length / own, length: own }, { start: planeStart, count: planeCount }, mixed);
  return [
    along(width, at.x, size[1], x, across, of[1], plane.left, plane.width),
    along(height, at.y, size[0], y, down, of[0], plane.top, plane.height),
  ];
}

// A film's greys into `out`, one 32-bit number for each pixel of the canvas.
function drawFilm(out, width, height, at, film, plane, greys) {
  out.fill(BLACK);
  if (!plane) return;
  const mixed = shrinks(at.x.scale);
  const [across, down] = stepsOf(width, height, at, film.size, plane, null, film.size, mixed);
  const { data, width: row } = plane;
  const { near, next, part, from, to } = across;
  for (let y = down.from; y < down.to; y++) {
    const [upper, lower, share] = [down.near[y] * row, down.next[y] * row, down.part[y]];
    let o = y * width + from;
    if (mixed) {
      for (let x = from; x < to; x++) { // plain numbers only: this is where the time goes
        const a = greys[data[upper + near[x]]];
        const c = greys[data[lower + near[x]]];
        const top = (a << 8) + (greys[data[upper + next[x]]] - a) * part[x];
        const bottom = (c << 8) + (greys[data[lower + next[x]]] - c) * part[x];
        out[o++] = BLACK | ((((top << 8) + (bottom - top) * share + 32768) >> 16) * 0x010101);
      }
    } else {
      for (let x = from; x < to; x++) out[o++] = BLACK | (greys[data[upper + near[x]]] * 0x010101);
    }
  }
}

// An explanation's map in colours (256 numbers of 32 bits); as an outline, only where it rises to `threshold`, in colour `line`.
function drawMap(out, width, height, at, film, overlay, plane, colours, threshold, line) {
  out.fill(0);
  if (!plane) return;
  const [across, down] = stepsOf(width, height, at, film.size, plane, overlay.box, overlay.size, false);
  const { near, from, to } = across;
  const strength = overlay.signed ? (value) => Math.abs(2 * value - 65535) : (value) => value;
  const inside = threshold === null ? null : new Uint8Array(width * height);
  for (let y = down.from; y < down.to; y++) {
    const upper = down.near[y] * plane.width;
    let o = y * width + from;
    if (inside) for (let x = from; x < to; x++, o++) inside[o] = strength(plane.data[upper + near[x]]) >= threshold ? 1 : 0;
    else for (let x = from; x < to; x++) out[o++] = colours[plane.data[upper + near[x]] >> 8];
  }
  if (!inside) return;
  for (let y = 2; y < height - 2; y++) {
    for (let o = y * width + 2; o < (y + 1) * width - 2; o++) {
      if (!inside[o]) continue;
      const all = inside[o - 1] & inside[o + 1] & inside[o - 2] & inside[o + 2];
      if (!(all & inside[o - width] & inside[o + width] & inside[o - 2 * width] & inside[o + 2 * width])) out[o] = line;
    }
  }
}
