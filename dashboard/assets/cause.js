// What somebody who was called out reads first: which migration, who blocks it,
// whom it blocks, what to run now. It is there only while something is wrong.

import { $, code, fill, h, pill } from "./dom.js";
import { model, now } from "./model.js";
import { count, database, duration, plural, version } from "./format.js";
import { knownBy, less, more, perSecond, session as name, stateOf, toolOf, whose } from "./impact.js";

export function drawCause() {
  const stuck = model.running.filter((r) => r.run_id !== "" && weight(r) > 0).sort((a, b) => weight(b) - weight(a) || a.start - b.start)[0];
  const alert = alertOf((a) => stuck && a.run_id === stuck.run_id) ?? (stuck ? null : alertOf((a) => a.severity === "critical"));
  const foreign = stuck ? null : model.impacts.find((i) => i.elsewhere !== "" && i.running && (i.queue > 0 || i.blocker));
  $("cause").hidden = !stuck && !foreign && !alert;
  $("cause").classList.toggle("waits", alert?.severity !== "critical" && (stuck ? behind(stuck.picture) === 0 : foreign?.queue === 0));
  if (stuck) fill($("cause"), ofStatement(stuck, alert));
  else if (foreign) fill($("cause"), ofForeign(foreign, alert));
  else if (alert) fill($("cause"), ofAlert(alert));
}

export function tickCause() {
  for (const el of document.querySelectorAll("#cause [data-start]")) el.textContent = duration(now() - Number(el.dataset.start));
}

const behind = (p) => (p ? p.queue - p.queue_migrators : 0);

// weight puts those that block others before those that only wait.
const weight = (r) => (behind(r.picture) > 0 ? 1 + behind(r.picture) : r.picture?.blockers.length > 0 ? 1 : 0);

const urgency = { critical: 0, warning: 1, info: 2 };

// alertOf is the worst one that fires, of those that say what to do the first.
function alertOf(wanted) {
  return [...model.alerts.values()].filter((a) => (a.state === "firing" || a.state === "flapping") && wanted(a))
    .sort((a, b) => urgency[a.severity] - urgency[b.severity] || (b.steps.length > 0) - (a.steps.length > 0) || b.at - a.at)[0] ?? null;
}

function ofStatement(r, alert) {
  const p = r.picture, n = behind(p), root = p.blockers.findLast((s) => s.blocked_by.length === 0) ?? p.blockers[0];
  const what = r.summary || r.operation;
  const waits = root ? `waits for ${name(root)}` : "runs";
  return [
    h("div", { class: "headline" },
      h("h2", { id: "cause-title" }, n > 0 ? `${what} ${waits}, and ${plural(n, "session")} ${n === 1 ? "waits" : "wait"} for it` : `${what} ${waits}`),
      h("span", { class: "age", "data-start": r.start }, duration(now() - r.start))),
    h("dl", {},
      row("Migration", r.tool || "no migration tool", " ", r.migration_id && h("strong", { class: "mono" }, version(r)), h("span", { class: "muted" }, ` on ${database(r)}`)),
      root && row("Blocked by", h("strong", {}, name(root)), whose(root) && ` ${whose(root)} `, stateOf(root), p.blockers.length > 1 && h("span", { class: "muted" }, ` and ${count(p.blockers.length - 1)} more`)),
      n > 0 && row("Blocks", h("strong", {}, plural(n, "session")), onWhat(p), h("span", { class: "muted" }, `, ${duration(p.queue_ms)} waited in all`)),
      impact(r),
      steps(alert)),
  ];
}

