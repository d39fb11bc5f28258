// Who waits for whom, as a tree: those who wait for nobody at the top, and below
// each the sessions that wait for it. Ours is marked.

import { h, pill } from "./dom.js";
import { duration } from "./format.js";

export function tree(r) {
  const p = r.picture;
  const sessions = [...p.blockers, { ...p.self, ours: true }, ...p.victims];
  const known = new Set(sessions.map((s) => s.pid));
  const below = new Map();
  const roots = [];
  for (const s of sessions) {
    const above = s.blocked_by.filter((pid) => known.has(pid) && pid !== s.pid);
    if (above.length === 0) roots.push(s);
    for (const pid of above) {
      if (!below.has(pid)) below.set(pid, []);
      below.get(pid).push(s);
    }
  }
  const shown = new Set();
  const list = (of) => h("ul", { class: "tree" }, of.map((s) => {
    if (shown.has(s.pid)) return s.ours ? null : h("li", {}, h("span", { class: "muted" }, `session ${s.pid}, as above`));
    shown.add(s.pid);
    const kids = (s.pid === 0 ? [] : below.get(s.pid)) ?? [];
    return h("li", {}, node(s), kids.length > 0 && list(kids));
  }));
  const top = list(roots.length ? roots : sessions.slice(0, 1));
  const rest = sessions.filter((s) => !shown.has(s.pid)); // a cycle has no root
  const hidden = p.queue - p.victims.length;
  return [top, rest.length > 0 && list(rest), hidden > 0 && h("p", { class: "muted" }, `and ${hidden} more behind it`)];
}

function node(s) {
  const root = s.blocked_by.length === 0;
  const idle = s.state.startsWith("idle in transaction");
  return h("div", { class: `node ${s.ours ? "ours" : ""} ${root && !s.ours ? "root" : ""}` },
    h("span", { class: "mono" }, s.prepared ? `prepared transaction ${s.prepared}` : s.pid),
    s.ours ? pill("this statement", "busy") : h("span", {}, [s.app, s.user].filter(Boolean).join(" · ") || "unknown"),
    s.state && !s.ours && pill(idle ? `${s.state} ${duration(s.state_ms)}` : s.state, root && idle ? "bad" : "quiet"),
    s.wait_kind && h("span", { class: "muted" }, `waits ${s.wait_ms ? `${duration(s.wait_ms)} ` : ""}for ${s.wait_for || s.wait_kind} ${s.wait_mode}`),
    s.query && !s.ours && h("code", { title: s.query }, s.query));
}
