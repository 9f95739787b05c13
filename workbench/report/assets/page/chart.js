"use strict";
// The chart of one group: panels of lines, and lanes of what has no value, over one axis of time.

const GUTTER = 62, LANE = 22, RIGHT = 14;

// The lines of a group, for one of its fields: `{ key, label, role, color, line, kind, panel }`.
function lines(chart, field) {
  const found = [];
  const put = (key, label, role, ink, line, kind, panel) => {
    if (decode(line)) found.push({ key, label, role, ink, line, kind, panel });
  };
  let inks = 0;
  if (field >= 0) {
    const name = D.fields[field];
    put("input", name, "input", "--input", chart.inputs[field], "thin", "");
    put("changed", name, "output", "--c0", chart.changed[field], "line", "");
    if (decode(chart.changed[field])) inks++;
  }
  D.added.forEach((name, i) => {
    const together = field < 0 ? i === 0 || D.added.length === 1 : D.together[field][i];
    put("added " + i, name, "added", "--c" + inks++ % 6, chart.added[i], "line", together ? "" : name);
  });
  if (field >= 0) {
    put("flagged", "flagged", "", "--flagged", chart.flagged[field], "dots", "");
    truths(chart, decode(chart.inputs[field]), found);
  }
  return found;
}

// Points that the plugin calls true are marks on the line of the input, too. Their lane has the legend.
function truths(chart, input, found) {
  if (!input || !input.x.length) return;
  for (const { field, marks } of chart.runs) {
    const x = [], y = [];
    for (const [start, , , text] of marks) {
      const at = nearest(input.x, input.y, seconds(start));
      if (text !== "true" || at < 0 || input.x[at] <= x[x.length - 1]) continue;
      x.push(input.x[at]); y.push(input.y[at]);
    }
    const line = { x, y, n: x.length, samples: x.length };
    if (x.length) found.push({ key: "runs " + field, label: field, ink: "--flagged", line, kind: "dots", panel: "", unlisted: true });
  }
}

// What has a time but no value.
function lanes(chart) {
  const found = chart.runs.map((runs) => ({
    key: "runs " + runs.field, label: runs.field, role: "added", more: runs.more,
    marks: runs.marks.map(([start, end, n, text]) => ({ start: seconds(start), end: seconds(end), n, text })),
  }));
  if (chart.skips.length) {
    found.push({
      key: "skipped", label: "skipped", role: points(chart.skipped), more: 0, skipped: true,
      marks: chart.skips.map(([start, end, n, reason]) => ({ start: seconds(start), end: seconds(end), n, text: D.reasons[reason] })),
    });
  }
  return found;
}

// First and last time of what is drawn, with some room.
function extent(all, strips) {
  let min = Infinity, max = -Infinity;
  for (const { line: { x } } of all) {
    if (x.length) { min = Math.min(min, x[0]); max = Math.max(max, x[x.length - 1]); }
  }
  for (const strip of strips) {
    for (const mark of strip.marks) { min = Math.min(min, mark.start); max = Math.max(max, mark.end); }
  }
  if (min > max) return [0, 1];
  const room = max > min ? (max - min) * 0.01 : 1;
  return [min - room, max + room];
}

function range(plot, min, max) {
  if (min == null) return [0, 1];
  return uPlot.rangeNum(min, max, { min: { pad: 0.08, soft: 0, mode: 3 }, max: { pad: 0.08, soft: 0, mode: 3 } });
}

function makePanel(place, all, view, size, { first, last }, hooks) {
  const quiet = color("--quiet"), grid = color("--grid");
  const font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
  const axis = { stroke: quiet, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 5 } };
  const series = all.map(({ ink, kind, panel }) => {
    const stroke = color(ink);
    if (kind === "dots") {
      return {
        stroke, paths: () => null,
        points: { show: true, size: 9, width: 1.5, fill: stroke, stroke: color("--ring") },
      };
    }
    return {
      stroke, width: kind === "thin" ? 1.25 : panel ? 1.5 : 2.25,
      points: { show: (plot, index, from, to) => to - from < plot.width / 12, size: kind === "thin" ? 4 : 5, fill: stroke, width: 0 },
    };
  });
  const options = {
    width: size.width, height: size.height, padding: [10, RIGHT, 0, 0],
    legend: { show: false },
    scales: { x: { time: false, auto: false, min: view.min, max: view.max }, y: { range } },
    axes: [
      { ...axis, incrs: STEPS, splits, values: times, space: () => (view.max - view.min < 10 ? 130 : 92), size: last ? 46 : 12, ...(last ? {} : { values: (plot, all) => all.map(() => "") }) },
      { ...axis, size: GUTTER, space: first ? 34 : 22, grid: all.length ? axis.grid : { show: false }, ticks: all.length ? axis.ticks : { show: false }, values: !all.length ? (plot, all) => all.map(() => "") : (plot, values, index, space, step) => ticks(values, step) },
    ],
    series: [{}, ...series],
    cursor: {
      sync: { key: "time" }, y: false,
      drag: { x: true, y: false, setScale: false },
      bind: { dblclick: () => () => { hooks.reset(); return null; } },
      points: { size: 8 },
      dataIdx: (plot, index, closest, at) => {
        if (index === 0) return closest;
        const x = plot.data[0], y = plot.data[index];
        const found = nearest(x, y, at);
        if (found < 0) return null;
        const far = Math.abs(plot.valToPos(x[found], "x") - plot.valToPos(at, "x"));
        return far > (all[index - 1].kind === "dots" ? 8 : 40) ? null : found;
      },
    },
    hooks: {
      setSelect: [(plot) => {
        const { left, width } = plot.select;
        if (width > 3) hooks.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
    },
  };
  if (!all.length) return new uPlot(options, [[view.min, view.max]], place);
  const data = uPlot.join(all.map(({ line }) => [line.x, line.y]), all.map(() => [1, 1]));
  return new uPlot(options, data, place);
}

// A canvas as sharp as the screen, and its context in units of CSS.
function sharp(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = height + "px";
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
  context.textBaseline = "middle";
  return context;
}

function shortened(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let low = 0, high = Math.min(text.length, 200);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(text.slice(0, middle) + "…").width <= width) low = middle; else high = middle - 1;
  }
  return low ? text.slice(0, low) + "…" : "";
}

