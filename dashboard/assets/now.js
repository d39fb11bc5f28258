// What is in flight: how long, how far, whom it waits for and who waits for it.

import { $, code, empty, fill, h, pill } from "./dom.js";
import { model, newestFirst, now } from "./model.js";
import { count, database, duration, plural, roughly, version } from "./format.js";
import { impactTable, knownBy, toolOf } from "./impact.js";
import { tree } from "./tree.js";

export function drawNow() {
  const between = newestFirst(model.runs).filter((r) => r.outcome === "" && now() - r.start < 3600_000 && !model.running.some((s) => s.run_id === r.id));
  const elsewhere = model.impacts.filter((i) => i.elsewhere !== "");
  $("now-note").textContent = model.running.length ? "statements in flight for more than 250 ms" : "";
  fill($("now-body"),
    elsewhere.map(foreign),
    model.running.filter(ours).map(card),
    others(model.running.filter((r) => !ours(r))),
    model.running.length === 0 && between.slice(0, 3).map((r) => h("p", { class: "empty" }, h("span", { class: "dot busy" }), `${r.tool} runs on ${database(r)}: ${plural(r.migrations, "migration")} so far, between statements`)),
    model.running.length === 0 && between.length === 0 && elsewhere.length === 0 && empty("Nothing has been in flight for more than 250 ms."));
  tickNow();
}

// The application's own statements that are in flight are many in a pile-up: they
// are a list, and what they wait for has a card.
const ours = (r) => r.run_id !== "" || r.class === "ddl" || r.picture?.queue > 0;

function others(list) {
  if (list.length === 0) return null;
  return h("div", { class: "others" }, h("h4", {}, `${plural(list.length, "other statement")} in flight`),
    h("ul", { class: "plain" }, list.slice(0, 12).map((r) => h("li", { class: "facts" }, h("span", { class: "age", "data-start": r.start }, duration(r.age_ms)), h("span", {}, r.summary || r.operation), states(r), h("span", { class: "muted" }, database(r)), r.text && h("code", { class: "clamp", title: r.text }, r.text)))),
    list.length > 12 && h("p", { class: "muted" }, `and ${count(list.length - 12)} more`));
}

// foreign is a migration of another process: what is known of it is what it does here.
function foreign(i) {
  return h("article", { class: `flight ${i.blocker ? "waits" : ""} ${i.queue ? "blocks" : ""}`, "aria-label": "A migration of another process" },
    h("div", { class: "headline" }, h("h3", {}, i.running ? "A migration of another process runs" : "A migration of another process is over"),
      i.running ? h("span", { class: "age", "data-start": i.start }, duration(now() - i.start)) : h("span", { class: "age" }, duration(i.duration_ms))),
    h("p", { class: "facts" }, pill(toolOf(i), "quiet"), h("span", { class: "muted" }, `known ${knownBy(i)}`), h("span", { class: "muted" }, database(i)), i.queue > 0 && pill(`${plural(i.queue, "session")} blocked`, "bad")),
    impactTable(i));
}

// tickNow moves the clocks on between messages.
export function tickNow() {
  for (const el of document.querySelectorAll("#now-body [data-start]")) el.textContent = duration(now() - Number(el.dataset.start));
}

function card(r) {
  const p = r.picture;
  const waits = p?.self.wait_kind || (r.lock && "lock");
  return h("article", { class: `flight ${waits ? "waits" : ""} ${p?.queue ? "blocks" : ""}`, "aria-label": r.summary },
    h("div", { class: "headline" },
      h("h3", {}, r.summary || r.operation),
      h("span", { class: "age", "data-start": r.start }, duration(r.age_ms))),
    h("p", { class: "facts" },
      r.tool && pill(r.tool, "quiet"), r.run_id && r.migration_id && pill(version(r), "quiet mono"), h("span", { class: "muted" }, database(r)),
      p && p.self.pid !== 0 && h("span", { class: "muted" }, `session ${p.self.pid}`), states(r)),
    r.text && h("pre", { class: "sql", "data-scroll": `sql${r.conn_id}`, tabindex: 0, "data-key": `sql${r.conn_id}` }, r.text),
    p?.progress && progress(r, p.progress),
    h("div", { class: "around" },
      p && (p.blockers.length > 0 || p.victims.length > 0) && h("div", { class: "who" }, h("h4", {}, "Who waits for whom"), h("div", { class: "treebox", "data-scroll": `tree${r.conn_id}`, tabindex: 0, "data-key": `tree${r.conn_id}` }, tree(r))),
      p && (held(p).length > 0 || r.queue.length > 1) && h("div", { class: "side" },
        r.queue.some((s) => s[1] > 0) && [h("h4", {}, "Sessions behind it"), spark(r.queue)],
        held(p).length > 0 && [h("h4", {}, "Locks on tables"), h("ul", { class: "plain" }, held(p).map((l) => h("li", {}, h("span", { class: "mono" }, l.object), " ", h("span", { class: "muted" }, l.mode), " ", l.granted ? null : pill("asked for", "warn"), l.stops && h("span", { class: "stops" }, `stops ${l.stops}`))))])),
    p?.missing?.length > 0 && h("details", { class: "missing" }, h("summary", {}, "Some of it is hidden from this role"), p.missing.map((m, i) => [h("p", {}, m.what), code(m.fix, `fix${r.conn_id}.${i}`)])));
}

