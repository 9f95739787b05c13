"use strict";
// Chooses what is drawn, and follows pointer, keyboard, window and theme.

const $ = (id) => document.getElementById(id);
const plot = $("plot"), tip = $("tip");
const hidden = new Set();
const view = { min: 0, max: 1 };
let chosen = 0, field = D.fields.length ? 0 : -1, zoomed = false;
let all = [], strips = [], panels = [], full = [0, 1], overview = null, cursor = null;

const shown = (one) => !hidden.has(one.key);

function draw() {
  for (const panel of panels) panel.destroy();
  panels = [];
  hideTip();
  const chart = D.charts[chosen];
  $("empty").hidden = Boolean(chart);
  $("chart").hidden = !chart;
  if (!chart) { state.drawn = "nothing"; return; }
  all = lines(chart, field);
  strips = lanes(chart);
  full = extent(all, strips);
  if (!zoomed) [view.min, view.max] = full;
  legend();

  const visible = all.filter(shown), names = [...new Set(visible.map((one) => one.panel))];
  const width = Math.max(240, $("panels").clientWidth), phone = width < 560;
  $("panels").replaceChildren();
  // A group of which there are only marks has an axis of time nevertheless.
  if (!names.length) names.push("");
  names.forEach((name, i) => {
    const first = i === 0, last = i === names.length - 1;
    const place = element("div");
    if (name) place.append(element("div", { class: "panel-name" }, name));
    $("panels").append(place);
    const height = (first ? (phone ? 230 : 330) : 130) + (last ? 34 : 0);
    const size = { width, height: visible.length ? height : 70 };
    panels.push(makePanel(place, visible.filter((one) => one.panel === name), view, size, { first, last }, { zoom, reset }));
  });
  strip();
  note(chart);
  state.drawn = [
    "panels=" + panels.length,
    "series=" + visible.filter((one) => one.kind !== "dots").length,
    "flagged=" + visible.filter((one) => one.kind === "dots").reduce((sum, one) => sum + one.line.samples, 0),
    "runs=" + strips.filter((one) => !one.skipped).reduce((sum, one) => sum + one.marks.length, 0),
    "skipped=" + strips.filter((one) => one.skipped).reduce((sum, one) => sum + one.marks.length, 0),
  ].join(" ");
}

// What is below the panels, and follows them.
function strip() {
  const width = Math.max(240, $("panels").clientWidth), visible = strips.filter(shown);
  $("lanes").hidden = !visible.length;
  if (visible.length) drawLanes($("lanes"), visible, view, width);
  overview = drawOverview($("overview"), all.filter(shown), visible, full, view, width);
  $("reset").disabled = !zoomed;
  for (const id of ["left", "right"]) $(id).disabled = !zoomed;
}

function note(chart) {
  const thinned = all.filter((one) => one.kind !== "dots" && one.line.n > one.line.samples);
  const more = strips.reduce((sum, one) => sum + one.more, 0);
  const texts = [];
  if (thinned.length) {
    const most = thinned.reduce((a, b) => (a.line.n >= b.line.n ? a : b)).line;
    texts.push(count(most.n) + " values are drawn as " + count(most.samples) + "; the lowest and the highest are always among them.");
  }
  if (more) texts.push(count(more) + " more changes of text are not drawn.");
  $("note").textContent = texts.join(" ");
}

function legend() {
  const svg = "http://www.w3.org/2000/svg";
  const swatch = (one) => {
    const made = document.createElementNS(svg, "svg");
    made.setAttribute("width", 20); made.setAttribute("height", 12); made.setAttribute("aria-hidden", "true");
    const shape = document.createElementNS(svg, one.kind === "dots" ? "circle" : "rect");
    const set = one.kind === "dots" ? { cx: 10, cy: 6, r: 4.5 }
      : one.marks ? { x: 6, y: 0, width: 8, height: 12, rx: 2 }
      : { x: 0, y: one.kind === "thin" ? 5 : 4.5, width: 20, height: one.kind === "thin" ? 2 : 3, rx: 1.5 };
    for (const [name, to] of Object.entries(set)) shape.setAttribute(name, to);
    shape.style.fill = `var(${one.ink || inkOf(one, one.marks[0]?.text || "")})`;
    made.append(shape);
    return made;
  };
  $("legend").replaceChildren(...[...all.filter((one) => !one.unlisted), ...strips].map((one) => {
    const role = one.kind === "dots" ? points(one.line.n) : one.role;
    const button = element("button", { type: "button", "aria-pressed": String(shown(one)) },
      swatch(one), element("span", {}, one.label + " ", element("span", { class: "role" }, role)));
    button.addEventListener("click", () => {
      if (!hidden.delete(one.key)) hidden.add(one.key);
      const at = [...$("legend").children].indexOf(button.parentNode);
      draw();
      $("legend").children[at]?.firstChild.focus();
    });
    return element("li", {}, button);
  }));
}

