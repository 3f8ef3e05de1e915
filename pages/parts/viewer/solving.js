// What is being solved, by job: the panels hear of it by an event, and stay as they are otherwise.
export default function ({ data }) {
  window.rhoscope = { ...window.rhoscope, solving: data.jobs };
  window.dispatchEvent(new CustomEvent("rhoscope", { detail: { solving: data.jobs } }));
}
