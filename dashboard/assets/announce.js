// What a screen reader is told: the few changes that matter, in a sentence.

import { $ } from "./dom.js";
import { model } from "./model.js";
import { plural } from "./format.js";

const known = { runs: new Map(), alerts: new Map(), queue: 0 };
let first = true;

export function announce(changed) {
  const said = [];
  for (const id of changed.changedRuns) {
    const r = model.runs.get(id);
    if (!r || known.runs.get(id) === r.outcome) continue;
    if (r.outcome === "elsewhere") said.push("A migration of another process is over.");
    else if (r.outcome !== "noop") said.push(r.outcome === "" ? `A run of ${r.tool} has started.` : `The run of ${r.tool} has ended: ${r.outcome}.`);
    known.runs.set(id, r.outcome);
  }
  for (const a of model.alerts.values()) {
    if (known.alerts.get(a.fingerprint) !== a.state) said.push(`Alert ${a.state}: ${a.title}.`);
    known.alerts.set(a.fingerprint, a.state);
  }
  const queue = model.running.reduce((n, r) => Math.max(n, r.picture?.queue ?? 0), 0);
  if ((queue > 0) !== (known.queue > 0)) said.push(queue > 0 ? `${plural(queue, "session")} blocked.` : "No session is blocked any more.");
  known.queue = queue;
  if (!first && said.length > 0) $("said").textContent = said.slice(-3).join(" ");
  first = false;
}
