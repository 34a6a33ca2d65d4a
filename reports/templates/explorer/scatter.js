// A scatter plot on logarithmic axes as SVG: one path for each kind of mark, however many marks there are.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

// The style sheet's six colours; each has a shape of its own beside it.
const COLOURS = [0, 1, 2, 3, 4, 5].map((k) => `var(--mark-${k})`);
const SHAPES = [
  (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  (x, y, r) => `M${x - 0.9 * r} ${y - 0.9 * r}h${1.8 * r}v${1.8 * r}h${-1.8 * r}z`,
  (x, y, r) => `M${x} ${y - 1.2 * r}l${1.15 * r} ${2 * r}h${-2.3 * r}z`,
  (x, y, r) => `M${x} ${y - 1.3 * r}l${1.3 * r} ${1.3 * r}l${-1.3 * r} ${1.3 * r}l${-1.3 * r} ${-1.3 * r}z`,
  (x, y, r) => `M${x} ${y + 1.2 * r}l${1.15 * r} ${-2 * r}h${-2.3 * r}z`,
  (x, y, r) => `M${x - r} ${y}h${2 * r}M${x} ${y - r}v${2 * r}`,
];
const arrow = (x, y, r) => `M${x - r} ${y}h${2 * r}M${x} ${y}v${-3.4 * r}l${-0.8 * r} ${1.2 * r}M${x} ${y - 3.4 * r}l${0.8 * r} ${1.2 * r}`;

function element(name, attributes, ...children) {
  const made = name.includes(":") ? document.createElementNS(SVG, name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Three significant digits, thousands separated, as everywhere in the report.
function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= 7 || exponent < -4) return `${(value / 10 ** exponent).toFixed(2)}·10^${exponent}`;
  const digits = Math.max(0, 2 - exponent);
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// Ticks at powers of ten, or at 1, 2, 5, 10, … where the axis spans less than two decades.
function ticks([low, high]) {
  const steps = Math.log10(high / low) < 2 ? [1, 2, 5] : [1];
  const found = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
    for (const step of steps) if (step * 10 ** e >= low && step * 10 ** e <= high) found.push(step * 10 ** e);
  return found;
}

function tickText(value) {
  return value >= 1e7 || value < 1e-3 ? value.toExponential(0).replace("e+", "e") : value.toLocaleString("en-US", { maximumFractionDigits: 6 });
}

// The range of some values on a logarithmic axis, with room on both sides.
function span(values, room) {
  let low = Infinity, high = 0;
  for (const value of values) if (value > 0) { low = Math.min(low, value); high = Math.max(high, value); }
  return high ? [low / room, high * room] : [0.5, 2];
}

// Draw marks {x, y, shape, colour, hollow, atLeast, low, high} and lines {y, label}; marks get their place as
// `px` and `py`.
function scatter(svg, marks, lines, axes) {
  const width = svg.clientWidth || 720, height = svg.clientHeight || 420;
  const left = 64, right = 30, top = 26, bottom = 46;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const place = (value, [low, high], from, to) => from + (to - from) * Math.log(value / low) / Math.log(high / low);
  const px = (value) => place(value, axes.xSpan, left, width - right);
  const py = (value) => place(value, axes.ySpan, height - bottom, top);
  const r = marks.length > 2000 ? 2.2 : marks.length > 300 ? 3.2 : 4.6;

  const grid = element("svg:g", { class: "grid" }), text = element("svg:g", { class: "ticks" });
  let last = -Infinity;
  for (const value of ticks(axes.xSpan)) {
    const x = px(value);
    grid.append(element("svg:path", { d: `M${x} ${top}V${height - bottom}` }));
    if (x - last > 46) { text.append(element("svg:text", { x, y: height - bottom + 17, "text-anchor": "middle" }, tickText(value))); last = x; }
  }
  for (const value of ticks(axes.ySpan)) {
    const y = py(value);
    grid.append(element("svg:path", { d: `M${left} ${y}H${width - right}` }));
    text.append(element("svg:text", { x: left - 8, y: y + 4, "text-anchor": "end" }, tickText(value)));
  }
  text.append(
    element("svg:text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle", class: "title" }, axes.xTitle),
    element("svg:text", { x: 4, y: 14, class: "title" }, axes.yTitle),
  );
  const frame = element("svg:path", { class: "frame", d: `M${left} ${top}V${height - bottom}H${width - right}` });

  const real = element("svg:g", { class: "real" });
  for (const { y, label } of lines) {
    real.append(element("svg:path", { d: `M${left} ${py(y)}H${width - right}` }));
    real.append(element("svg:text", { x: left + 6, y: py(y) - 6 }, label));
  }

  const paths = new Map(), bars = new Map();
  for (const mark of marks) {
    mark.px = px(mark.x) + (mark.shift ?? 0);
    mark.py = py(mark.y);
    const x = Math.round(mark.px * 10) / 10, y = Math.round(mark.py * 10) / 10;
    const kind = `${mark.colour}|${mark.atLeast ? "arrow" : mark.hollow ? "hollow" : "full"}`;
    paths.set(kind, (paths.get(kind) ?? "") + (mark.atLeast ? arrow : SHAPES[mark.shape])(x, y, r));
    if (mark.low && mark.high) bars.set(mark.colour, `${bars.get(mark.colour) ?? ""}M${x} ${py(mark.low).toFixed(1)}V${py(mark.high).toFixed(1)}`);
  }
  const drawn = element("svg:g", { class: "marks" });
  for (const [colour, d] of bars) drawn.append(element("svg:path", { d, class: "bar", style: `stroke:${colour}` }));
  for (const [kind, d] of paths) {
    const [colour, how] = kind.split("|");
    drawn.append(element("svg:path", { d, class: how, style: `stroke:${colour};fill:${how === "full" ? colour : "none"}` }));
  }
  svg.replaceChildren(grid, real, frame, drawn, text, element("svg:circle", { class: "ring", r: r + 5, visibility: "hidden" }));
}
