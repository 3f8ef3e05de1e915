// Tells the server that somebody is here: a key, a click or a turn of the wheel, in this tab or in another of this
// browser.  Movements of the mouse do not count: browsers make them up when a page moves under a mouse at rest.
const SIGNS = ["keydown", "pointerdown", "wheel"];

export default function ({ data, parentElement, setTriggerValue }) {
  if (data.leave) {
    window.location.assign(data.leave);
    return;
  }
  parentElement.tell = () => setTriggerValue("acted", true);
  if (parentElement.rest) return parentElement.rest;
  const tabs = new BroadcastChannel("rhoscope");
  let told = -Infinity;
  let waiting;
  const tell = () => {
    parentElement.tell();
    if (!data.proxy) return;
    // A proxy sees none of what goes through the socket, and would take whoever is busy for idle.
    fetch("_stcore/health", { cache: "no-store" }).then(
      (answer) => answer.status === 401 && window.location.reload(),
      () => {},
    );
  };
  // A while later: what is told in one breath with a widget's change takes the change's run of the page away.
  const soon = () => {
    told = performance.now();
    clearTimeout(waiting);
    waiting = setTimeout(tell, 500);
  };
  const heard = (event) => {
    if (!event.isTrusted || performance.now() - told < data.every_ms) return;
    tabs.postMessage("acted");
    soon();
  };
  tabs.onmessage = soon;
  SIGNS.forEach((sign) => window.addEventListener(sign, heard, { capture: true, passive: true }));
  parentElement.rest = () => {
    clearTimeout(waiting);
    SIGNS.forEach((sign) => window.removeEventListener(sign, heard, { capture: true }));
    tabs.close();
    delete parentElement.rest;
  };
  return parentElement.rest;
}