function zoom(min, max) {
  if (!(max >= min)) return;
  const whole = full[1] - full[0];
  // Below this, a double can't tell times apart.
  const least = Math.max(whole * 1e-9, Math.abs(full[1]) * 1e-13, SECONDS / 10);
  let span = Math.min(whole, Math.max(least, max - min));
  min = Math.max(full[0], Math.min((min + max - span) / 2, full[1] - span));
  view.min = min; view.max = min + span;
  zoomed = span < whole * 0.9999;
  if (!zoomed) [view.min, view.max] = full;
  // At once: what follows asks the panels where times are.
  for (const panel of panels) panel.batch(() => panel.setScale("x", { min: view.min, max: view.max }));
  hideTip();
  strip();
}
const reset = () => zoom(full[0], full[1]);
function by(factor, shift = 0) {
  const span = view.max - view.min, middle = cursor != null && factor < 1 ? cursor : (view.min + view.max) / 2;
  const part = (middle - view.min) / span, to = span * factor;
  zoom(middle - to * part + shift * span, middle + to * (1 - part) + shift * span);
}

function hideTip() { tip.hidden = true; cursor = null; }

// Shows what is at a time. `top` is where the pointer is.
function showTip(at, top) {
  const panel = panels[0];
  if (!panel) return;
  const pixel = (view.max - view.min) / panel.over.clientWidth;
  const rows = [];
  let when = at;
  const lead = all.find((one) => shown(one) && one.kind !== "dots");
  if (lead) {
    const found = nearest(lead.line.x, lead.line.y, at);
    if (found >= 0 && Math.abs(lead.line.x[found] - at) < pixel * 40) when = lead.line.x[found];
  }
  for (const one of all.filter((one) => shown(one) && !one.unlisted)) {
    const { x, y } = one.line, found = nearest(x, y, when);
    if (found < 0 || Math.abs(x[found] - when) > pixel * (one.kind === "dots" ? 6 : 40)) continue;
    const twin = all.some((other) => other !== one && other.label === one.label && shown(other));
    rows.push(row(one.ink, one.label + (twin ? ", " + one.role : ""), value(y[found])));
  }
  for (const one of strips.filter(shown)) {
    const near = one.marks.filter((mark) => mark.start - pixel * 4 <= at && at <= mark.end + pixel * 4);
    for (const mark of near.slice(0, 4)) {
      const span = mark.n > 1 ? ", " + points(mark.n) + " until " + clock(mark.end) : "";
      rows.push(row(inkOf(one, mark.text), one.label + ": " + mark.text + span, ""));
    }
  }
  cursor = when;
  if (!rows.length) { tip.hidden = true; return; }
  tip.replaceChildren(element("div", { class: "when" }, moment(when)), ...rows);
  tip.hidden = false;
  const left = GUTTER + ((when - view.min) / (view.max - view.min)) * panel.over.clientWidth + plot.firstElementChild.offsetLeft;
  const width = tip.offsetWidth, room = plot.clientWidth;
  const side = left + 16 + width < room ? left + 16 : left - 16 - width;
  tip.style.transform = `translate(${Math.max(4, Math.min(side, room - width - 4))}px, ${Math.max(4, top - tip.offsetHeight / 2)}px)`;
  state.tip = tip.textContent;
}

function row(ink, label, shownValue) {
  const dot = element("i");
  dot.style.background = `var(${ink})`;
  return element("div", { class: "row" }, dot, element("span", {}, label), element("b", {}, shownValue));
}

plot.addEventListener("pointermove", (event) => {
  if (!panels.length || overviewFrom != null || event.target === $("overview")) return;
  const box = panels[0].over.getBoundingClientRect(), outer = plot.getBoundingClientRect();
  const at = view.min + ((event.clientX - box.left) / box.width) * (view.max - view.min);
  if (at < view.min || at > view.max) hideTip(); else showTip(at, event.clientY - outer.top);
});
plot.addEventListener("pointerleave", hideTip);

