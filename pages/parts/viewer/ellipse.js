// One ellipse over an item's pictures, in pixels of the original, as annotations/shapes.py has it: `angle`, in degrees,
// turns the half-axis rx from the x axis towards the y axis.  All pictures show it; whichever is drawn on changes it.
const LEAST = 0.5; // of a half-axis, in pixels
const TOUCH = 6; // radius of a handle, and the shortest drag that draws, on the screen
const TURN = 5;
const SVG = "http://www.w3.org/2000/svg";
const HANDLES = { e: [1, 0], s: [0, 1], w: [-1, 0], n: [0, -1], turn: [0, -1] };
const DOES = "Arrow keys move it; with Shift they change its width and height; Page up and down turn it; Delete removes it.";

function easel() {
  let drawn = null;
  let size = { width: 1, height: 1 };
  let sheets = [];

  const within = (value, least, most) => Math.min(most, Math.max(least, value));
  const pixel = () => size.width / (sheets[0]?.getBoundingClientRect().width || size.width); // of the screen, in those of the picture
  const along = (x, y, angle) => {
    const turn = (angle * Math.PI) / 180;
    return [x * Math.cos(turn) - y * Math.sin(turn), x * Math.sin(turn) + y * Math.cos(turn)];
  };

  const set = (ellipse) => {
    drawn = ellipse && {
      cx: within(ellipse.cx, 0, size.width),
      cy: within(ellipse.cy, 0, size.height),
      rx: within(ellipse.rx, LEAST, size.width),
      ry: within(ellipse.ry, LEAST, size.height),
      angle: ((((ellipse.angle + 180) % 360) + 360) % 360) - 180,
    };
    for (const name in drawn ?? {}) drawn[name] = Math.round(drawn[name] * 100) / 100;
    sheets.forEach(put);
  };

  const put = (sheet) => {
    const group = sheet.querySelector("g");
    group.style.display = drawn ? "" : "none";
    if (!drawn) return;
    const { cx, cy, rx, ry, angle } = drawn;
    group.setAttribute("transform", `translate(${cx} ${cy}) rotate(${angle})`);
    group.setAttribute("aria-label", `Ellipse around ${Math.round(cx)}, ${Math.round(cy)}. ${DOES}`);
    group.querySelectorAll("ellipse").forEach((one) => (one.setAttribute("rx", rx), one.setAttribute("ry", ry)));
    group.querySelectorAll("circle").forEach((one) => {
      const [x, y] = HANDLES[one.dataset.handle];
      one.setAttribute("cx", x * rx);
      one.setAttribute("cy", y * (ry + (one.dataset.handle === "turn" ? 4 * TOUCH * pixel() : 0)));
      one.setAttribute("r", TOUCH * pixel());
    });
  };

  const sheetOn = (frame, number) => {
    const sheet = document.createElementNS(SVG, "svg");
    sheet.setAttribute("class", "ellipse");
    sheet.innerHTML = `<g role="application" ${number ? 'aria-hidden="true"' : 'tabindex="0"'}>
      <ellipse class="ellipse-under"/><ellipse class="ellipse-over"/>
      ${Object.keys(HANDLES).map((name) => `<circle data-handle="${name}"/>`).join("")}</g>`;
    frame.append(sheet);
    sheet.onpointerdown = (event) => event.button === 0 && drag(sheet, event);
    sheet.querySelector("g").onkeydown = onKey;
    return sheet;
  };

  const drag = (sheet, begun) => {
    const at = (event) => {
      const box = sheet.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * size.width, ((event.clientY - box.top) / box.height) * size.height];
    };
    const [before, [x0, y0]] = [drawn, at(begun)];
    const what = begun.target.dataset.handle ?? (begun.target.tagName === "ellipse" ? "move" : "new");
    begun.preventDefault();
    sheet.setPointerCapture(begun.pointerId);
    sheet.onpointermove = (event) => {
      const [x, y] = at(event);
      if (what === "move") return set({ ...before, cx: before.cx + x - x0, cy: before.cy + y - y0 });
      if (what !== "new") return set(handled(what, before, x - before.cx, y - before.cy));
      const [[left, right], [top, bottom]] = [[x0, within(x, 0, size.width)], [y0, within(y, 0, size.height)]].map(sorted);
      const large = Math.min(right - left, bottom - top) >= TOUCH * pixel();
      set(large ? { cx: (left + right) / 2, cy: (top + bottom) / 2, rx: (right - left) / 2, ry: (bottom - top) / 2, angle: 0 } : before);
    };
    sheet.onpointercancel = () => (set(before), done());
    sheet.onpointerup = () => (done(), drawn && focus());
    const done = () => (sheet.onpointermove = sheet.onpointerup = sheet.onpointercancel = null);
  };

  const sorted = (pair) => pair.sort((a, b) => a - b);

  const handled = (what, before, dx, dy) => {
    if (what === "turn") return { ...before, angle: (Math.atan2(dy, dx) * 180) / Math.PI + 90 };
    const [x, y] = along(dx, dy, -before.angle);
    return what === "e" || what === "w" ? { ...before, rx: Math.abs(x) } : { ...before, ry: Math.abs(y) };
  };

  const onKey = (event) => {
    const step = Math.max(1, Math.round(size.width / 100));
    const [x, y] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] ?? [0, 0];
    const turn = { PageUp: -TURN, PageDown: TURN }[event.key] ?? 0;
    const gone = event.key === "Delete" || event.key === "Backspace";
    if (!drawn || !(x || y || turn || gone)) return;
    event.preventDefault();
    event.stopPropagation();
    const { cx, cy, rx, ry, angle } = drawn;
    if (gone) set(null);
    else if (event.shiftKey) set({ ...drawn, rx: rx + x, ry: ry + y });
    else set({ ...drawn, cx: cx + x, cy: cy + y, angle: angle + turn });
  };

  // Where there is none yet, one in the middle, for keys to move.
  const focus = () => {
    const { width, height } = size;
    if (!drawn) set({ cx: width / 2, cy: height / 2, rx: width / 6, ry: height / 6, angle: 0 });
    sheets[0]?.querySelector("g").focus({ preventScroll: true });
  };

  return {
    set,
    focus,
    shapes: () => (drawn ? { ellipse: drawn } : {}),
    hang: (frames) => (sheets = frames.map(sheetOn)),
    fit: (width, height) => {
      size = { width, height };
      sheets.forEach((sheet) => (sheet.setAttribute("viewBox", `0 0 ${width} ${height}`), put(sheet)));
    },
  };
}
