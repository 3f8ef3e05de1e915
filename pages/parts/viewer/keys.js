// Which key does what: as the page says, or as this browser's rater chose.
const KEPT = "rhoscope-keys"; // of this browser: who sits here, not what is answered

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

// Everything that a key does.  Keys are kept by what they do, for all questions: where one that was chosen meets
// another of this question, it is as usual here; and where that does not make them all different, every one is.
function commands(data) {
  const chosen = kept();
  const usual = [
    ...data.answers.map((one) => ({ ...one, answer: true })),
    ...Object.entries(data.keys).map(([key, name]) => ({ name, key, title: name[0].toUpperCase() + name.slice(1) })),
  ];
  const mine = usual.map((one) => ({ ...one, key: typeof chosen[one.name] === "string" ? chosen[one.name] : one.key }));
  const alone = (one) => mine.every((other) => other === one || other.key !== one.key);
  const apart = mine.map((one, number) => (alone(one) ? one : usual[number]));
  return new Set(apart.map((one) => one.key)).size === apart.length ? apart : usual;
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
