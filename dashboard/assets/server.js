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

// listen hands over every message of the stream, until it ends.
export async function listen(path, heard) {
  const r = await ask(path);
  const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const p of parts) if (p.startsWith("data: ")) heard(JSON.parse(p.slice(6)));
  }
}
