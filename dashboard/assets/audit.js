// How the audit trail stands, and a button that verifies it.

import { $, empty, fill, h, pill } from "./dom.js";
import { clock, count, iso } from "./format.js";
import { json } from "./server.js";

let status = null, trouble = "", verifying = false, asking = false;

const words = { intact: ["intact", "ok"], broken: ["broken", "bad"], unknown: ["not checked", "warn"], "": ["not verified", ""] };

// verdict is the tile's value, note and kind.
export function verdict() {
  if (!status) return ["–", trouble ? "status unknown" : "asking", trouble ? "warn" : ""];
  const [text, kind] = words[status.verdict] ?? words.unknown;
  return [text, `${count(status.entries)} entries, ${status.mode}`, status.lost ? "bad" : kind];
}

export async function askAudit() {
  if (asking) return;
  asking = true;
  try {
    take(await json("api/audit"));
  } catch (e) {
    trouble = e.message;
  } finally { asking = false; }
  drawAudit();
}

function take(s) {
  status = s;
  trouble = s.error ?? "";
}

export function listenAudit() {
  $("verify").addEventListener("click", async () => {
    if (verifying) return;
    verifying = true;
    drawAudit();
    try {
      take(await json("api/audit/verify", { method: "POST" }));
    } catch (e) {
      trouble = e.message;
    } finally { verifying = false; }
    drawAudit();
  });
}

export function drawAudit() {
  $("verify").disabled = verifying;
  $("verify").textContent = verifying ? "Verifying …" : "Verify";
  if (!status) {
    fill($("audit-body"), empty(trouble || "Asking …"));
    return;
  }
  const [text, kind] = words[status.verdict] ?? words.unknown;
  fill($("audit-body"),
    h("p", { class: "facts" }, pill(text, kind || "quiet"), status.verified_at > 0 && h("span", { class: "muted", title: iso(status.verified_at) }, `as of ${clock(status.verified_at)}`)),
    trouble && h("p", { class: "bad" }, trouble),
    (status.findings ?? []).length > 0 && h("ul", {}, status.findings.slice(0, 20).map((f) => h("li", { class: "bad" }, f))),
    status.note && h("p", { class: "muted" }, status.note),
    h("dl", {}, h("dt", {}, "Mode"), h("dd", {}, status.mode), h("dt", {}, "Entries"), h("dd", {}, count(status.entries)),
      status.spooled > 0 && [h("dt", {}, "In the spool"), h("dd", {}, count(status.spooled))], status.lost > 0 && [h("dt", {}, "Lost"), h("dd", { class: "bad" }, count(status.lost))]));
}