// Levels, as those of Kapacitor's alerts, have the colours that they have everywhere. Other texts get colours in the
// order in which they appear.
const LEVELS = [
  [/^true$/, "--flagged"],
  [/^(crit|err|fail|fatal|alert|emerg|down)/i, "--critical"],
  [/^(warn|degraded)/i, "--warn"],
  [/^(ok|good|normal|up|healthy)\b/i, "--ok"],
  [/^(info|notice)/i, "--c4"],
];
function inkOf(strip, text) {
  if (strip.skipped) return "--skipped";
  const level = LEVELS.find(([pattern]) => pattern.test(text));
  if (level) return level[1];
  strip.inks ||= new Map();
  if (!strip.inks.has(text)) strip.inks.set(text, strip.inks.size);
  return ["--c2", "--c5", "--c4", "--c0", "--c3", "--c1"][strip.inks.get(text) % 6];
}

// Black or white, whichever is seen better over a colour, which is `#rrggbb`.
function over(ink) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(ink.slice(at, at + 2), 16));
  return red * 0.3 + green * 0.59 + blue * 0.11 > 140 ? "#161b26" : "#fff";
}

function drawLanes(canvas, strips, view, width) {
  const context = sharp(canvas, width, strips.length * LANE + 4);
  const inner = width - GUTTER - RIGHT;
  const place = (at) => GUTTER + ((at - view.min) / (view.max - view.min)) * inner;
  strips.forEach((strip, i) => {
    const top = i * LANE + 3, middle = top + LANE / 2 - 2;
    context.fillStyle = color("--quiet");
    context.textAlign = "right";
    context.fillText(shortened(context, strip.label, GUTTER - 10), GUTTER - 8, middle);
    context.fillStyle = color("--soft");
    context.fillRect(GUTTER, top, inner, LANE - 5);
    context.textAlign = "left";
    context.save();
    context.beginPath(); context.rect(GUTTER, top, inner, LANE); context.clip();
    for (const mark of strip.marks) {
      if (mark.end < view.min || mark.start > view.max) continue;
      const from = Math.max(place(mark.start), GUTTER - 4), to = Math.min(place(mark.end), width);
      context.fillStyle = color(inkOf(strip, mark.text));
      context.beginPath();
      context.roundRect(to - from < 3 ? (from + to) / 2 - 1.5 : from, top, Math.max(3, to - from), LANE - 5, 2);
      context.fill();
      if (!strip.skipped && to - from > 34) {
        context.fillStyle = over(context.fillStyle);
        context.fillText(shortened(context, mark.text, to - from - 10), from + 5, middle + .5);
      }
    }
    context.restore();
  });
}

function drawOverview(canvas, all, strips, full, view, width) {
  const height = 40, context = sharp(canvas, width, height);
  const inner = width - GUTTER - RIGHT;
  const place = (at) => GUTTER + ((at - full[0]) / (full[1] - full[0])) * inner;
  context.fillStyle = color("--soft");
  context.beginPath(); context.roundRect(GUTTER, 0, inner, height, 6); context.fill();
  const line = all.find((one) => one.kind !== "dots");
  if (line) {
    const { x, y } = line.line;
    let low = Infinity, high = -Infinity;
    for (const one of y) if (one != null) { low = Math.min(low, one); high = Math.max(high, one); }
    if (high <= low) { high = low + 1; low -= 1; }
    context.strokeStyle = color(line.ink);
    context.lineWidth = 1;
    context.beginPath();
    let open = false;
    for (let i = 0; i < x.length; i++) {
      if (y[i] == null) { open = false; continue; }
      const to = [place(x[i]), height - 5 - ((y[i] - low) / (high - low)) * (height - 10)];
      if (open) context.lineTo(...to); else context.moveTo(...to);
      open = true;
    }
    context.stroke();
  }
  for (const one of all.filter((one) => one.kind === "dots")) {
    context.fillStyle = color(one.ink);
    for (const at of one.line.x) context.fillRect(place(at) - 1, height - 5, 2, 5);
  }
  if (!line) {
    for (const strip of strips) for (const mark of strip.marks) {
      context.fillStyle = color(inkOf(strip, mark.text));
      context.fillRect(place(mark.start) - 1, height / 2 - 6, Math.max(2, place(mark.end) - place(mark.start)), 12);
    }
  }
  const from = place(view.min), to = place(view.max);
  context.fillStyle = color("--back");
  context.globalAlpha = .7;
  context.fillRect(GUTTER, 0, Math.max(0, from - GUTTER), height);
  context.fillRect(to, 0, Math.max(0, GUTTER + inner - to), height);
  context.globalAlpha = 1;
  context.strokeStyle = color("--quiet");
  context.beginPath(); context.roundRect(from + .5, .5, Math.max(4, to - from - 1), height - 1, 6); context.stroke();
  return { at: (left) => full[0] + ((left - GUTTER) / inner) * (full[1] - full[0]) };
}