const held = (p) => (p.held ?? []).filter((l) => l.stops || !l.granted).slice(0, 8);

function states(r) {
  const p = r.picture, out = [];
  if (r.lock) out.push(pill(`waits for ${r.lock.kind} lock ${r.lock.key}`, "warn"), r.lock.attempts > 1 && h("span", { class: "muted" }, `asked ${count(r.lock.attempts)} times`));
  else if (p?.self.wait_kind) out.push(pill(`waits for ${p.self.wait_for || `${p.self.wait_kind} lock`}`, "warn"), h("span", { class: "muted" }, p.self.wait_mode));
  else out.push(pill(r.class === "tx" ? "idle in transaction" : "runs", r.class === "tx" ? "warn" : "busy"));
  if (p?.queue) {
    const others = p.queue - p.queue_migrators;
    if (others) out.push(pill(`${plural(others, "session")} blocked`, "bad"), h("span", { class: "muted" }, `${duration(p.queue_ms)} waited in all`));
    if (p.queue_migrators) out.push(pill(`${plural(p.queue_migrators, "replica")} waiting their turn`, "quiet"));
  }
  if (p?.rewrite) out.push(pill("table rewrite suspected", "warn"));
  if (p?.cycle) out.push(pill("deadlock ahead: the index build waits for a replica that waits for it", "bad"));
  if (p?.zombie) out.push(pill("holds an advisory lock that nobody uses", "bad"));
  return out;
}

// The rate of a phase is known from two looks at it.
const earlier = new Map();

function progress(r, g) {
  const key = `${r.conn_id}/${r.start}/${g.phase}`;
  if (!earlier.has(key)) {
    if (earlier.size > 500) earlier.clear();
    earlier.set(key, { at: r.age_ms, done: g.done });
  }
  const from = earlier.get(key);
  const rate = (g.done - from.done) / (r.age_ms - from.at);
  const left = g.total && rate > 0 ? ` · about ${roughly((g.total - g.done) / rate)} left in this phase` : "";
  const share = g.total ? Math.min(100, (100 * g.done) / g.total) : null;
  return h("div", { class: "progress" },
    h("div", { class: "progress-text" }, h("span", {}, g.phase), h("span", { class: "muted" }, share === null ? "no total known" : `${count(g.done)} of ${count(g.total)} ${g.unit} · ${share.toFixed(0)} %${left}`)),
    h("div", { class: `bar ${share === null ? "endless" : ""}`, role: "progressbar", "aria-label": g.phase, "aria-valuenow": share === null ? null : Math.round(share), "aria-valuemin": 0, "aria-valuemax": 100 },
      h("div", { style: { width: share === null ? "100%" : `${share}%` } })));
}

// spark is a small plot of a queue over time.
function spark(samples) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  const [from, to] = [samples[0][0], samples.at(-1)[0]], most = Math.max(...samples.map((s) => s[1]), 1);
  svg.setAttribute("viewBox", "0 0 200 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Sessions behind it: ${samples.at(-1)[1]} now, ${most} at most`);
  const x = (s) => (to > from ? (200 * (s[0] - from)) / (to - from) : 200), y = (s) => 38 - (34 * s[1]) / most;
  const points = samples.flatMap((s, i) => (i ? [[x(s), y(samples[i - 1])], [x(s), y(s)]] : [[x(s), y(s)]]));
  const area = document.createElementNS(ns, "polygon"), line = document.createElementNS(ns, "polyline");
  const text = points.map((q) => q.map((v) => v.toFixed(1)).join(",")).join(" ");
  line.setAttribute("points", text);
  area.setAttribute("points", `${points[0][0].toFixed(1)},38 ${text} 200,38`);
  svg.append(area, line);
  return h("div", { class: "sparkbox" }, svg, h("span", { class: "muted" }, `${count(samples.at(-1)[1])} now, ${count(most)} at most`));
}
