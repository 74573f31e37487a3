// Polls the state once a second and shows it. Text goes in as text, never as markup.
import {ABSENT, duration, element, money, number, share, span} from "./units.js";
import {LadderChart, OverTime} from "./charts.js";

const base = document.body.dataset.base, at = id => document.getElementById(id);
const LATENCIES = {ttft: "TTFT", tpot: "TPOT", gap: "gap between chunks", e2e: "E2E"};
const SOMETIMES = {"chart-cost": ["money_per_hour"], "chart-engine": ["busy", "kv_used_share"]};  // where it is known
const SILENT_AFTER = 3, EVERY_MS = 1000, HIDDEN_MS = 5000;
const seen = {run: "", steps: [], series: {}, after: -1, failures: 0, state: null};
const charts = [
  new OverTime(base, "chart-ttft", {p50: "ttft_p50", p95: "ttft_p95"}, "ms"),
  new OverTime(base, "chart-tpot", {p50: "tpot_p50", p95: "tpot_p95"}, "ms"),
  new OverTime(base, "chart-gap", {p50: "gap_p50", p95: "gap_p95"}, "ms"),
  new OverTime(base, "chart-e2e", {p50: "e2e_p50", p95: "e2e_p95"}, "ms"),
  new OverTime(base, "chart-tokens", {output: "output_per_s", input: "input_per_s"}, "tokens/s"),
  new OverTime(base, "chart-users", {users: "users", target: "target"}, "users"),
  new OverTime(base, "chart-requests", {ok: "ok_per_s", failed: "failed_per_s"}, "requests/s"),
  new OverTime(base, "chart-good", {good: "good"}, "share of sent"),
  new OverTime(base, "chart-lag", {lag: "lag"}, "ms"),
  new OverTime(base, "chart-cost", {"per hour": "money_per_hour"}, "API money per hour"),
  new OverTime(base, "chart-engine", {"GPU busy": "busy", "KV in use": "kv_used_share"}, "share"),
];
const ladder = new LadderChart(base);

async function poll() {
  try {
    const asked = new URLSearchParams({run: seen.run, steps: seen.steps.length, after: seen.after});
    const answer = await fetch(`${base}/llm/state?${asked}`, {cache: "no-store", signal: AbortSignal.timeout(8000)});
    if (answer.redirected || answer.status === 401) { location.reload(); return; }
    if (!answer.ok) throw new Error(answer.status);
    take(await answer.json());
    seen.failures = 0;
  } catch { seen.failures += 1; }
  if (seen.failures >= SILENT_AFTER) gone();
  setTimeout(poll, document.hidden ? HIDDEN_MS : EVERY_MS);
}

function gone() {
  at("state").textContent = "no answer"; at("state").dataset.state = "gone";
  banner("The master does not answer. It has stopped, or the network between it and this page is down; the page goes on asking. What was measured is in its run directory.");
}

function banner(text) { at("banner").hidden = !text; if (at("banner").textContent !== text) at("banner").textContent = text; }

function take(state) {
  const run = state.run?.id ?? "";
  if (run !== seen.run || state.steps_before < seen.steps.length) Object.assign(seen, {run, steps: [], series: {}, after: -1});
  seen.steps.push(...state.steps);
  for (const [name, values] of Object.entries(state.series)) seen.series[name] = [...(seen.series[name] ?? []), ...values].slice(-600);
  seen.after = seen.series.t?.at(-1) ?? -1;
  seen.state = state;
  show(state);
  document.dispatchEvent(new CustomEvent("state", {detail: state}));
}

function show(state) {
  heading(state); latencies(state.figures); tiles(state); outcomes(state.outcomes); warnings(state.warnings); engines(state.engines);
  for (const chart of charts) chart.show(seen.run, seen.series);
  for (const [id, columns] of Object.entries(SOMETIMES)) at(id).closest("figure").hidden = !columns.some(name => seen.series[name]?.some(value => value !== null));
  cells(state.run); climbing();
}

function heading({state, text, run, step, progress, report}) {
  at("state").textContent = state; at("state").dataset.state = state;
  at("name").textContent = run?.scenario ?? "Steer and watch";
  document.title = `${run ? `${run.scenario}: ${state}` : "Steer and watch"} – tokenswarm`;
  const place = step?.id ? `${step.arm} · ${step.cell} · ${number(step.load)} ${step.unit} · block ${step.block} · ` : "";
  at("where").textContent = step ? `${place}${step.phase} for ${span(step.phase_s)}` : run ? `${run.shape} · ${run.id}` : "No run yet.";
  at("progress").max = Math.max(progress?.steps ?? 1, 1); at("progress").value = progress?.done ?? 0;
  const most = progress?.at_most ? "at most " : "";
  at("left").textContent = progress?.steps ? `${progress.done} of ${most}${progress.steps} steps` + (step && progress.left_s !== null ? ` · ${most}${span(progress.left_s)} left` : "") : "";
  banner(state === "failed" ? `The run could not begin: ${text}` : state === "ended" && text ? `The run ended early: ${text}` : "");
  at("report").hidden = !report;
  if (report) at("report").href = `${base}/llm/runs/${encodeURIComponent(run.id)}/report.html`;
}

