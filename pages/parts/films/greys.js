// Stored values to greys of 8 bits by a table, as explain_core/dicom/transforms.py has it (PS3.3 C.11).
const bytesOf = (base64) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));

// The modality value of each stored value; the lowest that is possible comes first.
function modalityOf({ modality, values }) {
  if (modality.table) return new Float32Array(bytesOf(modality.table).buffer);
  return Float64Array.from({ length: values }, (_, above) => (modality.low + above) * modality.slope + modality.intercept);
}

function windowed(value, { center, width, function: kind }) {
  if (kind === "SIGMOID") return 1 / (1 + Math.exp((-4 * (value - center)) / width));
  if (kind === "LINEAR_EXACT") return Math.min(1, Math.max(0, (value - center) / width + 0.5));
  if (width <= 1) return value > center - 0.5 ? 1 : 0;
  return Math.min(1, Math.max(0, (value - (center - 0.5)) / (width - 1) + 0.5));
}

// The grey of each stored value; padding is black whatever is inverted.
function greysOf(film, modality, window, inverted) {
  const greys = window.greys ? bytesOf(window.greys) : Uint8Array.from(modality, (value) => Math.round(255 * windowed(value, window)));
  if (film.inverse !== inverted) greys.forEach((grey, above) => (greys[above] = 255 - grey));
  if (film.padding) greys.fill(0, Math.max(0, film.padding[0]), Math.max(0, film.padding[1] + 1));
  return greys;
}
