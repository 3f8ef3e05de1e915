// One item and its keys.  An act is sent once: until the server has shown something else, further
// ones are dropped, and what stays unanswered is sent again with the same key, which is kept once.
const SOONEST_MS = 200;
const AGAIN_MS = 4000;
const FLICKER_MS = 250; // two changes there and back a second
const WIDEST = 480;
const GAP = 26;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".rating");
  const find = (name) => root.querySelector(name);
  root.send = (value) => setTriggerValue("act", value);
  root.data = data;
  if (!root.state) build(root, find);
  show(root, find);
  return () => root.stop?.();
}

function build(root, find) {
  root.state = { token: null, serial: -1, sent: null, timer: null, flagged: false };
  const state = root.state;
  root.easel = easel();

  const active = () => state.active + (state.looking ? performance.now() - state.since : 0);
  const look = () => {
    state.active = active();
    state.since = performance.now();
    state.looking = !document.hidden && !document.querySelector("dialog[open]");
  };
  const closed = (element) => !element.checkVisibility || !element.checkVisibility();

  const send = (act) => {
    if (state.sent || closed(root)) return;
    const value = { ...act, token: state.token, serial: state.serial, key: crypto.randomUUID() };
    state.sent = value;
    root.send(value);
    state.timer = setInterval(() => (root.isConnected ? root.send(value) : clearInterval(state.timer)), AGAIN_MS);
    disable(root, true);
  };

  root.answer = (name) => {
    const ms = Math.round(active());
    if (!state.token || ms < SOONEST_MS) return;
    const said = { answer: name, note: find("textarea").value, flagged: state.flagged, shapes: root.easel.shapes() };
    send({ do: "answer", active_ms: ms, ...said });
  };

  const acts = {
    undo: () => send({ do: "undo" }),
    skip: () => state.token && send({ do: "skip", note: find("textarea").value }),
    flag: () => press("flag", (state.flagged = !state.flagged)),
    note: () => note(find(".rating-note").hidden),
    flicker: () => flicker(!state.flickering),
    ellipse: () => state.token && root.easel.focus(),
    remove: () => root.easel.set(null),
    instructions: () => window.dispatchEvent(new Event("rhoscope-instructions")),
  };
  const press = (name, on) => find(`[data-act="${name}"]`).setAttribute("aria-pressed", on);
  const note = (open) => {
    find(".rating-note").hidden = !open;
    find('[data-act="note"]').setAttribute("aria-expanded", open);
    if (open) find("textarea").focus();
    else find("textarea").blur();
  };
  const flicker = (on) => {
    clearInterval(state.flickering);
    state.flickering = null;
    press("flicker", on);
    const pictures = () => root.data.task?.pictures ?? [];
    const turn = (number) => pictures().length && (find(".rating-pictures img").src = pictures()[number].src);
    turn((state.turn = 0));
    if (!on) return;
    state.flickering = setInterval(() => {
      if (!root.isConnected) return clearInterval(state.flickering);
      turn((state.turn = (state.turn + 1) % (pictures().length || 1)));
    }, FLICKER_MS);
  };
  root.fresh = () => {
    flicker(false);
    note(false);
    find("textarea").value = "";
    press("flag", (state.flagged = false));
    root.easel.set(root.data.task?.ellipse ?? null);
    state.looking = false;
    look();
    state.active = 0;
  };

  const typing = (target) => target?.closest?.("input, textarea, select, [contenteditable=true], [role=combobox]");
  const onKey = (event) => {
    if (event.key === "Escape" && event.target === find("textarea")) return note(false);
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (typing(event.target) || document.querySelector("[role=dialog], dialog[open]") || closed(root)) return;
    const key = event.key.toLowerCase();
    const pressed = commands(root.data).find((one) => one.key === key);
    if (!pressed) return;
    event.preventDefault();
    if (pressed.answer) root.answer(pressed.name);
    else acts[pressed.name]();
  };
  root.focus({ preventScroll: true }); // away from the name that was chosen, so that keys answer
  root.querySelectorAll("[data-act]").forEach((button) => (button.onclick = () => acts[button.dataset.act]()));
  find(".rating-keys button").onclick = () => (keep({}), show(root, find));
  find(".rating-keys").ontoggle = () => askKeys(root, find);
  const resized = new ResizeObserver(() => fit(root, find));
  resized.observe(root);
  window.addEventListener("keydown", onKey);
  window.addEventListener("rhoscope-dialog", look);
  document.addEventListener("visibilitychange", look);
  root.stop = () => {
    if (root.isConnected) return;
    window.removeEventListener("keydown", onKey);
    window.removeEventListener("rhoscope-dialog", look);
    document.removeEventListener("visibilitychange", look);
    resized.disconnect();
    clearInterval(state.timer);
    clearInterval(state.flickering);
  };
}

