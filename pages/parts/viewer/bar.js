// A slider over a few values.  Every panel of the page hears of a move at once, by an event;
// Python hears of it when the hand rests.
export default function ({ data, parentElement, setStateValue }) {
  const input = parentElement.querySelector("input");
  const output = parentElement.querySelector("output");
  const built = "tell" in input;
  input.tell = (index) => setStateValue("index", index);
  if (built) return;
  input.id = data.id;
  input.max = data.values.length - 1;
  input.value = data.index;
  parentElement.querySelector("label").htmlFor = data.id;
  parentElement.querySelector(".rho-name").textContent = data.label;
  const ticks = parentElement.querySelector(".rho-ticks");
  data.values.forEach((text, index) => {
    if (!data.ticks.includes(index)) return;
    const tick = document.createElement("span");
    tick.textContent = text;
    tick.style.left = `${(100 * index) / (data.values.length - 1)}%`;
    ticks.append(tick);
  });
  const show = () => {
    const index = Number(input.value);
    output.textContent = data.values[index];
    input.setAttribute("aria-valuetext", data.values[index]);
    window.rhoscope = { ...window.rhoscope, [data.id]: index };
    window.dispatchEvent(new CustomEvent("rhoscope", { detail: { [data.id]: index } }));
  };
  let waiting;
  input.addEventListener("input", () => {
    show();
    clearTimeout(waiting);
    waiting = setTimeout(() => input.tell(Number(input.value)), 200);
  });
  show();
}
