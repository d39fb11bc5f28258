// The picture as the page knows it: the first message has all of it, the others
// what has changed.

export const model = {
  epoch: 0, seq: 0, latencySeen: 0, skew: 0, heard: false,
  has: {}, running: [], impacts: [], pools: [], runs: new Map(), statements: new Map(), alerts: new Map(), findings: new Map(), troubles: new Map(), latency: [],
};

const maxPoints = 900;

// now is the server's clock.
export const now = () => Date.now() + model.skew;

// merge takes a message in and tells which parts have changed.
export function merge(m) {
  const fresh = m.epoch !== model.epoch;
  if (fresh) {
    for (const part of ["runs", "statements", "alerts", "findings", "troubles"]) model[part].clear();
    model.latency = [];
    model.epoch = m.epoch;
  }
  const running = JSON.stringify(model.running) !== JSON.stringify(m.running);
  const impacts = m.impacts.length > 0 || model.impacts.length > 0; // their clocks move
  Object.assign(model, { impacts: m.impacts, pools: m.pools, seq: m.seq, has: m.has, running: m.running, skew: m.now - Date.now(), heard: true });
  take(model.runs, m.runs, "id", m.max_runs);
  take(model.statements, m.statements, "fingerprint", 200);
  take(model.alerts, m.alerts, "fingerprint", 200);
  take(model.findings, m.findings, "key", 200);
  take(model.troubles, m.troubles, "key", 200);
  for (const p of m.latency) model.latency.push(p);
  model.latency.splice(0, Math.max(0, model.latency.length - maxPoints));
  model.latencySeen = model.latency.at(-1)?.at ?? 0;
  return {
    running: fresh || running, impacts,
    runs: fresh || m.runs.length > 0, changedRuns: new Set(m.runs.map((r) => r.id)),
    statements: fresh || m.statements.length > 0,
    alerts: fresh || m.alerts.length > 0,
    findings: fresh || m.findings.length > 0,
    troubles: fresh || m.troubles.length > 0,
    latency: fresh || m.latency.length > 0,
  };
}

// take keeps the newest of a list, in the order in which they first came.
function take(into, records, key, limit) {
  for (const r of records) into.set(r[key], r);
  for (const k of into.keys()) {
    if (into.size <= limit) break;
    into.delete(k);
  }
}

export const newestFirst = (records) => [...records.values()].reverse();

// blocked is how many sessions wait for statements of ours. Who waits for one that
// itself waits for another of ours is in both queues, and one session; of two that
// wait for each other the second is in the first's.
export function blocked(running) {
  const behind = (r, o) => o.picture.self.pid !== 0 && o.db_system === r.db_system && o.db_name === r.db_name && r.picture.blockers.some((s) => s.pid === o.picture.self.pid);
  const seen = running.filter((r) => r.picture);
  const outer = seen.filter((r) => !seen.some((o) => o !== r && behind(r, o) && !(r.conn_id < o.conn_id && behind(o, r))));
  return outer.reduce((n, r) => n + r.picture.queue - r.picture.queue_migrators, 0);
}
