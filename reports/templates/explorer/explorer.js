// The interactive figure. Every number was computed with the report; this script only chooses and shows.
{
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const at = (id) => document.getElementById(id);
  const count = data.trials.id.length;
  const MOST_VALUES = 12; // of an axis with more a choice of one is offered, not a box for each
  const MOST_COLOURED = COLOURS.length;

  const gate = {
    key: "quality gate", values: ["passed", "not passed", "not measured"],
    codes: data.trials.passes.map((passes) => (passes === 1 ? 0 : passes === 0 ? 1 : 2)),
  };
  const axes = [...data.axes, gate];
  const wanted = new Map(); // axis -> the codes that are shown; all where it is missing
  const state = { embedding: 0, stop: data.embeddings[0].start, x: 0, ratio: false, colour: 0, focus: -1, marks: [] };
  const embedding = () => data.embeddings[state.embedding];
  const stop = () => embedding().stops[state.stop];

  // What a trial shows at this tau: N2, or at least so much where no pair collided; as a ratio to its real images.
  function value(k) {
    const collisions = stop().counts[k], pairs = embedding().pairs[k];
    if (collisions === null || pairs === null) return null;
    const n2 = pairs / Math.max(collisions, -Math.log(0.05));
    const found = { collisions, n2: collisions ? n2 : null, least: n2, ratio: null };
    const real = embedding().known.findIndex((one) => one.real && one.data === data.trials.data[k]);
    if (real >= 0 && stop().known[real]) found.ratio = n2 * stop().known[real] / embedding().known[real].pairs;
    return found;
  }

  const named = (k) => data.axes.filter((axis) => axis.key !== "variant").map((axis) => `${axis.key} ${axis.values[axis.codes[k]]}`).join(", ") || data.trials.id[k];

  function measured(found) {
    const bound = found.collisions ? "" : "at least ";
    const n2 = `N₂ ${bound}${number(found.least)}`;
    return found.ratio === null ? n2 : `${n2}, ${bound}${number(found.ratio)} times the real images'`;
  }

  function marks() {
    const size = data.sizes[state.x], colouring = axes[state.colour];
    const coloured = colouring.values.length <= MOST_COLOURED;
    const bars = stop().own && state.embedding === 0 && count <= 300 && !state.ratio;
    // Beside each other, and of many a little apart, lest points of equal size hide one another.
    const mixed = new Set(size.values.map((x, k) => `${x} ${colouring.codes[k]}`)).size > new Set(size.values).size;
    const step = Math.min(count > 100 ? 18 : 9, 60 / (coloured ? colouring.values.length : 1));
    const apart = count > 100 ? 0.8 * step : 0;
    const found = [];
    state.unknown = 0;
    for (let k = 0; k < count; k++) {
      const x = size.values[k], one = value(k);
      if (!x || !one) continue;
      if (state.ratio && one.ratio === null) { state.unknown++; continue; }
      if (!axes.every((axis) => wanted.get(axis.key)?.has(axis.codes[k]) ?? true)) continue;
      const code = coloured ? colouring.codes[k] : 0;
      const beside = coloured && mixed ? step * (code - (colouring.values.length - 1) / 2) : 0;
      const shift = beside + apart * ((k * 0.618034) % 1 - 0.5);
      found.push({
        k, x, y: state.ratio ? one.ratio : one.least, shift, shape: code, colour: COLOURS[code],
        hollow: gate.codes[k] !== 0, atLeast: !one.collisions,
        low: bars && one.collisions && data.trials.low[k], high: bars && one.collisions && data.trials.high[k],
      });
    }
    return found.sort((a, b) => a.x - b.x || a.shape - b.shape || a.y - b.y);
  }

  function lines() {
    if (state.ratio) return [{ y: 1, label: "held-out real images" }];
    const real = embedding().known.map((one, j) => ({ ...one, count: stop().known[j] })).filter((one) => one.real && one.count);
    return real.map((one) => ({ y: one.pairs / one.count, label: one.name }));
  }

  // The span of everything that any filter leaves, so that filtering moves no point.
  function spans() {
    const ys = lines().map((line) => line.y);
    for (let k = 0; k < count; k++) {
      const one = value(k);
      if (one) ys.push(state.ratio ? one.ratio : one.least);
    }
    return { xSpan: span(data.sizes[state.x].values, 1.35), ySpan: span(ys, 1.5) };
  }

  function draw() {
    state.marks = marks();
    scatter(at("plot"), state.marks, lines(), {
      ...spans(), xTitle: data.sizes[state.x].label,
      yTitle: state.ratio ? "N₂ relative to real images" : "support size N₂",
    });
    at("plot").dataset.marks = state.marks.length;
    const many = (n) => n.toLocaleString("en-US");
    at("plot-status").textContent = `${many(state.marks.length)} of ${many(count)} trials shown`
      + (state.unknown ? "; where no pair of real images collided there is no ratio" : "") + ".";
    leave();
  }

  function legend() {
    const colouring = axes[state.colour];
    const coloured = colouring.values.length <= MOST_COLOURED;
    const entry = (shape, colour, full, label) => element("li", {},
      element("svg:svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, element("svg:path", { d: shape(8, 8, 5), style: `stroke:${colour};fill:${full ? colour : "none"}` })), label);
    const entries = coloured
      ? colouring.values.map((text, code) => entry(SHAPES[code], COLOURS[code], true, `${colouring.key === "variant" ? "" : `${colouring.key} `}${text}`))
      : [entry(SHAPES[0], COLOURS[0], true, `a trial (${colouring.key} has ${colouring.values.length} values: too many colours)`)];
    if (gate.codes.some((code) => code)) entries.push(entry(SHAPES[0], "currentColor", false, "hollow: not past the quality gate"));
    if (stop().counts.some((found) => found === 0)) entries.push(entry((x) => arrow(x, 13, 3.4), "currentColor", false, "no pair collided: at least"));
    at("plot-legend").replaceChildren(...entries);
  }

  // Everything that tau and the embedding move.
  function ruler() {
    const { tau, rung, own, within, verdicts } = stop();
    const name = `τ = ${tau}` + (own ? ", the study's own" : rung ? `, where ${rung} of real pairs lie` : "");
    at("threshold-value").textContent = name;
    at("threshold").setAttribute("aria-valuetext", name);
    at("threshold-own").hidden = own && state.embedding === 0;
    const primary = own && state.embedding === 0;
    const under = data.embeddings.length > 1 ? ` under ${embedding().name}` : "";
    const lead = primary ? "At the study's own τ, as stated beforehand:" : `At τ = ${tau}${under}, which is not the ruler stated beforehand:`;
    const precise = within ? `Distances here are known to ±${within}.` : "";
    at("verdict-now").replaceChildren(element("p", { class: "note" }, verdicts.length ? `${lead} ${precise}` : precise),
      ...verdicts.map((verdict, h) => element("div", { class: `now ${verdict.decision}` },
        element("p", {}, element("span", { class: "badge" }, verdict.decision), " ", element("b", {}, data.hypotheses[h])),
        element("p", {}, verdict.text),
        element("p", { class: "note" }, `Above the quality gate: ${verdict.gated}`))));
    at("known-rows").replaceChildren(...embedding().known.map((one, j) => {
      const found = stop().known[j];
      const n2 = found === null ? "–" : found ? number(one.pairs / found) : "no collision";
      return element("tr", {}, element("th", { scope: "row" }, one.name), ...[found === null ? "–" : found.toLocaleString("en-US"), n2, number(stop().true[j] ?? null)].map((text) => element("td", {}, text)));
    }));
    legend();
    draw();
    if (!at("trial").hidden) panel(Number(at("trial").dataset.trial));
  }

  // The mark under the pointer or reached by the keyboard.
  function enter(place, spoken) {
    state.focus = place;
    const mark = state.marks[place], ring = at("plot").querySelector(".ring"), tip = at("tip");
    ring.setAttribute("cx", mark.px);
    ring.setAttribute("cy", mark.py);
    ring.setAttribute("visibility", "visible");
    const text = [named(mark.k), measured(value(mark.k))];
    tip.replaceChildren(element("b", {}, text[0]), element("br"), text[1]);
    tip.hidden = false;
    const box = at("plot").getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(mark.px + 12, box.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${mark.py > tip.offsetHeight + 24 ? mark.py - tip.offsetHeight - 12 : mark.py + 14}px`;
    if (spoken) at("spoken").textContent = `${place + 1} of ${state.marks.length}: ${text.join(": ")}`;
  }

  function leave() {
    state.focus = -1;
    at("tip").hidden = true;
    at("plot").querySelector(".ring")?.setAttribute("visibility", "hidden");
  }

  function nearest(event, reach) {
    const box = at("plot").getBoundingClientRect();
    let best = -1, least = reach ** 2;
    state.marks.forEach((mark, place) => {
      const square = (mark.px - event.clientX + box.x) ** 2 + (mark.py - event.clientY + box.y) ** 2;
      if (square < least) [best, least] = [place, square];
    });
    return best;
  }

  function panel(k) {
    const one = value(k), { low, high, precision } = data.trials;
    const bounds = low[k] === null ? "–" : `[${number(low[k])}, ${high[k] === null ? "∞" : number(high[k])}]`;
    const facts = [
      ...data.axes.map((axis) => [axis.key, axis.values[axis.codes[k]]]),
      ...data.sizes.map((size) => [size.label, size.values[k] === null ? "–" : size.values[k].toLocaleString("en-US")]),
      ["near-duplicates C, of pairs", one ? `${one.collisions.toLocaleString("en-US")} of ${embedding().pairs[k].toLocaleString("en-US")}` : "–"],
      [`at τ = ${stop().tau}`, one ? measured(one) : "not measured"],
      ["95 % interval at the study's own τ", bounds],
      ["precision", number(precision[k])], [gate.key, gate.values[gate.codes[k]]], ["trial", data.trials.id[k]],
    ];
    at("trial").dataset.trial = k;
    at("trial-name").textContent = named(k);
    at("trial-facts").replaceChildren(...facts.flatMap(([key, text]) => [element("dt", {}, key), element("dd", {}, text)]));
    at("trial").hidden = false;
    const sprite = data.images[k];
    if (!sprite) {
      at("trial-images").replaceChildren(element("p", { class: "missing" }, Object.keys(data.images).length
        ? "This page has no room for the images of this trial: lowest seeds come first."
        : "No images: the data are points, or none were stored."));
      return;
    }
    pictures(sprite).then((parts) => { if (Number(at("trial").dataset.trial) === k) at("trial-images").replaceChildren(...parts); });
  }

  function choice(id, options, chosen, then) {
    at(id).replaceChildren(...options.map((text, k) => element("option", { value: k }, text)));
    at(id).value = chosen;
    at(id).addEventListener("change", () => then(Number(at(id).value)));
    at(id).closest("label").hidden = options.length < 2;
  }

  function filters() {
    const groups = axes.filter((axis) => new Set(axis.codes).size > 1).map((axis) => {
      const chosen = (codes) => { codes ? wanted.set(axis.key, new Set(codes)) : wanted.delete(axis.key); draw(); };
      if (axis.values.length > MOST_VALUES) {
        const select = element("select", {}, element("option", { value: "" }, "all"), ...axis.values.map((text, code) => element("option", { value: code }, text)));
        select.addEventListener("change", () => chosen(select.value === "" ? null : [Number(select.value)]));
        return element("label", {}, axis.key, " ", select);
      }
      const boxes = axis.values.map((text, code) => {
        const box = element("input", { type: "checkbox", value: code, checked: "" });
        box.addEventListener("change", () => chosen(boxes.map(([, one]) => one).filter((one) => one.checked).map((one) => Number(one.value))));
        return [element("label", {}, box, " ", text), box];
      });
      return element("fieldset", {}, element("legend", {}, axis.key), ...boxes.map(([label]) => label));
    });
    at("filters").replaceChildren(...groups);
    at("filters").closest("details").hidden = !groups.length;
  }

  function keys(event) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const last = state.marks.length - 1;
    if (event.key in steps && last >= 0) enter(Math.max(0, Math.min(last, state.focus + steps[event.key])), true);
    else if (event.key === "Home" && last >= 0) enter(0, true);
    else if (event.key === "End" && last >= 0) enter(last, true);
    else if ((event.key === "Enter" || event.key === " ") && state.focus >= 0) { panel(state.marks[state.focus].k); at("trial").focus(); }
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
  }

  function close() {
    at("trial").hidden = true;
    at("plot-box").focus();
  }

  function slide(embedded, place) {
    state.embedding = embedded;
    state.stop = place;
    at("threshold").max = embedding().stops.length - 1;
    at("threshold").disabled = embedding().stops.length < 2;
    at("threshold").value = place;
    at("embedding").value = embedded;
    ruler();
  }

  at("explorer").hidden = false;
  const start = data.sizes.findIndex((size) => size.key === data.start);
  state.x = Math.max(0, start);
  choice("against", data.sizes.map((size) => size.label), state.x, (k) => { state.x = k; draw(); });
  choice("shown", ["support size N₂", "ratio to real images"], 0, (k) => { state.ratio = k === 1; draw(); });
  choice("coloured", axes.map((axis) => axis.key), 0, (k) => { state.colour = k; legend(); draw(); });
  choice("embedding", data.embeddings.map((one) => one.name), 0, (k) => slide(k, data.embeddings[k].start));
  at("threshold").addEventListener("input", () => { state.stop = Number(at("threshold").value); ruler(); });
  at("threshold-own").addEventListener("click", () => { slide(0, data.embeddings[0].start); at("threshold").focus(); });
  at("plot").addEventListener("pointermove", (event) => { const place = nearest(event, 24); place < 0 ? leave() : enter(place, false); });
  at("plot").addEventListener("pointerleave", leave);
  at("plot").addEventListener("click", (event) => { const place = nearest(event, 24); if (place >= 0) { enter(place, false); panel(state.marks[place].k); } });
  at("plot-box").addEventListener("keydown", keys);
  at("trial").addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  at("trial-close").addEventListener("click", close);
  at("plot-note").textContent = data.note;
  filters();
  slide(0, data.embeddings[0].start);
  new ResizeObserver(draw).observe(at("plot"));
}
