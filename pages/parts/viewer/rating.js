// One item and its keys.  An act is sent once: until the server has shown something else, further
// ones are dropped, and what stays unanswered is sent again with the same key, which is kept once.
const SOONEST_MS = 200;
const AGAIN_MS = 4000;
const FLICKER_MS = 250; // two changes there and back a second
const KEPT = "rhoscope-keys"; // of this browser: who sits here, not what is answered
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

  const active = () => state.active + (document.hidden ? 0 : performance.now() - state.since);
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
    send({ do: "answer", answer: name, active_ms: ms, note: find("textarea").value, flagged: state.flagged });
  };

  const acts = {
    undo: () => send({ do: "undo" }),
    skip: () => state.token && send({ do: "skip", note: find("textarea").value }),
    flag: () => press("flag", (state.flagged = !state.flagged)),
    note: () => note(find(".rating-note").hidden),
    flicker: () => flicker(!state.flickering),
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
    const original = find(".rating-original");
    original.src = root.data.task?.original ?? "";
    if (!on) return;
    state.flickering = setInterval(() => {
      if (!root.isConnected) return clearInterval(state.flickering);
      const { original: a, adversarial: b } = root.data.task ?? {};
      if (a) original.src = original.src === a ? b : a;
    }, FLICKER_MS);
  };
  root.fresh = () => {
    flicker(false);
    note(false);
    find("textarea").value = "";
    press("flag", (state.flagged = false));
    state.active = 0;
    state.since = performance.now();
  };

  const typing = (target) => target?.closest?.("input, textarea, select, [contenteditable=true], [role=combobox]");
  const onKey = (event) => {
    if (event.key === "Escape" && event.target === find("textarea")) return note(false);
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (typing(event.target) || document.querySelector("[role=dialog]") || closed(root)) return;
    const key = event.key.toLowerCase();
    const pressed = commands(root.data).find((one) => one.key === key);
    if (!pressed) return;
    event.preventDefault();
    if (pressed.answer) root.answer(pressed.name);
    else acts[pressed.name]();
  };
  const onHidden = () => {
    if (document.hidden) state.active += performance.now() - state.since;
    else state.since = performance.now();
  };
  root.focus({ preventScroll: true }); // away from the name that was chosen, so that keys answer
  root.querySelectorAll("[data-act]").forEach((button) => (button.onclick = () => acts[button.dataset.act]()));
  find(".rating-keys button").onclick = () => (keep({}), show(root, find));
  find(".rating-keys").ontoggle = () => askKeys(root, find);
  const resized = new ResizeObserver(() => fit(root, find));
  resized.observe(root);
  window.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", onHidden);
  root.stop = () => {
    if (root.isConnected) return;
    window.removeEventListener("keydown", onKey);
    document.removeEventListener("visibilitychange", onHidden);
    resized.disconnect();
    clearInterval(state.timer);
    clearInterval(state.flickering);
  };
}

function show(root, find) {
  const { data, state } = root;
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
  for (const side of ["original", "adversarial"]) {
    const img = find(`.rating-${side}`);
    const source = data.task?.[side];
    img.hidden = !source;
    if (!source) continue;
    if (img.getAttribute("src") !== source && !(side === "original" && state.flickering)) img.src = source;
  }
  fit(root, find);
  const keys = Object.fromEntries(commands(data).map((one) => [one.name, one.key]));
  root.querySelectorAll("[data-act] kbd").forEach((kbd) => (kbd.textContent = keys[kbd.parentElement.dataset.act].toUpperCase()));
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

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

function keep(keys) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(keys));
  } catch {
    // without a store the usual keys remain
  }
}

// Everything that a key does, with the key that this browser's rater chose for it, or the usual one.
function commands(data) {
  const chosen = kept();
  const all = [
    ...data.answers.map((one) => ({ ...one, answer: true })),
    ...Object.entries(data.keys).map(([key, name]) => ({ name, key, title: name[0].toUpperCase() + name.slice(1) })),
  ];
  return all.map((one) => ({ ...one, key: typeof chosen[one.name] === "string" ? chosen[one.name] : one.key }));
}

function askKeys(root, find) {
  const place = find(".rating-keys div");
  if (!find(".rating-keys").open || place.contains(root.getRootNode().activeElement)) return;
  place.replaceChildren(...commands(root.data).map((one) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    label.append(one.title, input);
    Object.assign(input, { value: one.key.toUpperCase(), maxLength: 1, autocomplete: "off" });
    input.onfocus = () => input.select();
    input.oninput = () => {
      const key = input.value.trim().toLowerCase();
      const taken = commands(root.data).find((other) => other.key === key && other.name !== one.name);
      input.setCustomValidity(!key ? "One character." : taken ? `${taken.title} has this key.` : "");
      if (input.reportValidity()) {
        keep({ ...kept(), [one.name]: key });
        show(root, find);
      }
    };
    return label;
  }));
}

// Side by side at the same whole multiple of their size, so that no pixel is invented; large ones are shrunk.
function fit(root, find) {
  if (!root.data.task) return;
  const { width, height } = root.data.task;
  const room = Math.min(WIDEST, (root.clientWidth - GAP) / 2);
  const times = room >= width ? Math.floor(room / width) : room / width;
  for (const side of ["original", "adversarial"]) {
    find(`.rating-${side}`).style.width = `${Math.round(width * times)}px`;
    find(`.rating-${side}`).style.height = `${Math.round(height * times)}px`;
  }
}

function disable(root, on) {
  root.querySelectorAll(".rating-answers button").forEach((one) => (one.disabled = on || !root.data.task));
  root.querySelector('[data-act="skip"]').disabled = on || !root.data.task;
  root.querySelector('[data-act="undo"]').disabled = on;
}
