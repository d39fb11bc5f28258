// The runs so far, newest first. One of them is shown on the timeline.

import { $, empty, fill, h, pill } from "./dom.js";
import { model, newestFirst, now } from "./model.js";
import { clock, count, database, duration, iso } from "./format.js";
import { select, selected } from "./timeline.js";

const page = 25;
let shown = page;

export function listenRuns() {
  const again = () => { shown = page; drawRuns(); };
  $("runs-text").addEventListener("input", again);
  $("runs-outcome").addEventListener("change", again);
  document.addEventListener("run-selected", drawRuns);
}

export function drawRuns() {
  const all = newestFirst(model.runs), found = all.filter(wanted);
  if (found.length === 0) {
    fill($("runs-body"), empty(all.length ? "No run is like that." : "No run has been seen yet. It begins with a migration tool's first lock or its first look at its version table."));
    return;
  }
  const list = found.slice(0, shown);
  const longest = Math.max(...list.map(length), 1);
  fill($("runs-body"),
    h("table", {},
      h("caption", { class: "unseen" }, "Runs of migration tools, newest first"),
      h("thead", {}, h("tr", {}, ["Started", "Outcome", "Tool"].map((t) => h("th", { scope: "col" }, t)), ["Database", "Versions"].map((t) => h("th", { scope: "col", class: "wide" }, t)), h("th", { scope: "col", class: "num wide" }, "Migrations"), h("th", { scope: "col", class: "num wide" }, "Lock wait"), h("th", { scope: "col" }, "Duration"))),
      h("tbody", {}, list.map((r) => row(r, longest)))),
    found.length > shown && h("button", { type: "button", class: "more", "data-key": "more", onclick: () => { shown += 4 * page; drawRuns(); } }, `Show more of ${count(found.length)}`));
}

const length = (r) => (r.outcome === "" ? now() - r.start : r.duration_ms);

function wanted(r) {
  const text = $("runs-text").value.trim().toLowerCase(), outcome = $("runs-outcome").value;
  if (outcome === "failed" && r.outcome !== "failed") return false;
  if (outcome === "running" && r.outcome !== "") return false;
  if (outcome === "some" && r.outcome === "noop") return false;
  return !text || [r.tool, r.db_name, r.db_system, r.first, r.last, r.id, r.correlation_id].some((v) => v?.toLowerCase().includes(text));
}

const kinds = { ok: "ok", failed: "bad", noop: "quiet", "": "busy" };

function row(r, longest) {
  const chosen = selected() === r.id;
  const wait = Math.min(r.lock_wait_ms, length(r));
  return h("tr", { class: chosen ? "chosen" : "", onclick: () => select(r.id) },
    h("td", {}, h("button", { type: "button", class: "plainly", "data-key": r.id, "aria-pressed": String(chosen), title: `${iso(r.start)}, run ${r.id}` }, clock(r.start))),
    h("td", {}, pill(r.outcome || "running", kinds[r.outcome] ?? ""), r.role && r.role !== "leader" && r.role !== r.outcome && h("span", { class: "muted wide" }, ` ${r.role}`)),
    h("td", {}, r.tool || h("span", { class: "muted" }, "not known"), h("span", { class: "narrow muted" }, database(r))),
    h("td", { class: "wide" }, database(r)),
    h("td", { class: "mono wide" }, r.first === null ? "" : r.first === r.last ? r.first : `${r.first} … ${r.last ?? "unknown version"}`),
    h("td", { class: "num wide" }, r.migrations ? count(r.migrations) : "", r.failures > 0 && h("span", { class: "bad" }, ` · ${count(r.failures)} failed`)),
    h("td", { class: "num wide" }, r.lock_wait_ms ? duration(r.lock_wait_ms) : ""),
    h("td", { class: "length" }, h("span", { class: "meter", "aria-hidden": "true" },
      h("i", { class: "wait", style: { width: `${(100 * wait) / longest}%` } }), h("i", { class: kinds[r.outcome], style: { width: `${(100 * Math.max(length(r) - wait, 0)) / longest}%` } })), h("span", {}, r.slower > 0 && h("span", { class: "warn", title: "the worst of its migrations, compared with earlier ones of the same" }, `×${r.slower.toFixed(1)} `), duration(length(r)))));
}
