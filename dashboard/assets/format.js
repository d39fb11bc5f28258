// Numbers and times as people read them.

export function duration(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 1) return ms > 0 ? "<1 ms" : "0 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 9995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 3600) return `${Math.floor(s / 60)} m ${String(s % 60).padStart(2, "0")} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${String(Math.floor(s / 60) % 60).padStart(2, "0")} m`;
  return `${Math.floor(s / 86_400)} d ${Math.floor(s / 3600) % 24} h`;
}

// tick is a duration on an axis, where the values are round.
export function tick(ms) {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 120_000) return `${ms / 1000} s`;
  if (ms < 7200_000) return `${ms / 60_000} m`;
  return `${ms / 3600_000} h`;
}

// roughly is a duration that is guessed.
export const roughly = (ms) => duration(ms < 1000 ? 1000 : ms < 60_000 ? Math.round(ms / 1000) * 1000 : Math.round(ms / 60_000) * 60_000).replace(/\.0+ s| 00 s/, (s) => (s === " 00 s" ? "" : " s"));

// bytes are in binary units, as databases count them.
export function bytes(n) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let i = 0;
  for (n = Math.abs(n); n >= 1023.5 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 || n >= 99.95 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

export const count = (n) => n.toLocaleString("en");

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function clock(t) {
  const d = new Date(t);
  const day = d.toDateString() === new Date().toDateString() ? "" : `${d.toLocaleDateString(undefined, { month: "short", day: "numeric" })} `;
  return day + d.toLocaleTimeString(undefined, { hour12: false });
}

export const iso = (t) => (t ? new Date(t).toISOString() : "");

export function ago(t, now) {
  const ms = now - t;
  return ms < 1000 ? "just now" : ms < 60_000 ? `${Math.floor(ms / 1000)} s ago` : ms < 3600_000 ? `${Math.floor(ms / 60_000)} min ago` : clock(t);
}

// version names what has one: a migration, a statement of one, an alert. Some
// tools tell it only when the migration is over; until then there may be the one
// before it.
export const version = (m) => m.version ?? (m.after ? `after ${m.after}` : "unknown version");

export const database = (r) => [r.db_name || "database", r.db_system].filter(Boolean).join(" · ");
