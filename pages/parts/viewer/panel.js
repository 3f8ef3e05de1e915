// One method's pictures along ρ.  All of them are here already: moving the slider swaps what is
// shown, in this browser, and asks the server for nothing.
export default function ({ data, parentElement }) {
  const find = (name) => parentElement.querySelector(name);
  const box = find(".panel-box");
  const under = find(".panel-under");
  const over = find(".panel-over");

  const place = (img, source, alt) => {
    img.hidden = !source;
    if (!source) img.removeAttribute("src");
    else if (img.getAttribute("src") !== source) img.src = source;
    img.alt = alt;
  };

  const draw = () => {
    const state = window.rhoscope ?? {};
    const solved = data.cells[data.at[state.rho ?? 0]];
    const solving = solved.waiting ? state.solving?.[solved.job] : null;
    const cell = solving
      ? { ...solved, over: solving.source, alone: solving.source && data.alone, alt: solving.alt, note: solving.note }
      : solved;
    box.style.aspectRatio = data.aspect;
    box.classList.toggle("small", data.small);
    place(under, data.under && !cell.alone ? data.under : null, cell.over ? "" : cell.alt);
    place(over, cell.over, cell.alt);
    over.style.opacity = cell.alone ? 1 : (state.opacity ?? data.opacities) / data.opacities;
    const note = find(".panel-note");
    note.hidden = !cell.note;
    note.textContent = cell.note;
    find(".panel-legend").style.visibility = cell.legend ? "visible" : "hidden";
    find(".panel-legend i").style.background = cell.legend ? `linear-gradient(90deg, ${cell.legend.colours})` : "none";
    find(".low").textContent = cell.legend ? cell.legend.low : "";
    find(".high").textContent = cell.legend ? cell.legend.high : "";
    find(".panel-outcome").textContent = cell.outcome;
    find("dl").replaceChildren(...cell.facts.flatMap(([name, value]) => {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      dt.textContent = name;
      dd.textContent = value;
      return [dt, dd];
    }));
  };

  box.forget?.();
  box.forget = () => window.removeEventListener("rhoscope", draw);
  window.addEventListener("rhoscope", draw);
  draw();
  return box.forget;
}
