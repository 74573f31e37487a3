// The form that starts a run, and the runs that are there.
import {element} from "./units.js";
import {post} from "./post.js";

const base = document.body.dataset.base, at = id => document.getElementById(id);
const LABELS = {concurrency: "Users, rung by rung", rate: "Requests per second, rung by rung", at: "Operating point (a rung)", users: "Users to begin with", soak_duration: "Duration of the soak", soak_load: "Load of the soak",
  duration: "Window at least", min_requests: "Requests per window at least", blocks: "Blocks", ttft: "SLO: TTFT", tpot: "SLO: TPOT", max_duration: "At most this long", max_cost: "At most this much money"};
const OF = {concurrency: ["ladder", "manual"], rate: ["arrivals"], at: ["ladder", "arrivals"], users: ["manual"], soak_duration: ["soak"], soak_load: ["soak"], duration: ["ladder", "arrivals", "search", "manual"], min_requests: ["ladder", "arrivals", "search", "manual"], blocks: ["ladder", "arrivals", "search"]};
const HINTS = {concurrency: "1..32 or 1, 2, 4", rate: "1..16 or 0.5, 2", users: "1", duration: "30s", soak_duration: "10m", ttft: "500ms", tpot: "50ms", max_duration: "1h"};
let scenarios = [], aa = "", base_run = "", was = "";

const json = async path => (await fetch(`${base}/llm/${path}`, {cache: "no-store"})).json();
const chosen = () => scenarios.find(one => one.name === at("scenario").value);

for (const [name, label] of Object.entries(LABELS)) {
  const input = element("input", "", [], {id: `knob-${name}`, name, autocomplete: "off", "aria-describedby": `wrong-${name}`, placeholder: HINTS[name] ?? ""});
  at("knobs").append(element("div", "", [element("label", label, [], {for: input.id}), input, element("p", "", [], {class: "bad", id: `wrong-${name}`, "data-error": name})]));
}

async function load() {
  const told = await json("scenarios");
  scenarios = told.scenarios; aa = told.aa;
  at("scenario").replaceChildren(...scenarios.map(one => element("option", one.name + (one.error ? " (cannot be started)" : ""), [], {value: one.name})));
  at("shape").replaceChildren(...told.shapes.map(name => element("option", name, [], {value: name})));
  picked();
}

function picked() {
  const one = chosen();
  at("about").textContent = one?.error ?? `${one?.title ?? ""}: ${one?.arms.join(", ") ?? ""}`;
  if (one?.shape) at("shape").value = one.shape;
  for (const name of Object.keys(LABELS)) at(`knob-${name}`).value = "";
  for (const [name, value] of Object.entries(one?.knobs ?? {})) if (value) at(`knob-${name}`).placeholder = value;
  const folder = one?.name.split("/")[0], alone = one?.arms?.length === 1;
  const others = alone ? scenarios.filter(other => other.arms && other.name.split("/")[0] === folder).flatMap(other => other.arms.map(arm => `${other.name}: ${arm}`)) : [];
  at("candidate").replaceChildren(element("option", alone ? "none" : "the file's own arms", [], {value: ""}), ...(alone ? [aa, ...others].map(name => element("option", name, [], {value: name})) : []));
  shaped();
}

function shaped() {
  for (const name of Object.keys(LABELS)) at(`knob-${name}`).parentElement.hidden = OF[name] !== undefined && !OF[name].includes(at("shape").value);
}

function complain(errors) {
  let first = null;
  for (const place of document.querySelectorAll("[data-error]")) {
    const name = place.dataset.error, field = at(`knob-${name}`) ?? (name ? at(name) : null);
    place.textContent = errors[name] ?? "";
    field?.setAttribute("aria-invalid", String(name in errors));
    if (name in errors && field && !field.parentElement.hidden) first ??= field;
  }
  first?.focus();
}

at("start").addEventListener("submit", async event => {
  event.preventDefault();
  at("go").disabled = true; at("go-said").textContent = "Starting…";
  const knobs = {};
  for (const name of Object.keys(LABELS)) if (name !== "users" && !at(`knob-${name}`).parentElement.hidden) knobs[name] = at(`knob-${name}`).value;
  try {
    const {errors} = await post("start", {scenario: at("scenario").value, shape: at("shape").value, candidate: at("candidate").value, users: at("knob-users").value || "1", knobs});
    complain(errors);
    at("go-said").textContent = Object.keys(errors).length ? "Not started." : "Started.";
    if (!Object.keys(errors).length) at("now").focus();
  } catch (error) { at("go-said").textContent = `Not started: ${error.message}`; }
  at("go").disabled = false;
});
at("scenario").addEventListener("change", picked);
at("shape").addEventListener("change", shaped);

async function runs() {
  const told = (await json("runs")).runs;
  const head = element("tr", "", ["run", "scenario", "verdict", "report", "compare"].map(name => element("th", name, [], {scope: "col"})));
  at("runs").replaceChildren(head, ...told.map(row));
  base_run = "";
  at("compare-said").textContent = told.length ? "Choose two runs to compare them." : "There is no run yet.";
}

function row(run) {
  const state = run.verdict ?? (run.ended ? "no report" : "unfinished");
  const report = run.report ? element("a", "Report", [], {href: `${base}/llm/runs/${encodeURIComponent(run.id)}/report.html`, "aria-label": `Report of ${run.id}`}) : "";
  const compare = element("button", "Compare", [], {type: "button", "aria-pressed": "false", "aria-label": `Compare ${run.id}`});
  compare.addEventListener("click", () => compared(run.id, compare));
  return element("tr", "", [element("th", run.id, [], {scope: "row"}), element("td", run.scenario), element("td", state), element("td", "", report ? [report] : []), element("td", "", run.report ? [compare] : [])]);
}

function compared(id, button) {
  if (!base_run) {
    base_run = id; button.setAttribute("aria-pressed", "true");
    at("compare-said").textContent = `${id} is the base: choose the candidate.`;
  } else if (base_run === id) {
    base_run = ""; button.setAttribute("aria-pressed", "false"); at("compare-said").textContent = "Choose two runs to compare them.";
  } else {
    location.assign(`${base}/llm/compare?${new URLSearchParams({base: base_run, candidate: id})}`);
  }
}

document.addEventListener("state", ({detail: state}) => {
  const now = `${state.state}/${state.run?.id}`;
  at("go").disabled = ["starting", "running", "ending"].includes(state.state);
  if (now !== was) at("form").open = !at("go").disabled;
  if (now !== was && (!was || !["starting", "running"].includes(state.state))) runs();
  was = now;
});
load();
