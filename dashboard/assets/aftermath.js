// What became known of a run after its end: what it did to the application, how
// it compares with earlier ones, what the server used up meanwhile, and what the
// start of the process was spent on. What is not known is left out, or said to be
// unknown where its lack could be taken for a nought.

import { code, h } from "./dom.js";
import { bytes, count, duration, plural } from "./format.js";
import { impactTable } from "./impact.js";

export function aftermath(d) {
  const parts = [d.impact && impact(d.impact), d.trend && trend(d.trend), d.resources && resources(d.resources, d.run), d.cold_start && coldStart(d.cold_start)];
  return parts.some(Boolean) && h("div", { class: "effects" }, parts);
}

// times is by which factor a migration took longer than earlier ones.
export const times = (s) => `×${(s.duration_ms / Math.max(s.median_ms, 1)).toFixed(1)}`;

const impact = (i) => h("div", {}, h("h4", {}, "The application's own calls"), impactTable(i));

function trend(t) {
  const num = (text) => h("th", { scope: "col", class: "num" }, text);
  return h("div", {}, h("h4", {}, `Compared with ${t.earlier_runs === 1 ? "the run before" : `the last ${count(t.earlier_runs)} runs`} of this tool`),
    h("p", {}, `A migration took ${duration(t.median_ms)} (median of ${count(t.applied)}); before, ${duration(t.earlier_median_ms)}.`),
    t.slower.length > 0 && h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Slower than before"), num("took"), num("median before"), num("of"), num(""))),
      h("tbody", {}, t.slower.map((s) => h("tr", {}, h("td", { class: "mono any" }, s.version), h("td", { class: "num" }, duration(s.duration_ms)), h("td", { class: "num" }, duration(s.median_ms)), h("td", { class: "num" }, count(s.earlier)), h("td", { class: "num warn" }, times(s)))))),
    h("p", { class: "muted" }, t.compared === 0 ? "None of its migrations has been run before, so that none could be compared with itself." : t.slower.length === 0 ? `${plural(t.compared, "migration")} had been run before, and none was much slower this time.` : ""));
}

function resources(r, run) {
  const log = ["mysql", "mariadb"].includes(run.db_system) ? "Redo log" : "Write-ahead log";
  const known = (v, show) => (v === null ? h("span", { class: "muted" }, "unknown") : show(v));
  const row = (name, ...value) => [h("dt", {}, name), h("dd", {}, value)];
  const grown = r.size_before === null || r.size_after === null ? null : r.size_after - r.size_before;
  return h("div", {}, h("h4", {}, `What the server used up, for all its sessions, in ${duration(r.measured_ms)}`),
    h("dl", {},
      row("Size", known(r.size_after, bytes), grown !== null && h("span", { class: "muted" }, grown === 0 ? ", as before" : `, ${bytes(grown)} ${grown < 0 ? "less" : "more"} than before`)),
      row(log, known(r.wal, bytes)),
      r.hit_rate !== null && row("Cache hits", `${(100 * r.hit_rate).toFixed(1)} %`),
      r.temp > 0 && row("Temporary files", bytes(r.temp)),
      r.deadlocks !== null && row("Deadlocks", h("span", { class: r.deadlocks > 0 ? "bad" : "" }, count(r.deadlocks))),
      r.replication_lag_ms !== null && row("Replication lag at the end", duration(r.replication_lag_ms))),
    r.missing.length > 0 && h("details", { class: "missing" }, h("summary", { "data-key": `hidden${run.id}` }, "Some of it is hidden from this role"), r.missing.map((m, i) => [h("p", {}, m.what), code(m.fix, `fix${run.id}.${i}`)])));
}

function coldStart(c) {
  const parts = [["connect", c.connect_ms, "hold"], ["lock", c.lock_ms, "wait"], ["check", c.check_ms, "s1"], ["apply", c.apply_ms, "s0"]];
  return h("div", {}, h("h4", {}, `Cold start: ${duration(c.total_ms)} from the start of the process to the end of this run`),
    h("div", { class: "stack", "aria-hidden": "true" }, parts.map(([, v, k]) => h("i", { class: k, style: { width: `${(100 * v) / Math.max(c.total_ms, 1)}%` } }))),
    h("p", { class: "legend" }, parts.map(([name, v, k]) => h("span", { class: "entry" }, h("span", { class: `key ${k}` }), name, h("strong", {}, duration(v))))));
}
