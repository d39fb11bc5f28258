// What a run does to the application's own calls: the numbers of run.impact, which
// docs/metrics.md defines.

import { h, pill } from "./dom.js";
import { count, duration, plural } from "./format.js";

// runOf names the run of an impact, and how it is known if it is another process's.
const known = { trail: "by the audit trail", lock: "by its lock", statement: "by its statement", afterwards: "by the audit trail, afterwards" };
export const toolOf = (i) => i.tool || (i.elsewhere ? "a tool that is not known" : "");
export const knownBy = (i) => known[i.elsewhere] ?? i.elsewhere;

export const perSecond = (n) => (n < 10 ? n.toFixed(1) : count(Math.round(n)));

// less says how many of the calls per second are gone; nothing where it is few.
export const less = (share) => share !== null && share < 0.8 && pill(`−${(100 * (1 - share)).toFixed(0)} %`, "bad");

// more says by which factor a quantile has grown; nothing where it is little.
export const more = (times) => times > 1.5 && pill(`×${times.toFixed(times < 10 ? 1 : 0)}`, "bad");

export const whose = (s) => [s.app, s.user].filter(Boolean).join(" · ");

export const session = (s) => (s.prepared ? `prepared transaction ${s.prepared}` : `session ${s.pid}`);

export const stateOf = (s) => pill(`${s.state || "in an unknown state"}${s.state_ms ? ` ${duration(s.state_ms)}` : ""}`, "bad");

export function impactTable(i) {
  const row = (name, q, before) => h("tr", {}, h("th", { scope: "row" }, name),
    h("td", { class: "num" }, q.per_second > 0 || q.count + q.failed > 0 ? perSecond(q.per_second) : "–", before && [" ", less(i.rate_ratio)]),
    ["p50_ms", "p99_ms"].map((k) => h("td", { class: "num" }, q[k] > 0 ? duration(q[k]) : "–", before?.[k] > 0 && [" ", more(q[k] / before[k])])),
    h("td", { class: "num" }, count(q.count)), h("td", { class: "num" }, q.failed ? h("span", { class: "bad" }, count(q.failed)) : "0"));
  return [
    h("table", {}, h("thead", {}, h("tr", {}, h("td", {}), ["per second", "p50", "p99", "calls", "failed"].map((t) => h("th", { scope: "col", class: "num" }, t)))),
      h("tbody", {}, row("before", i.before), row("during", i.during, i.before), !i.running && row("after", i.after))),
    i.unanswered > 0 && h("p", { class: "muted" }, `Up to ${plural(i.unanswered, "call")} had no answer for a second or longer at the same time.`),
    i.slowest && h("p", { class: "muted" }, `Slowest during the run, ${duration(i.slowest_ms)}: `, h("code", { class: "wrap" }, i.slowest)),
    i.worst && h("p", { class: "muted" }, `${plural(i.queue, "session")} waited for `, h("code", { class: "wrap" }, i.worst)),
    i.blocker && h("p", { class: "muted" }, "The run itself waited for ", h("strong", {}, session(i.blocker)), whose(i.blocker) && ` ${whose(i.blocker)}`, " ", stateOf(i.blocker), i.blocker.query && [" ", h("code", { class: "wrap" }, i.blocker.query)]),
  ];
}