function latencies(figures) {
  at("latencies").tBodies[0].replaceChildren(...Object.entries(LATENCIES).map(([key, name]) =>
    element("tr", "", [element("th", name, [], {scope: "row"}), ...["p50", "p95", "p99"].map(q => element("td", duration(figures[key][q])))])));
}

function tiles({figures, rates, cost, users, target, workers}) {
  const all = [
    ["tokens/s out", number(rates.output)], ["tokens/s in", number(rates.input)], ["requests/s ok", number(rates.ok)],
    ["users against target", target === null ? number(users) : `${number(users)} of ${number(target)}`],
    ["good of sent", share(figures.good)], ["sent in this window", number(figures.sent)],
    ["failed in this window", number(figures.failed)],
    ["client: TTFT uncertain by, p99", duration(figures.uncertainty_s)], ["client: longest read lag", duration(figures.lag_s)],
    ["workers", `${workers.present} of ${workers.expected}`],
  ];
  if (cost && cost.api_spent !== null) all.push(["API spent", money(cost.api_spent, cost.currency)], ["API per hour", money(cost.api_per_hour, cost.currency)]);
  if (cost && cost.gpu_per_hour !== null) all.push(["GPUs so far", money(cost.gpu_spent, cost.currency)], ["GPUs per hour", money(cost.gpu_per_hour, cost.currency)]);
  at("tiles").replaceChildren(...all.map(([name, value]) => element("div", "", [element("dt", name), element("dd", value)])));
}

function outcomes(counts) {
  const rows = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  at("outcomes").replaceChildren(...(rows.length ? rows : [["none has ended yet", null]]).map(([name, count]) =>
    element("tr", "", [element("th", name.replaceAll("_", " "), [], {scope: "row"}), element("td", count === null ? "" : number(count))])));
}

function warnings(found) {
  const texts = found.map(one => one.text), list = at("warnings");
  if (list.dataset.texts === JSON.stringify(texts)) return;
  list.dataset.texts = JSON.stringify(texts);
  list.replaceChildren(...(texts.length ? texts : ["Nothing to worry about so far."]).map(text => element("li", text)));
}

function engines(readings) {
  at("engines-part").hidden = !readings.length;
  const names = [...new Set(readings.flatMap(one => Object.keys(one.figures)))];
  const head = element("tr", "", ["arm", "where", ...names].map(name => element("th", name.replaceAll("_", " "), [], {scope: "col"})));
  const rows = readings.map(one => element("tr", "", [element("th", one.arm, [], {scope: "row"}), element("td", one.where), ...names.map(name => element("td", /share|busy/.test(name) ? share(one.figures[name]) : number(one.figures[name])))]));
  at("engines").replaceChildren(head, ...rows);
}

function cells(run) {
  const names = run?.cells ?? [], select = at("cell");
  if (select.dataset.names !== JSON.stringify([seen.run, names])) {
    select.dataset.names = JSON.stringify([seen.run, names]);
    select.replaceChildren(...names.map(name => element("option", name, [], {value: name})));
    select.dataset.chosen = "";
  }
  if (!select.dataset.chosen && seen.steps.length) {  // follow the cell that is being climbed until a person chooses
    const last = seen.steps.at(-1).cell;
    if (names.includes(last)) select.value = last;
  }
}

function climbing() {
  const run = seen.state?.run;
  if (!run) return;
  ladder.show(seen.run, seen.steps, at("cell").value, at("metric").value, run.arms);
  matrix(run, at("metric").value);
}

function matrix(run, metric) {
  const timed = !["output_per_s", "good"].includes(metric), format = timed ? duration : metric === "good" ? share : number;
  const head = element("tr", "", [element("th", "input ↓ output →", [], {scope: "col"}), ...run.outputs.map(name => element("th", name, [], {scope: "col"}))]);
  const rows = run.inputs.map(input => element("tr", "", [element("th", input, [], {scope: "row"}), ...run.outputs.map(output => cellOf(run, `${input}/${output}`, metric, timed, format))]));
  at("matrix").replaceChildren(element("caption", `${at("metric").selectedOptions[0].text}${timed ? " p50" : ""}${run.at ? ` at ${number(run.at)}` : ""}, by arm: ${run.arms.join(" · ")}`), head, ...rows);
}

function cellOf(run, cell, metric, timed, format) {
  if (!run.cells.includes(cell)) return element("td", "not asked", [], {class: "unit"});
  const values = run.arms.map(arm => {
    const found = seen.steps.filter(step => step.cell === cell && step.arm === arm && step.valid && (run.at === null || step.load === run.at));
    const last = found.at(-1);
    return last ? format(timed ? last[metric].p50 : last[metric]) : ABSENT;
  });
  return element("td", values.join(" · "));
}

at("cell").addEventListener("change", event => { event.target.dataset.chosen = "1"; climbing(); });
at("metric").addEventListener("change", climbing);
poll();
