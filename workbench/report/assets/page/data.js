"use strict";
// What is drawn, and numbers and times as people read them.

// A test reads these attributes of the page: what was drawn, and whether something failed.
const state = document.documentElement.dataset;
addEventListener("error", (event) => { state.error = String(event.message); });
addEventListener("unhandledrejection", (event) => { state.error = String(event.reason); });
addEventListener("securitypolicyviolation", (event) => { state.error = "policy: " + event.violatedDirective; });

const D = JSON.parse(document.getElementById("data").textContent);
const SECONDS = D.unit / 1e9;

// Times are seconds since the midnight `D.base`, which a double holds to the nanosecond for weeks.
const seconds = (units) => units * SECONDS;

// Adds arrays `x` and `y` to a line, with a `null` where the line is broken.
function decode(line) {
  if (!line || line.x) return line;
  const x = [], y = [];
  let at = 0, before = -Infinity;
  for (let i = 0; i < line.t.length; i++) {
    at += line.t[i];
    let now = seconds(at);
    if (i > 0 && line.t[i] > line.step) { x.push((before + now) / 2); y.push(null); }
    // Each place on the axis has one value.
    if (now <= before) now = before + Math.max(1e-9, Math.abs(before) * 4e-16);
    x.push(now); y.push(line.v[i]);
    before = now;
  }
  line.x = x; line.y = y;
  line.samples = line.t.length;
  return line;
}

// Index of the value that is nearest to `at`, or -1.
function nearest(x, y, at) {
  let low = 0, high = x.length;
  while (low < high) { const middle = (low + high) >> 1; if (x[middle] < at) low = middle + 1; else high = middle; }
  let left = low - 1, right = low;
  while (left >= 0 && y[left] == null) left--;
  while (right < x.length && y[right] == null) right++;
  if (left < 0) return right < x.length ? right : -1;
  if (right >= x.length) return left;
  return at - x[left] <= x[right] - at ? left : right;
}

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const count = (number) => grouped.format(number);
const points = (number) => count(number) + (number === 1 ? " point" : " points");

// A value with up to seven digits, and more if it is whole.
function value(number) {
  const size = Math.abs(number);
  if (number === 0) return "0";
  if (size >= 1e12 || size < 1e-4) return number.toExponential(4).replace(/\.?0+e/, "e");
  if (Number.isInteger(number)) return grouped.format(number);
  return new Intl.NumberFormat("en", { maximumSignificantDigits: 7 }).format(number);
}

// Labels of an axis, with the decimals that tell them apart.
function ticks(values, step) {
  const most = Math.max(...values.map(Math.abs), 0);
  const [size, suffix] = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]].find(([size]) => most >= size) || [1, ""];
  const unit = suffix === "k" ? 1e3 : size;
  const decimals = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  if (most >= 1e16 || decimals > 5) return values.map((one) => one === 0 ? "0" : one.toExponential(decimals > 5 && most < 1 ? 1 : 2));
  return values.map((one) => (one / unit).toFixed(decimals) + (one === 0 ? "" : suffix));
}

const two = (number) => String(number).padStart(2, "0");

function parts(at) {
  // Rounded to the nanosecond before it is cut into parts.
  const whole = Math.floor(at + 5e-10);
  const rest = Math.max(0, at - whole);
  return [new Date(D.base + whole * 1000), rest];
}

function date(at) {
  const [day] = parts(at);
  return day.getUTCFullYear() + "-" + two(day.getUTCMonth() + 1) + "-" + two(day.getUTCDate());
}

// The time of the day with as many decimals as the time has, or as `step` needs.
function clock(at, step) {
  const [day, rest] = parts(at);
  const text = two(day.getUTCHours()) + ":" + two(day.getUTCMinutes());
  if (step >= 60) return text;
  const decimals = step ? Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)) : Math.round(-Math.log10(SECONDS));
  const fraction = decimals ? "." + Math.min(Math.round(rest * 10 ** decimals), 10 ** decimals - 1).toString().padStart(decimals, "0") : "";
  const shown = step ? fraction : fraction.replace(/(000)+$/, "").replace(/\.$/, "");
  return text + ":" + two(day.getUTCSeconds()) + shown;
}

const moment = (at) => date(at) + " " + clock(at);

const DAY = 86400;
const STEPS = [];
for (let power = -9; power < 0; power++) for (const n of [1, 2, 5]) STEPS.push(n * 10 ** power);
STEPS.push(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200);
for (const days of [1, 2, 7, 14, 30, 61, 91, 182, 365, 730, 1826, 3652, 7305, 18262]) STEPS.push(days * DAY);

// Times that have a label: round in UTC, as the data is.
function splits(plot, axis, min, max, step) {
  const found = [];
  if (step >= 30 * DAY) {
    const months = Math.round(step / DAY / 30.4);
    const first = new Date(D.base + min * 1000);
    let month = first.getUTCFullYear() * 12 + first.getUTCMonth();
    month = Math.ceil(month / months) * months;
    for (let i = 0; i < 50; i++, month += months) {
      const at = (Date.UTC(Math.floor(month / 12), month % 12, 1) - D.base) / 1000;
      if (at > max) break;
      if (at >= min) found.push(at);
    }
    return found;
  }
  const first = Math.ceil(min / step - 1e-9);
  for (let i = 0; i < 200 && (first + i) * step <= max; i++) found.push((first + i) * step);
  return found;
}

// The day is below the first time, and below the first of each day.
function times(plot, values, axis, space, step) {
  const { min, max } = plot.scales.x;
  let before = "";
  return values.map((at) => {
    // There is no room for a long label at the right edge.
    if (step < 1 && at > max - (max - min) * 0.05) return "";
    const day = date(at);
    if (step >= 30 * DAY) return day.slice(0, 7);
    if (step >= DAY) return day;
    const label = clock(at, step) + (day === before ? "" : "\n" + day);
    before = day;
    return label;
  });
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, set] of Object.entries(attributes || {})) {
    if (name === "class") made.className = set; else made.setAttribute(name, set);
  }
  made.append(...children);
  return made;
}
