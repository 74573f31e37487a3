// Charts by the report's grammar, Vega-Lite, in the page's own ink; expressions are interpreted, so no eval is needed.
const ARMS = [1, 2, 3, 4, 5, 6].map(i => `var(--arm-${i})`);
const DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3], [10, 4]];
const SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"];
const CONFIG = {
  font: "system-ui, sans-serif", aria: false, view: {stroke: null}, background: "transparent",
  axis: {labelColor: "var(--ink)", titleColor: "var(--soft)", gridColor: "var(--line)", domainColor: "var(--line)",
    tickColor: "var(--line)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", labelPadding: 6,
    domain: false, ticks: false, labelFlush: false, labelOverlap: true},
  axisX: {domain: true, ticks: true, tickSize: 4}, legend: {labelColor: "var(--ink)", title: null, orient: "top", symbolStrokeWidth: 2},
};

let loading = null;
// The bundle is made when the server first starts: until then ask again.
function library(base) {
  loading ??= new Promise(done => {
    const ask = () => {
      const script = document.createElement("script");
      script.src = `${base}/llm/vega.js`;
      script.onload = () => done(window.vegaEmbed);
      script.onerror = () => { script.remove(); setTimeout(ask, 2000); };
      document.head.append(script);
    };
    ask();
  });
  return loading;
}

const over = (names, y) => ({
  height: 170,
  mark: {type: "line", strokeWidth: 1.8, interpolate: "linear"},
  encoding: {
    x: {field: "t", type: "quantitative", title: "seconds of the run", scale: {zero: false, nice: false}, axis: {grid: false, tickCount: 6}},
    y: {field: "value", type: "quantitative", title: y, scale: {zero: true}, axis: {tickCount: 5}},
    color: {field: "name", type: "nominal", scale: {domain: names, range: ARMS}},
    strokeDash: {field: "name", type: "nominal", scale: {domain: names, range: DASHES}},
  },
});

function climb(arms, y, loads, unit, curves) {
  const scale = range => ({domain: arms, range: arms.map((_, i) => range[i % range.length])});
  const x = {field: "load", type: "quantitative", title: unit, scale: {type: "log", base: 2, nice: false, padding: 14},
    axis: {values: loads, labelExpr: "format(datum.value, '~g')", grid: false}};
  const colour = {field: "arm", type: "nominal", scale: scale(ARMS)};
  const value = {field: "value", type: "quantitative", title: y, scale: {zero: true}, axis: {tickCount: 5}};
  const lines = curves.map((curve, i) => ({transform: [{filter: {and: [{field: "curve", equal: curve}, {field: "counts", equal: "yes"}]}}],
    mark: {type: "line", strokeWidth: i ? 1.2 : 2, opacity: i ? .6 : 1},
    encoding: {x, y: value, color: colour, strokeDash: {field: "arm", type: "nominal", scale: scale(DASHES)}}}));
  return {height: 250, layer: [...lines, {mark: {type: "point", filled: true, size: 55},
    encoding: {x, y: value, color: colour, shape: {field: "arm", type: "nominal", scale: scale(SHAPES)},
      opacity: {field: "counts", type: "ordinal", sort: ["yes", "no"], scale: {domain: ["yes", "no"], range: [1, .45]}, legend: null}}}]};
}

class Chart {
  constructor(base, place) { this.base = base; this.place = place; this.key = ""; this.view = null; this.busy = false; }

  // Draw anew when what is drawn changes, else only put new rows in.
  async show(key, spec, rows) {
    if (this.busy || !rows.length) return;
    this.busy = true;
    try {
      const embed = await library(this.base);
      if (key !== this.key) {
        this.view?.finalize();
        const whole = {...spec, width: "container", autosize: {type: "fit", contains: "padding"}, data: {name: "rows", values: rows}, config: CONFIG};
        const made = await embed(this.place, whole, {ast: true, actions: false, renderer: "svg", defaultStyle: false, tooltip: false, mode: "vega-lite", logLevel: 1});
        this.view = made.view; this.key = key;
      } else {
        await this.view.data("rows", rows).runAsync();
      }
    } finally { this.busy = false; }
  }
}

export class OverTime {
  constructor(base, id, curves, unit) {
    this.chart = new Chart(base, document.getElementById(id)); this.curves = curves; this.unit = unit;
  }
  show(run, series) {
    const times = series.t ?? [], rows = [];
    for (const [name, column] of Object.entries(this.curves)) {
      const values = series[column] ?? [];
      times.forEach((t, i) => { if (values[i] !== null && values[i] !== undefined) rows.push({t, name, value: values[i] * (this.unit === "ms" ? 1000 : 1)}); });
    }
    return this.chart.show(run, over(Object.keys(this.curves), this.unit), rows);
  }
}

const NAMES = {ttft: "TTFT", tpot: "TPOT", gap: "gap", e2e: "E2E", output_per_s: "output tokens/s", good: "share good"};

export class LadderChart {
  constructor(base) { this.chart = new Chart(base, document.getElementById("chart-ladder")); this.words = document.getElementById("ladder-words"); }

  // The mean over blocks of each rung's quantile; steps that do not count are faint points beside the curve.
  show(run, steps, cell, metric, arms) {
    const timed = !["output_per_s", "good"].includes(metric), curves = timed ? ["p50", "p95"] : ["value"];
    const here = steps.filter(step => step.cell === cell), groups = new Map();
    for (const step of here) for (const curve of curves) {
      const value = timed ? step[metric][curve] : step[metric];
      if (value === null || value === undefined) continue;
      const key = JSON.stringify([step.arm, curve, step.load, step.valid ? "yes" : "no"]);
      groups.set(key, [...(groups.get(key) ?? []), value * (timed ? 1000 : 1)]);
    }
    const rows = [...groups].map(([key, values]) => {
      const [arm, curve, load, counts] = JSON.parse(key);
      return {arm, curve, load, counts, value: values.reduce((a, b) => a + b) / values.length};
    });
    const loads = [...new Set(rows.map(row => row.load))].sort((a, b) => a - b), unit = here[0]?.unit ?? "users";
    const y = timed ? `${NAMES[metric]}, ms` : NAMES[metric];
    this.words.textContent = rows.length
      ? `${NAMES[metric]}${timed ? " p50 (strong) and p95" : ""} of ${cell || "the tasks"}: ${loads.length} ${loads.length === 1 ? "rung" : "rungs"} done${rows.some(row => row.counts === "no") ? "; faint points do not count" : ""}.`
      : "No rung of this cell is done yet.";
    if (!rows.length) { this.chart.view?.finalize(); this.chart.key = ""; this.chart.place.replaceChildren(); }
    return this.chart.show(JSON.stringify([run, cell, metric, loads, arms]), climb(arms, y, loads, unit, curves), rows);
  }
}
