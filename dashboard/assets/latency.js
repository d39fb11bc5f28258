// The plot of what migrations do to the application, drawn by uPlot. Runs are
// shaded behind the lines.

import { $, empty, fill, h } from "./dom.js";
import { model, now } from "./model.js";
import { duration, tick } from "./format.js";

let plots = [], box = null;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function drawLatency(again = false) {
  if (!model.has.latency) return;
  if (model.latency.length < 2) {
    stop();
    fill($("latency-plot"), empty("Sampled once a second while a page is open: the first points are on their way."));
    return;
  }
  if (again) stop();
  if (plots.length === 0) start();
  const to = model.latency.at(-1).at / 1000, from = Math.min(model.latency[0].at / 1000, to - 60);
  for (const p of plots) {
    p.setData(p.columns(), false);
    p.setScale("x", { min: from, max: to });
  }
  legend(); // new data do not always move the cursor
}

function stop() {
  for (const p of plots) p.destroy();
  plots = [];
  box?.disconnect();
}

function start() {
  const el = h("div", {});
  $("latency-plot").replaceChildren(el);
  const line = (label, name, more = {}) => ({ label, stroke: colour(name), width: 1.5, spanGaps: true, points: { show: false }, ...more });
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const common = (height) => ({
    width: el.clientWidth, height, legend: { show: false }, cursor: { sync: { key: "latency" }, points: { size: 5 }, drag: { setScale: false, x: false, y: false } },
    padding: [8, 24, 0, 0], hooks: { drawClear: [shade], setCursor: [legend] },
  });
  const x = (show) => ({ ...axis, show, size: 28, space: 90, values: (_, ticks) => ticks.map((t) => new Date(t * 1000).toLocaleTimeString(undefined, { hour12: false })) });
  const filled = `${colour("--bad")}22`;
  add(el, { ...common(190),
    scales: { x: { time: true }, y: { distr: 3, range: (_, __, max) => [0.5, Math.max(100, 10 ** Math.ceil(Math.log10(max || 100)))] } },
    axes: [x(false), { ...axis, size: 56, values: (_, ticks) => ticks.map((t) => (t && Math.abs(Math.log10(t) % 1) < 1e-9 ? tick(t) : null)) }],
    series: [{}, line("p50", "--ok"), line("p99", "--accent"), line("oldest in flight", "--warn", { dash: [4, 3] })],
  }, () => [model.latency.map((p) => p.at / 1000), column("p50_ms"), column("p99_ms"), column("oldest_ms")]);
  add(el, { ...common(92),
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(4, Math.ceil(max * 1.1))] } },
    axes: [x(true), { ...axis, size: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] }],
    series: [{}, line("blocked sessions", "--bad", { paths: uPlot.paths.stepped({ align: 1 }), fill: filled })],
  }, () => [model.latency.map((p) => p.at / 1000), model.latency.map((p) => p.blocked)]);
  box = new ResizeObserver(() => { for (const p of plots) p.setSize({ width: el.clientWidth, height: p.height }); });
  box.observe(el);
  legend();
}

// A logarithmic scale has no place for 0.
const column = (key) => model.latency.map((p) => (p[key] ? Math.max(p[key], 0.5) : null));

function add(el, options, columns) {
  const p = new uPlot(options, columns(), el);
  p.columns = columns;
  plots.push(p);
}

function shade(u) {
  const { ctx } = u, { left, top, width, height } = u.bbox;
  ctx.save();
  ctx.fillStyle = colour("--shade");
  const elsewhere = model.impacts.filter((i) => i.elsewhere !== "").map((i) => ({ outcome: i.running ? "" : "elsewhere", start: i.start, duration_ms: i.duration_ms }));
  for (const r of [...model.runs.values(), ...elsewhere]) {
    if (r.outcome === "noop") continue;
    const end = r.outcome === "" ? now() : r.start + r.duration_ms;
    const from = Math.max(left, u.valToPos(r.start / 1000, "x", true)), to = Math.min(left + width, u.valToPos(end / 1000, "x", true));
    if (to > left && from < left + width) ctx.fillRect(from, top, Math.max(2, to - from), height);
  }
  ctx.restore();
}

// legend shows the values under the cursor, or the last ones.
function legend() {
  if (plots.length < 2) return;
  const { left, idx } = plots[0].cursor;
  const i = (left >= 0 ? idx : null) ?? model.latency.length - 1;
  const p = model.latency[i];
  if (!p) return;
  const entry = (name, text, value, dashed) => h("span", { class: "entry" }, h("span", { class: `key ${name} ${dashed ? "dashed" : ""}` }), text, h("strong", {}, value));
  fill($("latency-legend"),
    entry("ok", "p50", p.p50_ms === null ? "–" : duration(p.p50_ms)), entry("accent", "p99", p.p99_ms === null ? "–" : duration(p.p99_ms)),
    entry("warn", "oldest in flight", duration(p.oldest_ms), true), entry("bad", "blocked sessions", String(p.blocked)),
    h("span", { class: "entry" }, h("span", { class: "key shade" }), "migration run"),
    h("span", { class: "muted" }, `${p.rate < 10 ? p.rate.toFixed(1) : Math.round(p.rate)} per second · ${new Date(p.at).toLocaleTimeString(undefined, { hour12: false })}`));
  $("latency-plot").setAttribute("aria-label", `Latency: p50 ${p.p50_ms === null ? "unknown" : duration(p.p50_ms)}, p99 ${p.p99_ms === null ? "unknown" : duration(p.p99_ms)}, ${p.blocked} sessions blocked`);
}
