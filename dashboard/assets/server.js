// Requests to the server. The token, if one is needed, is kept for the tab.

const key = "sqlwitness-token";

export class Denied extends Error {}

export const setToken = (t) => sessionStorage.setItem(key, t);
export const hadToken = () => sessionStorage.getItem(key) !== null;

async function ask(path, options = {}) {
  const token = sessionStorage.getItem(key);
  const r = await fetch(path, { ...options, cache: "no-store", credentials: "omit", headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (r.status === 401) throw new Denied();
  if (!r.ok) throw new Error((await r.text()).trim() || `status ${r.status}`);
  return r;
}

export const json = async (path, options) => (await ask(path, options)).json();

// The server sends something every 15 s. A connection that is silent for longer
// is dead, though nobody has closed it: a machine that slept, a network that changed.
const silence = 40_000;

// listen hands over every message of the stream, until it ends.
export async function listen(path, heard) {
  const dead = new AbortController();
  let timer = setTimeout(() => dead.abort(), silence);
  try {
    const r = await ask(path, { signal: dead.signal });
    const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => dead.abort(), silence);
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const p of parts) if (p.startsWith("data: ")) heard(JSON.parse(p.slice(6)));
    }
  } finally {
    clearTimeout(timer);
    dead.abort(); // if what was heard could not be shown, the stream is still open
  }
}
