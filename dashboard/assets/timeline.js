// One run over time: what it waited for, its migrations, and their statements.

import { $, empty, fill, h, pill } from "./dom.js";
import { model, newestFirst, now } from "./model.js";
import { clock, count, database, duration, plural, tick, version } from "./format.js";
import { json } from "./server.js";
import { aftermath, times } from "./aftermath.js";

let chosen = null; // by hand
let shownID = null; // chosen, or the one that is followed
let detail = null;
let asking = false, askAgain = false;
let open = null; // key of the bar whose details are shown
let rowLimit = 60;

export const selected = () => shownID;

export function select(id) {
  chosen = id;
  change(id);
  document.dispatchEvent(new Event("run-selected"));
  $("timeline").scrollIntoView({ block: "nearest" });
}

// follow shows the run that goes on, else the last one that did something.
export function follow(changed) {
  if (chosen && !model.runs.has(chosen)) chosen = null;
  const runs = newestFirst(model.runs);
  const live = runs.find((r) => r.outcome === "" && model.running.some((s) => s.run_id === r.id)) ?? (runs[0]?.outcome === "" ? runs[0] : null);
  const id = chosen ?? (live ?? runs.find((r) => r.outcome !== "noop") ?? runs[0])?.id ?? null;
  if (id !== shownID) {
    change(id);
    document.dispatchEvent(new Event("run-selected"));
  } else if (changed.has(id)) ask();
  else drawTimeline();
}

function change(id) {
  if (id === shownID) return;
  [shownID, detail, open, rowLimit] = [id, null, null, 60];
  ask();
}

async function ask() {
  if (asking) { askAgain = true; return; }
  asking = true;
  try {
    do {
      askAgain = false;
      const id = shownID;
      const d = id === null ? null : await json(`api/runs/${encodeURIComponent(id)}`);
      if (id === shownID) detail = d;
      else askAgain = true;
    } while (askAgain);
  } catch { /* the next change asks again */ } finally { asking = false; }
  drawTimeline();
}

export function tickTimeline() {
  if (detail && detail.run.outcome === "" && now() - detail.run.start < 3600_000) drawTimeline();
}

export function drawTimeline() {
  const note = $("timeline-note");
  if (!detail) {
    note.textContent = "";
    fill($("timeline-body"), empty(shownID ? "Loading …" : "The runs of migration tools appear here as they begin."));
    return;
  }
  const r = detail.run, bars = rows();
  note.textContent = `${r.tool || "another process"} on ${database(r)}, ${clock(r.start)}${chosen ? "" : r.outcome === "" ? ", as it goes on" : ", the last run that did something"}`;
  const span = Math.max(r.outcome === "" ? now() - r.start : r.duration_ms, ...bars.flatMap((b) => b.parts.map((p) => p.start + p.length - r.start)), 1);
  const list = bars.slice(0, rowLimit);
  fill($("timeline-body"),
    h("p", { class: "facts" }, facts(r)),
    list.length === 0 ? empty(r.outcome === "noop" ? "There was nothing to migrate." : r.outcome === "elsewhere" ? "Another process ran it: what it did is in that process's log and in the audit trail." : "No migration has begun yet.") : h("div", { class: "gantt" },
      h("div", { class: "ticks", "aria-hidden": "true" }, ticks(span)),
      h("ol", { class: "lanes", "aria-label": "Lock waits and migrations in order" }, list.map((b) => lane(b, r.start, span)))),
    bars.length > rowLimit && h("button", { type: "button", class: "more", "data-key": "rows", onclick: () => { rowLimit += 300; drawTimeline(); } }, `Show more of ${count(bars.length)}`),
    list.length > 0 && h("p", { class: "legend" }, [["wait", "waits for a lock"], ["hold", "holds it"], ["s0", "statement"], ["s1", "next one"], ["bad", "failed"]].map(([k, text]) => h("span", { class: "entry" }, h("span", { class: `key ${k}` }), text)), h("span", { class: "muted" }, "choose a bar for its details")),
    details(bars), aftermath(detail));
}

function facts(r) {
  return [
    pill(r.outcome || "running", { ok: "ok", failed: "bad", noop: "quiet", "": "busy" }[r.outcome]),
    r.role && r.role !== r.outcome && pill(r.role, "quiet"),
    h("span", { class: "muted" }, [duration(r.outcome === "" ? now() - r.start : r.duration_ms), r.applied && `${count(r.applied)} applied`, r.rolled_back && `${count(r.rolled_back)} rolled back`, r.failures && `${count(r.failures)} failed`,
      r.statements && plural(r.statements, "statement"), r.lock_wait_ms && `${duration(r.lock_wait_ms)} for its lock in ${plural(r.lock_attempts, "attempt")}`, r.retries && `${plural(r.retries, "retry", "retries")} lost ${duration(r.retry_lost_ms)}`].filter(Boolean).join(" · ")),
  ];
}

