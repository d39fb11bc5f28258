// Slow and failed statements, the ones that cost most first.

import { $, empty, fill, h, pill } from "./dom.js";
import { model } from "./model.js";
import { clock, count, duration, iso } from "./format.js";

export function drawStatements() {
  const all = [...model.statements.values()].sort((a, b) => b.total_ms - a.total_ms);
  const num = (text, more = "") => h("th", { scope: "col", class: `num ${more}` }, text);
  fill($("statements-body"), all.length === 0 ? empty("No statement has been slow, and none has failed.") : h("table", {},
    h("caption", { class: "unseen" }, "Slow and failed statements, by time in all"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Statement"), h("th", { scope: "col", class: "wide" }, "Last"), num("Times"), num("Last took", "wide"), num("Longest", "wide"), num("In all"))),
    h("tbody", {}, all.slice(0, 50).map((s) => h("tr", {},
      h("td", { class: "statement" }, h("p", { class: "facts" }, h("strong", {}, s.summary || s.class), pill(s.phase, s.phase === "migration" ? "busy" : "quiet"), s.error_class && pill(`${s.error_class}${s.sqlstate ? ` ${s.sqlstate}` : ""}`, "bad"), h("span", { class: "muted mono wide" }, s.fingerprint)), s.text && h("code", { class: "clamp", title: s.text }, s.text)),
      h("td", { class: "wide", title: iso(s.at) }, clock(s.at)),
      h("td", { class: "num" }, count(s.count), s.failed > 0 && h("span", { class: "bad" }, ` · ${count(s.failed)} failed`)),
      h("td", { class: "num wide" }, duration(s.last_ms)), h("td", { class: "num wide" }, duration(s.max_ms)), h("td", { class: "num" }, duration(s.total_ms)))))));
}