// ofForeign is of a migration that runs in another process.
function ofForeign(i, alert) {
  const waits = i.blocker ? `waits for ${name(i.blocker)}` : "runs", n = i.queue;
  return [
    h("div", { class: "headline" },
      h("h2", { id: "cause-title" }, `A migration of another process ${waits}${n > 0 ? `, and ${plural(n, "session")} ${n === 1 ? "waits" : "wait"} for it` : ""}`),
      h("span", { class: "age", "data-start": i.start }, duration(now() - i.start))),
    h("dl", {},
      row("Migration", toolOf(i), h("span", { class: "muted" }, ` on ${database(i)}, known ${knownBy(i)}`), i.worst && [" ", h("code", { class: "wrap" }, i.worst)]),
      i.blocker && row("Blocked by", h("strong", {}, name(i.blocker)), whose(i.blocker) && ` ${whose(i.blocker)} `, stateOf(i.blocker)),
      n > 0 && row("Blocks", h("strong", {}, plural(n, "session")), h("span", { class: "muted" }, ", the most seen so far")),
      soFar(i),
      steps(alert)),
  ];
}

function ofAlert(a) {
  return [
    h("div", { class: "headline" }, h("h2", { id: "cause-title" }, a.title || a.rule), h("span", { class: "age", "data-start": a.since }, duration(now() - a.since))),
    h("dl", {}, a.details.length > 0 && row("What", a.details.slice(0, 2).join(" ")), steps(a)),
  ];
}

const row = (title, ...value) => [h("dt", {}, title), h("dd", {}, value)];

function onWhat(p) {
  const objects = [...new Set(p.victims.map((s) => s.wait_for).filter(Boolean))];
  return objects.length > 0 && [" on ", h("span", { class: "mono" }, objects.slice(0, 3).join(", "))];
}

// impact compares the application's calls of the last seconds with those of before
// the run, as far as a page was open to see them. A call that waits has not ended
// and is in no p99: that fewer end tells of it.
function impact(r) {
  const began = model.runs.get(r.run_id)?.start ?? r.start;
  const before = model.latency.filter((p) => p.at < began), during = model.latency.filter((p) => p.at >= began && p.at > now() - 10_000);
  const whole = model.impacts.find((i) => i.run_id === r.run_id);
  if (before.length < 5 || during.length === 0) return whole ? soFar(whole) : null;
  const was = { p99: median(before, "p99_ms"), rate: median(before, "rate") };
  const is = { p99: during.findLast((p) => p.p99_ms !== null)?.p99_ms, rate: median(during.slice(-3), "rate") };
  if (was.p99 === undefined || !was.rate) return null;
  return row("Application",
    is.p99 === undefined ? h("strong", {}, "no call has ended for 10 s") : ["p99 ", h("strong", {}, duration(is.p99)), " ", more(is.p99 / was.p99)],
    ", ", h("strong", {}, perSecond(is.rate)), " calls per second ", less(is.rate / was.rate),
    h("span", { class: "muted" }, ` in these seconds; before the run ${duration(was.p99)} and ${perSecond(was.rate)}`));
}

// soFar is the application since the run began, as run.impact will tell it.
function soFar(i) {
  if (i.during.p99_ms === 0 && i.during.per_second === 0) return null;
  return row("Application", "p99 ", h("strong", {}, duration(i.during.p99_ms)), " ", more(i.p99_ratio),
    ", ", h("strong", {}, perSecond(i.during.per_second)), " calls per second ", less(i.rate_ratio),
    i.unanswered > 0 && [", up to ", h("strong", {}, plural(i.unanswered, "call")), " unanswered for a second"],
    h("span", { class: "muted" }, ` since it began; before, ${i.before.p99_ms > 0 ? duration(i.before.p99_ms) : "unknown"} and ${i.before.per_second > 0 ? perSecond(i.before.per_second) : "unknown"}`));
}

function median(points, key) {
  const values = points.map((p) => p[key]).filter((v) => v !== null).sort((a, b) => a - b);
  return values[values.length >> 1];
}

function steps(a) {
  if (!a) return null;
  const list = a.steps.slice(0, 3);
  return list.length > 0 && row("Run now", h("ol", {}, list.map((s, i) => h("li", {}, s.text, code(s.sql, `cause${a.fingerprint}.${i}`)))));
}
