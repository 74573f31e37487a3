// Numbers as people read them; what was not measured is a dash.
export const ABSENT = "–";

const digits = (value, places) => value.toLocaleString("en", {minimumFractionDigits: places, maximumFractionDigits: places});

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return ABSENT;
  if (seconds < 1) { const ms = seconds * 1000; return `${digits(ms, ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`; }
  return `${digits(seconds, seconds < 10 ? 2 : 1)} s`;
}

export function number(value) {
  if (value === null || value === undefined) return ABSENT;
  const size = Math.abs(value);
  return digits(value, size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2);
}

export const share = value => value === null || value === undefined ? ABSENT : `${digits(value * 100, value < 1 && value > .9 ? 1 : 0)} %`;

export const money = (value, currency) => value === null || value === undefined ? ABSENT : `${digits(value, value < 1 ? 4 : 2)} ${currency}`;

export function span(seconds) {
  if (seconds === null || seconds === undefined) return ABSENT;
  const whole = Math.max(0, Math.round(seconds)), minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

// An element with text (never markup: what a server sends is not trusted) and children.
export function element(name, text = "", children = [], attributes = {}) {
  const made = document.createElement(name);
  if (text !== "") made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
