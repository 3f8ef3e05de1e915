// Tiles of 16-bit pixels: fetched most urgent first, a few at once, kept while there is room, given up when nobody
// waits for them any more.
const MOST_BYTES = 192 * 2 ** 20;
const AT_ONCE = 6;
const AGAIN_MS = 2000;

function tileStore({ onTile, onTrouble }) {
  const [kept, underWay, failed] = [new Map(), new Map(), new Map()]; // the longest unused first
  let [bytes, wanted, waiting] = [0, [], null];

  const key = ({ raster, level, row, column }) => `${raster.id}/${level}/${row}/${column}`;

  const get = (raster, level, row, column) => {
    const name = key({ raster, level, row, column });
    const tile = kept.get(name);
    if (tile) kept.delete(name), kept.set(name, tile);
    return tile;
  };

  const keep = (name, tile) => {
    kept.set(name, tile);
    bytes += tile.byteLength;
    for (const [oldest, other] of kept) {
      if (bytes <= MOST_BYTES || oldest === name) break;
      kept.delete(oldest);
      bytes -= other.byteLength;
    }
  };

  const fetchTile = async (one) => {
    const [name, stop] = [key(one), new AbortController()];
    underWay.set(name, stop);
    try {
      const answer = await fetch(`${one.raster.address}/${one.level}/${one.row}/${one.column}`, { signal: stop.signal });
      if (!answer.ok) throw new Error(await answer.text());
      keep(name, new Uint16Array(await answer.arrayBuffer()));
      failed.delete(name);
      onTile(one);
    } catch (error) {
      if (stop.signal.aborted) return;
      failed.set(name, performance.now());
      onTrouble(error instanceof TypeError ? "Some pixels did not come; trying again." : error.message);
      waiting ??= setTimeout(() => ((waiting = null), next()), AGAIN_MS + 50);
    } finally {
      if (underWay.get(name) === stop) underWay.delete(name);
      next();
    }
  };

  const rests = (name) => performance.now() - (failed.get(name) ?? -Infinity) < AGAIN_MS;
  const next = () => {
    for (const one of wanted) {
      if (underWay.size >= AT_ONCE) return;
      const name = key(one);
      if (!kept.has(name) && !underWay.has(name) && !rests(name)) fetchTile(one);
    }
  };

  return {
    get,
    want: (list) => {
      wanted = list;
      const names = new Set(list.map(key));
      underWay.forEach((stop, name) => names.has(name) || (underWay.delete(name), stop.abort()));
      next();
    },
    idle: () => underWay.size === 0 && wanted.every((one) => kept.has(key(one))),
    stop: () => (clearTimeout(waiting), (wanted = []), underWay.forEach((stop) => stop.abort())),
  };
}

// Which tiles of a level lie under a box [left, top, right, bottom] of it.
function tilesUnder(raster, level, [left, top, right, bottom]) {
  const [[height, width], side] = [raster.levels[level], raster.tile];
  const last = (end, length) => Math.min(Math.ceil(length / side), Math.ceil(end / side)) - 1;
  const first = (start, end) => Math.max(0, Math.min(end, Math.floor(start / side)));
  const [right_, bottom_] = [Math.max(0, last(right, width)), Math.max(0, last(bottom, height))];
  return { left: first(left, right_), top: first(top, bottom_), right: right_, bottom: bottom_ };
}

// The same, with the whole picture at its smallest first, then the nearest to the middle first.
function urgency(raster, level, { left, top, right, bottom }) {
  const [middle, list] = [[(top + bottom) / 2, (left + right) / 2], []];
  for (let row = top; row <= bottom; row++) for (let column = left; column <= right; column++) list.push({ raster, level, row, column });
  list.sort((a, b) => Math.hypot(a.row - middle[0], a.column - middle[1]) - Math.hypot(b.row - middle[0], b.column - middle[1]));
  return [{ raster, level: raster.levels.length - 1, row: 0, column: 0 }, ...list];
}

// The part of a level that is looked at, in one piece.  Where a tile is not there yet, a coarser one stands in for it;
// null while there is none at all.  `before` is given back as it is where nothing has come since.
function planeOf(store, raster, level, under, before, arrivals) {
  const where = [raster.id, level, under.left, under.top, under.right, under.bottom].join();
  if (before?.where === where && (before.complete || before.arrivals === arrivals)) return before;
  const [[height, width], side] = [raster.levels[level], raster.tile];
  const [left, top] = [under.left * side, under.top * side];
  const plane = { where, level, left, top, arrivals, complete: true };
  plane.width = Math.min(width, (under.right + 1) * side) - left;
  plane.height = Math.min(height, (under.bottom + 1) * side) - top;
  const room = before?.data.buffer;
  const length = plane.width * plane.height;
  plane.data = room && room.byteLength >= 2 * length ? new Uint16Array(room, 0, length) : new Uint16Array(length);
  for (let row = under.top; row <= under.bottom; row++) {
    for (let column = under.left; column <= under.right; column++) {
      const tile = store.get(raster, level, row, column);
      if (tile) copyTile(plane, tile, row * side, column * side, side);
      else if (standIn(plane, store, raster, row, column)) plane.complete = false;
      else return null;
    }
  }
  return plane;
}

function copyTile(plane, tile, top, left, side) {
  const width = Math.min(side, plane.left + plane.width - left);
  for (let row = 0; row * width < tile.length; row++) {
    plane.data.set(tile.subarray(row * width, (row + 1) * width), (top - plane.top + row) * plane.width + left - plane.left);
  }
}

function standIn(plane, store, raster, row, column) {
  const side = raster.tile;
  for (let up = 1; plane.level + up < raster.levels.length; up++) {
    const tile = store.get(raster, plane.level + up, row >> up, column >> up);
    if (!tile) continue;
    const [x0, y0] = [(column >> up) * side, (row >> up) * side];
    const width = Math.min(side, raster.levels[plane.level + up][1] - x0);
    const bottom = Math.min((row + 1) * side, plane.top + plane.height);
    const right = Math.min((column + 1) * side, plane.left + plane.width);
    for (let y = row * side; y < bottom; y++) {
      const [from, to] = [((y >> up) - y0) * width - x0, (y - plane.top) * plane.width - plane.left];
      for (let x = column * side; x < right; x++) plane.data[to + x] = tile[from + (x >> up)];
    }
    return true;
  }
  return false;
}
