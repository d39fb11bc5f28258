// The pools of connections: who waits for one is seen nowhere else.

import { $, fill, h, pill } from "./dom.js";
import { model, now } from "./model.js";
import { count, duration, plural } from "./format.js";

const marks = new Map(); // by name: how many had waited when, and how many have in the second after
const fresh = 5000;

// recently is how many have had to wait, per second, between the last two marks.
function recently(p) {
  const mark = marks.get(p.name), at = now();
  if (!mark || at - mark.at > fresh || p.waits < mark.waits) {
    marks.set(p.name, { at, waits: p.waits, rate: 0 });
  } else if (at - mark.at >= 1000) {
    marks.set(p.name, { at, waits: p.waits, rate: (p.waits - mark.waits) / ((at - mark.at) / 1000) });
  }
  return marks.get(p.name).rate;
}

const closed = (p) => [[p.closed_idle, "too many idle"], [p.closed_idle_time, "idle for too long"], [p.closed_lifetime, "too old"]].filter(([n]) => n > 0).map(([n, why]) => `${count(n)} ${why}`).join(", ") || "none";

function use(p) {
  const full = p.max > 0 && p.in_use >= p.max;
  return [p.max > 0 && h("span", { class: `gauge ${full ? "full" : ""}`, "aria-hidden": "true" }, h("span", { style: { width: `${Math.min(100, (100 * p.in_use) / p.max)}%` } })),
    p.max > 0 ? `${count(p.in_use)} of ${count(p.max)}` : `${count(p.in_use)}, no limit`, full && [" ", pill("all in use", "bad")]];
}

export function drawPools() {
  if (model.pools.length === 0) return;
  const num = (text, more = "") => h("th", { scope: "col", class: `num ${more}` }, text);
  fill($("pools-body"), h("table", {},
    h("caption", { class: "unseen" }, "Pools of connections, the one that was waited for longest first"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Pool"), h("th", { scope: "col" }, "In use"), num("Idle", "wide"), num("Begin to wait"), num("Have waited"), h("th", { scope: "col", class: "wide" }, "Closed, and why"))),
    h("tbody", {}, model.pools.map((p) => {
      const rate = recently(p);
      return h("tr", {},
        h("td", {}, h("strong", {}, p.name)), h("td", {}, use(p)), h("td", { class: "num wide" }, count(p.idle)),
        h("td", { class: `num ${rate > 0 ? "bad" : ""}` }, `${count(Math.ceil(rate))}/s`),
        h("td", { class: "num" }, p.waits > 0 ? `${plural(p.waits, "call")}, ${duration(p.waited_ms)}` : "none"),
        h("td", { class: "wide" }, closed(p)));
    }))));
}
