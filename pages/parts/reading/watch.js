// How long somebody is at work on a step and how long its tab was out of sight; covers what was left alone; signs.
// Sums survive a reload: they stand in this tab's storage under the step's token until the server has taken them over.
const SIGNS = ["keydown", "pointerdown", "pointermove", "wheel"];
const STEP_MS = 1000;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".watch");
  root.send = (what) => setTriggerValue("act", { what, token: data.token, ...take(root), at: Date.now() });
  const place = `rhoscope-read-${data.token}`;
  const now = performance.now();
  if (root.place !== place) Object.assign(root, { place, sums: stored(place), acted: now, told: now, counted: now });
  root.data = data;
  root.querySelector(".watch-sign").textContent = data.sign;
  root.querySelector(".watch-sign").hidden = !data.sign;
  if (!root.timer) begin(root);
  return () => {
    clearInterval(root.timer);
    document.removeEventListener("visibilitychange", root.turned);
    SIGNS.forEach((sign) => window.removeEventListener(sign, root.heard, { capture: true }));
    delete root.timer;
  };
}

const stored = (place) => {
  try {
    return { active: 0, hidden: 0, ...JSON.parse(sessionStorage.getItem(place) ?? "{}") };
  } catch {
    return { active: 0, hidden: 0 };
  }
};

// Adds what has gone by since it was counted last; says whether the step was left alone.
function count(root) {
  const now = performance.now();
  const alone = now - root.acted > 1000 * root.data.idle_s;
  if (root.hidden) root.sums.hidden += now - root.counted;
  else if (!alone && !root.querySelector(".watch-cover").open) root.sums.active += now - root.counted;
  Object.assign(root, { counted: now, hidden: document.hidden });
  return alone;
}

// What has not been told yet, told once.
function take(root) {
  count(root);
  const told = { active_ms: Math.round(root.sums.active), hidden_ms: Math.round(root.sums.hidden) };
  root.sums = { active: 0, hidden: 0 };
  sessionStorage.setItem(root.place, JSON.stringify(root.sums));
  root.told = performance.now();
  return told;
}

function begin(root) {
  const cover = root.querySelector(".watch-cover");
  Object.assign(root, { counted: performance.now(), hidden: document.hidden });
  root.turned = () => count(root); // timers of a hidden tab may come once a minute
  document.addEventListener("visibilitychange", root.turned);
  root.heard = (event) => event.isTrusted && !cover.open && (root.acted = performance.now());
  SIGNS.forEach((sign) => window.addEventListener(sign, root.heard, { capture: true, passive: true }));
  root.querySelector(".watch-sign").onclick = () => root.send("sign");
  root.querySelector(".watch-back").onclick = () => {
    cover.close();
    root.acted = performance.now();
    root.send("back");
  };
  cover.oncancel = (event) => event.preventDefault();
  root.timer = setInterval(() => {
    const alone = count(root);
    sessionStorage.setItem(root.place, JSON.stringify(root.sums));
    root.querySelector(".watch-time").textContent = root.data.sign ? clock(root.data.active_ms + root.sums.active) : "";
    if (alone && !cover.open) cover.showModal();
    // The server counts too: whoever looks without answering is not idle.
    else if (!alone && root.acted > root.told && root.counted - root.told > 1000 * root.data.idle_s / 3 && atRest()) root.send("here");
  }, STEP_MS);
}

const atRest = () => document.querySelector("[data-test-script-state]")?.dataset.testScriptState === "notRunning";
const clock = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")} at work`;
