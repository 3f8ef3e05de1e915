// Tells the server that somebody is here: a key, a click or a turn of the wheel, in this tab or in another of this
// browser.  Movements of the mouse do not count: browsers make them up when a page moves under a mouse at rest.
// Asks the page now and then to look whether it is still open, which is no sign of anybody.
const SIGNS = ["keydown", "pointerdown", "wheel"];
const REST_MS = 3000; // no look within this of a sign: Streamlit would drop what the click has asked the page to do

export default function ({ data, parentElement, setTriggerValue }) {
  if (data.leave) {
    window.location.assign(data.leave);
    return;
  }
  parentElement.look = () => setTriggerValue("look", true);
  parentElement.acted = data.acted;
  if (parentElement.rest) return parentElement.rest;
  const tabs = new BroadcastChannel("rhoscope");
  let told = -Infinity;
  let last = -Infinity;
  const tell = () => {
    told = performance.now();
    fetch(parentElement.acted, { method: "POST", cache: "no-store" }).then(
      // A proxy has ended its session.  What the app has ended, it closes by itself: here a reload would begin anew.
      (answer) => answer.status === 401 && window.location.reload(),
      () => (told = -Infinity), // it was not heard: the next sign is told again
    );
  };
  const heard = (event) => {
    if (!event.isTrusted) return;
    last = performance.now();
    if (last - told < data.every_ms) return;
    tabs.postMessage("acted");
    tell();
  };
  const clock = setInterval(() => performance.now() - last > REST_MS && parentElement.look(), data.every_ms);
  tabs.onmessage = tell;
  SIGNS.forEach((sign) => window.addEventListener(sign, heard, { capture: true, passive: true }));
  parentElement.rest = () => {
    clearInterval(clock);
    SIGNS.forEach((sign) => window.removeEventListener(sign, heard, { capture: true }));
    tabs.close();
    delete parentElement.rest;
  };
  return parentElement.rest;
}