// rows are the lanes: first the locks, then the migrations.
function rows() {
  const r = detail.run, end = r.outcome === "" ? now() : r.start + r.duration_ms;
  const live = model.running.filter((s) => s.run_id === r.id);
  const slower = new Map(detail.trend?.slower.map((s) => [s.migration_id, s]));
  const locks = detail.locks.map((l, i) => {
    const wait = l.outcome === "waiting" ? Math.max(l.wait_ms, now() - l.start) : l.wait_ms;
    const parts = [{ kind: l.outcome === "acquired" || l.outcome === "waiting" ? "wait" : "bad", start: l.start, length: wait }];
    if (l.outcome === "acquired") parts.push({ kind: "hold", start: l.start + wait, length: l.hold_ms || Math.max(0, end - l.start - wait) });
    return { key: `lock${i}`, label: `${l.kind} lock`, sub: l.key, parts, length: wait, state: l.anomaly || (l.outcome === "acquired" ? "" : l.outcome), kind: l.anomaly ? "bad" : "", lock: l };
  });
  const migrations = detail.migrations.map((m) => {
    const going = m.outcome === "" && r.outcome === "";
    const length = going ? now() - m.start : m.duration_ms;
    const parts = [{ kind: `whole ${m.outcome === "failed" || m.outcome === "interrupted" ? "bad" : going ? "busy" : ""}`, start: m.start, length }];
    m.body.forEach((s, i) => parts.push({ kind: s.failed ? "bad" : `s${i % 2}`, start: m.start + s.offset_ms, length: s.duration_ms }));
    for (const s of live.filter((s) => s.migration_id === m.id)) parts.push({ kind: s.lock || s.picture?.self.wait_kind ? "wait live" : "s0 live", start: s.start, length: now() - s.start });
    return { key: m.id, label: version(m), sub: m.direction === "down" ? "down" : "", parts, length, state: m.outcome === "applied" ? slower.has(m.id) ? `${times(slower.get(m.id))} as long` : "" : m.outcome || (going ? "running" : ""), kind: m.outcome === "failed" || m.outcome === "interrupted" ? "bad" : going ? "busy" : slower.has(m.id) ? "warn" : "quiet", migration: m };
  });
  return [...locks, ...migrations];
}

function lane(b, from, span) {
  const place = (p) => ({ left: `${Math.max(0, (100 * (p.start - from)) / span)}%`, width: `${Math.min(100, (100 * p.length) / span)}%` });
  return h("li", {}, h("button", { type: "button", class: "lane", "data-key": b.key, "aria-expanded": String(open === b.key), onclick: () => { open = open === b.key ? null : b.key; drawTimeline(); } },
    h("span", { class: "lane-label" }, h("span", { class: "mono", title: b.label }, b.label), b.sub && h("span", { class: "muted", title: b.sub }, b.sub)),
    h("span", { class: "track", "aria-hidden": "true" }, b.parts.map((p) => h("i", { class: p.kind, style: place(p) }))),
    h("span", { class: "lane-end" }, b.state && pill(b.state, b.kind), h("span", {}, duration(b.length)))));
}

function ticks(span) {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 18e6, 36e6, 864e5];
  const step = steps.find((s) => span / s <= 6) ?? span;
  const out = [];
  for (let t = 0; t <= span; t += step) out.push(h("span", { class: t / span > 0.92 ? "last" : "", style: { left: `${(100 * t) / span}%` } }, t === 0 ? "0" : tick(t)));
  return out;
}

function details(bars) {
  const b = bars.find((x) => x.key === open);
  if (!b) return null;
  if (b.lock) {
    const l = b.lock;
    return h("div", { class: "details" }, h("h3", {}, `${l.kind} lock ${l.key}`),
      h("p", {}, `${l.shared ? "Shared. " : ""}${l.outcome === "acquired" ? "Acquired" : l.outcome} after ${duration(l.wait_ms)} and ${plural(l.attempts, "attempt")}${l.hold_ms ? `, held for ${duration(l.hold_ms)}` : ""}.${l.anomaly ? ` Anomaly: ${l.anomaly}.` : ""}`));
  }
  const m = b.migration;
  return h("div", { class: "details" },
    h("h3", {}, `Migration ${version(m)}`),
    h("p", { class: "facts" }, m.outcome && pill(m.outcome, m.outcome === "applied" ? "ok" : b.kind), pill(m.atomic ? "one transaction" : "not in one transaction", "quiet"), m.guarantee && pill(`audit: ${m.guarantee}`, "quiet"),
      m.error_class && h("span", { class: "bad" }, `${m.error_class}${m.sqlstate ? ` ${m.sqlstate}` : ""}`), m.after && h("span", { class: "muted" }, `after ${m.after}`)),
    m.verdict && h("p", {}, m.verdict),
    m.failing_index > 0 && [h("p", { class: "bad" }, `Statement ${m.failing_index} failed:`), h("pre", { class: "sql" }, m.failing_text || "(not shown: it could not be redacted with certainty)")],
    m.body.length > 0 && h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "#"), h("th", { scope: "col" }, "Statement"), h("th", { scope: "col", class: "num" }, "Rows"), h("th", { scope: "col", class: "num" }, "Duration"))),
      h("tbody", {}, m.body.map((s, i) => h("tr", { class: s.failed ? "failed" : "" }, h("td", {}, i + 1), h("td", {}, h("code", { class: "wrap" }, s.text || s.operation)), h("td", { class: "num" }, s.rows_affected < 0 ? "" : count(s.rows_affected)), h("td", { class: "num" }, duration(s.duration_ms)))))),
    m.statements > m.body.length && m.outcome !== "" && h("p", { class: "muted" }, m.body_kept ? `${plural(m.statements - m.body.length, "more statement")} not kept.` : "Its statements are not kept any more: the audit trail has them."),
    m.id && h("dl", {}, h("dt", {}, "Migration id"), h("dd", { class: "mono" }, m.id), detail.run.correlation_id && [h("dt", {}, "Correlation id"), h("dd", { class: "mono" }, detail.run.correlation_id)]));
}
