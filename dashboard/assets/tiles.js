// The row at the top: one number for each question that is asked first.

import { $, fill, h } from "./dom.js";
import { blocked, model, newestFirst, now } from "./model.js";
import { ago, count, duration } from "./format.js";
import { verdict } from "./audit.js";

let drawn = "";

export function drawTiles() {
  const runs = newestFirst(model.runs);
  const open = model.impacts.some((i) => i.elsewhere !== "" && i.running) || runs.filter((r) => r.outcome === "" && model.running.some((s) => s.run_id === r.id)).length > 0;
  const last = runs.find((r) => r.outcome !== "" && r.outcome !== "noop");
  const failed = runs.filter((r) => r.outcome === "failed").length;
  const queue = blocked(model.running);
  const firing = [...model.alerts.values()].filter((a) => a.state === "firing" || a.state === "flapping");
  const held = [...model.alerts.values()].filter((a) => a.state === "suppressed").length;
  const p99 = model.latency.findLast((p) => p.p99_ms !== null);
  const tiles = [
    ["Now", model.running.length ? count(model.running.length) : open ? "migrating" : "idle", model.running.length ? `in flight, ${duration(now() - model.running[0].start)}` : "nothing in flight for long", model.running.length ? "busy" : ""],
    ["Blocked", count(queue), queue === 1 ? "session waits for us" : "sessions wait for us", queue > 0 ? "bad" : ""],
    ["Last run", last ? outcome(last) : "none", last ? `${last.tool || "another process"}, ${duration(last.duration_ms)}, ${ago(last.start + last.duration_ms, now())}` : "since this process started", last?.outcome === "failed" ? "bad" : last ? "ok" : ""],
    ["Runs", count(runs.length), failed ? `${count(failed)} failed` : "none failed", ""],
    ["Alerts", count(firing.length), held ? `firing, ${count(held)} suppressed` : "firing", firing.some((a) => a.severity === "critical") ? "bad" : firing.length ? "warn" : ""],
  ];
  if (model.has.latency) tiles.push(["p99", p99 && now() - p99.at < 15_000 ? duration(p99.p99_ms) : "–", "reads and writes", ""]);
  if (model.has.audit) tiles.push(["Audit", ...verdict()]);
  const text = JSON.stringify(tiles);
  if (text === drawn) return;
  drawn = text;
  fill($("tiles"), tiles.map(([name, value, note, kind]) => h("div", { class: `tile ${kind}` }, h("span", { class: "name" }, name), h("strong", {}, value), h("span", { class: "muted" }, note))));
  document.title = (queue ? `${queue} blocked – ` : model.running.length || open ? "migrating – " : firing.length ? `${firing.length} firing – ` : "") + "sqlwitness";
}

function outcome(r) {
  if (r.outcome === "failed") return "failed";
  if (r.outcome === "elsewhere") return "elsewhere";
  return r.rolled_back && !r.applied ? `${count(r.rolled_back)} rolled back` : `${count(r.applied)} applied`;
}