// Moves the cursor to a time, as the keyboard does.
function moveTo(at) {
  const panel = panels[0];
  if (at < view.min || at > view.max) zoom(at - (view.max - view.min) / 2, at + (view.max - view.min) / 2);
  for (const one of panels) one.setCursor({ left: one.valToPos(at, "x"), top: one.over.clientHeight / 2 });
  showTip(at, panel.over.clientHeight / 3);
}

function step(by) {
  const lead = all.find((one) => shown(one) && one.kind !== "dots") || all[0];
  if (!lead || !lead.line.x.length) return;
  const { x, y } = lead.line;
  let at = nearest(x, y, cursor ?? (view.min + view.max) / 2);
  // As far as can be seen, and one sample at least.
  const least = ((view.max - view.min) / Math.max(1, panels[0].over.clientWidth)) * 2, from = x[at];
  do at += by; while (at >= 0 && at < x.length && (y[at] == null || Math.abs(x[at] - from) < least));
  if (at >= 0 && at < x.length) moveTo(x[at]);
}

plot.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !panels.length) return;
  const keys = {
    ArrowLeft: () => event.shiftKey ? by(1, -0.25) : step(-1),
    ArrowRight: () => event.shiftKey ? by(1, 0.25) : step(1),
    "+": () => by(0.5), "=": () => by(0.5), "-": () => by(2), 0: reset, Escape: reset,
    Home: () => moveTo(full[0]), End: () => moveTo(full[1]),
    PageUp: () => choose(chosen - 1), PageDown: () => choose(chosen + 1),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

// The overview: a drag over it chooses what is shown.
let overviewFrom = null;
const overviewAt = (event) => overview.at(event.clientX - $("overview").getBoundingClientRect().left);
$("overview").addEventListener("pointerdown", (event) => {
  const at = overviewAt(event), inside = zoomed && at > view.min && at < view.max;
  overviewFrom = { at, inside, min: view.min, max: view.max };
  $("overview").setPointerCapture(event.pointerId);
});
$("overview").addEventListener("pointermove", (event) => {
  if (!overviewFrom) return;
  const at = overviewAt(event), { at: from, inside, min, max } = overviewFrom;
  if (inside) zoom(min + at - from, max + at - from);
  else if (Math.abs(at - from) > (full[1] - full[0]) / 200) zoom(Math.min(from, at), Math.max(from, at));
});
for (const end of ["pointerup", "pointercancel"]) $("overview").addEventListener(end, () => { overviewFrom = null; });
$("overview").addEventListener("dblclick", reset);

function choose(to) {
  if (to < 0 || to >= D.charts.length) return;
  chosen = to;
  $("group").value = String(to);
  $("previous").disabled = to === 0;
  $("next").disabled = to === D.charts.length - 1;
  for (const line of document.querySelectorAll("#groups tbody tr")) {
    if (line.dataset.chart === String(to)) line.setAttribute("aria-current", "true"); else line.removeAttribute("aria-current");
  }
  draw();
}

$("group").append(...D.charts.map((chart, i) => element("option", { value: String(i) }, chart.group.slice(0, 100) || "all points")));
$("group").addEventListener("change", () => choose(Number($("group").value)));
$("previous").addEventListener("click", () => choose(chosen - 1));
$("next").addEventListener("click", () => choose(chosen + 1));
$("field").append(...D.fields.map((name, i) => element("option", { value: String(i) }, name)));
$("field").addEventListener("change", () => { field = Number($("field").value); draw(); });
$("fields").hidden = D.fields.length < 2;
$("pick").hidden = D.charts.length < 2;
$("in").addEventListener("click", () => by(0.5));
$("out").addEventListener("click", () => by(2));
$("left").addEventListener("click", () => by(1, -0.25));
$("right").addEventListener("click", () => by(1, 0.25));
$("reset").addEventListener("click", reset);

let width = 0;
new ResizeObserver(() => {
  const now = $("panels").clientWidth;
  if (now && now !== width) { if (width) draw(); width = now; }
}).observe(plot);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

width = $("panels").clientWidth;
if (D.charts.length) choose(0); else draw();
tables();
