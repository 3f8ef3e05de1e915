// Tells the server that somebody is here: a key, a click or a turn of the wheel, in this tab or in another of this
// browser.  Movements of the mouse do not count: browsers make them up when a page moves under a mouse at rest.
const SIGNS = ["keydown", "pointerdown", "wheel"];
const LONGEST_WAIT_MS = 5000;
const AGAIN_MS = 2000;

export default function ({ data, parentElement, setTriggerValue }) {
  if (data.leave) {
    window.location.assign(data.leave);
    return;
  }
  parentElement.tell = () => setTriggerValue("acted", true);
  parentElement.dataset.acted = data.acted; // when the server last heard of somebody
  if (parentElement.rest) return parentElement.rest;
  const tabs = new BroadcastChannel("rhoscope");
  let told = -Infinity;
  let waiting;
  let looking;
  const tell = () => {
    waiting = undefined;
    const before = parentElement.dataset.acted;
    parentElement.tell();
    // Streamlit drops what comes while the page is drawn anew: then once more.
    clearTimeout(looking);
    looking = setTimeout(() => parentElement.dataset.acted === before && wait(), AGAIN_MS);
    if (!data.proxy) return;
    // A proxy sees none of what goes through the socket, and would take whoever is busy for idle.
    fetch("_stcore/health", { cache: "no-store" }).then(
      (answer) => answer.status === 401 && window.location.reload(),
      () => {},
    );
  };
  // A while later, when hands and page are at rest: what is told in one breath with a change of a widget or of the page
  // takes that change's run of the page away.
  const atRest = () => document.querySelector("[data-test-script-state]")?.dataset.testScriptState === "notRunning";
  const wait = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (atRest() ? tell() : wait()), 500);
  };
  const soon = () => {
    told = performance.now();
    wait();
  };
  const heard = (event) => {
    if (!event.isTrusted) return;
    const since = performance.now() - told;
    if (waiting !== undefined && since < LONGEST_WAIT_MS) wait();
    if (since < data.every_ms) return;
    tabs.postMessage("acted");
    soon();
  };
  tabs.onmessage = soon;
  SIGNS.forEach((sign) => window.addEventListener(sign, heard, { capture: true, passive: true }));
  parentElement.rest = () => {
    clearTimeout(waiting);
    clearTimeout(looking);
    SIGNS.forEach((sign) => window.removeEventListener(sign, heard, { capture: true }));
    tabs.close();
    delete parentElement.rest;
  };
  return parentElement.rest;
}
