"use strict";

const LABELS = { d: "duplicate", n: "different", c: "unsure" };
const $ = (id) => document.getElementById(id);
const address = new URL(location);
let rater = address.searchParams.get("rater");
let pair = null; // the id of the pair shown, null while none may be judged

// The token is a cookie by now; the address bar keeps only what resumes the work.
function remember() {
  address.searchParams.delete("token");
  if (rater) address.searchParams.set("rater", rater);
  history.replaceState(null, "", address);
}

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is `birthday review` still running?");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function show(state) {
  for (const side of state.pair ? ["left", "right"] : []) {
    $(side).src = `data:image/png;base64,${state.pair[side]}`;
    await $(side).decode();
  }
  $("start").hidden = true;
  $("judge").hidden = !state.pair;
  $("done").hidden = Boolean(state.pair);
  $("undo").hidden = state.done === 0;
  $("who").hidden = $("progress").hidden = false;
  $("who").textContent = `${state.done} of ${state.total} judged · ${state.rater}`;
  $("progress").setAttribute("aria-valuemax", state.total);
  $("progress").setAttribute("aria-valuenow", state.done);
  $("progress").firstElementChild.style.width = `${(100 * state.done) / state.total}%`;
  for (const label of Object.values(LABELS)) $(label).textContent = state.counts[label];
  pair = state.pair && state.pair.id;
}

// One request at a time: a key held down or struck twice judges one pair.
let busy = false;
async function once(action) {
  if (busy) return;
  busy = true;
  try {
    await action();
  } catch (error) {
    say(error.message);
  } finally {
    busy = false;
  }
}

const judge = (label) => once(async () => {
  if (!pair) return;
  const state = await ask("/judge", { rater, pair, label });
  say(state.accepted ? "" : "That pair was no longer the one to judge (is another window open?). Nothing was recorded.");
  await show(state);
});

const undo = () => once(async () => {
  const state = await ask("/undo", { rater });
  say("");
  await show(state);
});

const begin = (name) => once(async () => {
  const state = await ask(`/state?rater=${encodeURIComponent(name)}`);
  rater = state.rater;
  remember();
  say("");
  await show(state);
});

async function start() {
  const { raters } = await ask("/raters");
  for (const name of raters) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => begin(name));
    $("raters").append(button);
  }
  $("known").hidden = raters.length === 0;
  $("start").hidden = false;
  $("name").focus();
}

$("start").addEventListener("submit", (event) => {
  event.preventDefault();
  begin($("name").value);
});
for (const button of document.querySelectorAll("#answers button")) {
  button.addEventListener("click", () => judge(button.dataset.label));
}
$("undo").addEventListener("click", undo);
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || !$("start").hidden) return;
  const key = event.key.toLowerCase();
  if (key in LABELS) judge(LABELS[key]);
  if (key === "u") undo();
});

remember();
once(() => (rater ? ask(`/state?rater=${encodeURIComponent(rater)}`).then(show) : start()));