function show(root, find) {
  const { data, state } = root;
  root.classList.toggle("rating-done", !data.task);
  hang(root, find);
  fit(root, find);
  if (data.serial !== state.serial) {
    clearInterval(state.timer);
    state.sent = null;
    const fresh = data.task?.token !== state.token || data.refused === false;
    state.serial = data.serial;
    state.token = data.task?.token ?? null;
    if (fresh) root.fresh();
  }
  find(".rating-question").textContent = data.question;
  find(".rating-said").textContent = data.said;
  root.querySelectorAll(".rating-pictures img").forEach((img, number) => {
    const { src } = data.task.pictures[number];
    if (img.getAttribute("src") !== src && !(number === 0 && state.flickering)) img.src = src;
  });
  const keys = Object.fromEntries(commands(data).map((one) => [one.name, one.key]));
  root.querySelectorAll("[data-act]").forEach((button) => {
    button.hidden = !keys[button.dataset.act];
    button.querySelector("kbd").textContent = keys[button.dataset.act]?.toUpperCase() ?? "";
  });
  askKeys(root, find);
  find(".rating-answers").replaceChildren(...data.answers.map((one) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(one.title, " ");
    const kbd = document.createElement("kbd");
    kbd.textContent = keys[one.name].toUpperCase();
    button.append(kbd);
    button.onclick = () => root.answer(one.name);
    return button;
  }));
  disable(root, Boolean(state.sent));
  root.ahead = data.ahead.map((source) => {
    const img = new Image();
    img.src = source;
    img.decode?.().catch(() => {});
    return img;
  });
}

// A frame for each of the question's pictures, which stay where they are from item to item.
function hang(root, find) {
  const pictures = root.data.task?.pictures ?? [];
  const [place, names] = [find(".rating-pictures"), pictures.map((one) => one.name).join()];
  if (place.dataset.names === names) return;
  place.dataset.names = names;
  place.replaceChildren(...pictures.map(({ name, caption }) => {
    const [figure, frame, img, text] = ["figure", "div", "img", "figcaption"].map((tag) => document.createElement(tag));
    frame.className = "rating-frame";
    Object.assign(img, { className: `rating-${name}`, alt: caption });
    text.textContent = caption;
    frame.append(img);
    figure.append(frame, text);
    return figure;
  }));
  root.easel.hang(root.data.draws ? [...place.querySelectorAll(".rating-frame")] : []);
}

// Side by side at the same whole multiple of their size, so that no pixel is invented; large ones are shrunk.
function fit(root, find) {
  if (!root.data.task) return;
  const { width, height, pictures } = root.data.task;
  const room = Math.min(WIDEST, (root.clientWidth - GAP * (pictures.length - 1)) / pictures.length);
  const times = room >= width ? Math.floor(room / width) : room / width;
  root.querySelectorAll(".rating-pictures img").forEach((img) => {
    img.style.width = `${Math.round(width * times)}px`;
    img.style.height = `${Math.round(height * times)}px`;
  });
  root.easel.fit(width, height);
}

function disable(root, on) {
  root.querySelectorAll(".rating-answers button").forEach((one) => (one.disabled = on || !root.data.task));
  for (const act of ["skip", "ellipse", "remove"]) root.querySelector(`[data-act="${act}"]`).disabled = on || !root.data.task;
  root.querySelector('[data-act="undo"]').disabled = on;
}
