// What raters are told, over the page: at the beginning by itself, later when they ask for it.
const WIDEST = 160;

export default function ({ data, parentElement }) {
  const dialog = parentElement.querySelector("dialog");
  const find = (name) => dialog.querySelector(name);
  const open = () => {
    if (!dialog.isConnected || dialog.open) return;
    dialog.showModal();
    window.dispatchEvent(new Event("rhoscope-dialog"));
  };
  dialog.onclose = () => {
    find("button").textContent = "Go on";
    window.dispatchEvent(new Event("rhoscope-dialog"));
    document.querySelector(".rating")?.focus({ preventScroll: true });
  };
  find(".instructions-question").textContent = data.question;
  find(".instructions-source").textContent = data.source;
  find(".instructions-draws").hidden = !data.draws;
  find("dl").replaceChildren(...data.answers.flatMap(({ title, means }) => [text("dt", title), text("dd", means)]));
  find(".instructions-examples").hidden = data.examples.length === 0;
  find(".instructions-examples").replaceChildren(find("h3"), ...data.examples.map(example));
  if (data.begin && dialog.begun !== data.id) open();
  dialog.begun = data.id;
  window.addEventListener("rhoscope-instructions", open);
  return () => window.removeEventListener("rhoscope-instructions", open);
}

function text(tag, words) {
  const element = document.createElement(tag);
  element.textContent = words;
  return element;
}

// Its pictures side by side at the same scale, and what is to be said of them.
function example({ pictures, width, height, question, answer, why }) {
  const times = width > WIDEST ? WIDEST / width : Math.floor(WIDEST / width);
  const figures = pictures.map(({ caption, src }) => {
    const [figure, img] = [document.createElement("figure"), new Image(width * times, height * times)];
    Object.assign(img, { src, alt: caption });
    figure.append(img, text("figcaption", caption));
    return figure;
  });
  const words = text("p", `${question} `);
  words.append(text("strong", `${answer}.`), ` ${why}`);
  const whole = document.createElement("article");
  whole.append(...figures, words);
  return whole;
}
