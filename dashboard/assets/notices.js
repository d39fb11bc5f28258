// Alerts, findings, and what keeps the witness itself from its work.

import { $, code, empty, fill, h, link, pill } from "./dom.js";
import { model, newestFirst } from "./model.js";
import { clock, count, iso, version } from "./format.js";

const opened = new Set();
const greeted = new Set(); // critical alerts are shown open, once
const weight = { firing: 0, flapping: 1, suppressed: 2, resolved: 3 };
const severity = { critical: "bad", warning: "warn", info: "busy" };
const urgency = { critical: 0, warning: 1, info: 2 };

function remembered(key, props, ...children) {
  const el = h("details", { ...props, open: opened.has(key) }, ...children);
  el.addEventListener("toggle", () => (el.open ? opened.add(key) : opened.delete(key)));
  return el;
}

export function drawAlerts() {
  const all = newestFirst(model.alerts).sort((a, b) => weight[a.state] - weight[b.state] || urgency[a.severity] - urgency[b.severity] || b.at - a.at);
  const n = (state) => all.filter((a) => a.state === state).length;
  $("alerts-note").textContent = all.length ? `${count(n("firing") + n("flapping"))} firing, ${count(n("suppressed"))} suppressed, ${count(n("resolved"))} resolved` : "";
  for (const a of all) {
    if (a.state === "firing" && a.severity === "critical" && !greeted.has(a.fingerprint)) {
      greeted.add(a.fingerprint);
      opened.add(a.fingerprint);
    }
  }
  fill($("alerts-body"), all.length === 0 ? empty("No alert has fired.") : h("ul", { class: "notices" }, all.slice(0, 50).map((a) => h("li", { class: `notice ${a.state} ${severity[a.severity] ?? ""}` },
    remembered(a.fingerprint, {},
      h("summary", { "data-key": `alert${a.fingerprint}` }, h("span", { class: "title" }, a.title || a.rule), h("span", { class: "facts" }, pill(a.state === "firing" ? a.severity : a.state, a.state === "firing" ? severity[a.severity] : "quiet"), h("span", { class: "muted", title: iso(a.at) }, `${a.rule} · ${clock(a.at)}`))),
      a.details.map((d) => h("p", {}, d)),
      a.state === "suppressed" && h("p", { class: "muted" }, `A known issue: suppression ${a.suppressed_by}.`),
      a.steps.length > 0 && h("ol", {}, a.steps.map((s, i) => h("li", {}, s.text, code(s.sql, `step${a.fingerprint}.${i}`)))),
      h("dl", {},
        a.tool && [h("dt", {}, "Migration"), h("dd", {}, `${a.tool} ${version(a)}`)],
        a.object && [h("dt", {}, "About"), h("dd", { class: "mono" }, a.object)],
        a.episode > 1 && [h("dt", {}, "Fired"), h("dd", {}, `${count(a.episode)} times`)],
        a.audit_entry && [h("dt", {}, "Audit entry"), h("dd", { class: "mono" }, a.audit_entry)],
        a.runbook && [h("dt", {}, "Runbook"), h("dd", {}, link(a.runbook, a.runbook.split("/").pop()))]),
      a.suppress_with && a.state !== "resolved" && a.state !== "suppressed" && [h("p", { class: "muted" }, "To make it a known issue:"), code(a.suppress_with, `suppress${a.fingerprint}`)])))));
}

export function drawFindings() {
  const all = newestFirst(model.findings).sort((a, b) => b.at - a.at);
  fill($("findings-body"), all.length === 0 ? empty("Nothing was left behind.") : h("ul", { class: "notices" }, all.slice(0, 50).map((f) => h("li", { class: "notice warn" },
    h("p", { class: "title" }, f.message || f.kind), h("p", { class: "facts" }, pill(f.kind, "quiet"), f.object && h("span", { class: "mono" }, f.object), h("span", { class: "muted", title: iso(f.at) }, `${f.count > 1 ? `${count(f.count)} times, last ` : ""}${clock(f.at)}`)), code(f.sql, `finding${f.key}`)))));
}

export function drawTroubles() {
  const all = newestFirst(model.troubles).sort((a, b) => a.over - b.over || b.at - a.at);
  $("troubles").hidden = all.length === 0;
  fill($("troubles-body"), h("ul", { class: "notices" }, all.slice(0, 20).map((t) => h("li", { class: `notice ${t.over ? "resolved" : "warn"}` },
    h("p", { class: "title" }, t.message), h("p", { class: "facts" }, pill(t.over ? "over" : t.part, t.over ? "ok" : "warn"), h("span", { class: "muted", title: iso(t.at) }, `${t.part} ${t.kind} · ${clock(t.at)}`)),
    !t.over && t.hint && h("p", {}, t.hint), !t.over && t.fallback && h("p", { class: "muted" }, "Kept meanwhile in ", h("span", { class: "mono" }, t.fallback))))));
}
