// Elements are made here and nowhere else. What comes from the server becomes a
// text node or an attribute, never markup.

export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") el.className = value;
    else if (name === "style") for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    else if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? "" : String(value));
  }
  add(el, children);
  return el;
}

function add(el, children) {
  for (const c of children.flat(Infinity)) {
    if (c === undefined || c === null || c === false || c === "") continue;
    el.append(c instanceof Node ? c : document.createTextNode(String(c)));
  }
}

export const $ = (id) => document.getElementById(id);

// fill replaces what is in an element, and keeps the focus and the places
// scrolled to: elements that can have them carry a data-key.
export function fill(el, ...children) {
  const active = el.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const scrolled = [...el.querySelectorAll("[data-scroll]")].map((e) => [e.dataset.scroll, e.scrollTop, e.scrollLeft]);
  const next = document.createDocumentFragment();
  add(next, children);
  el.replaceChildren(next);
  for (const [key, top, left] of scrolled) {
    const e = el.querySelector(`[data-scroll="${CSS.escape(key)}"]`);
    if (e) [e.scrollTop, e.scrollLeft] = [top, left];
  }
  if (active) el.querySelector(`[data-key="${CSS.escape(active)}"]`)?.focus({ preventScroll: true });
}

export const pill = (text, kind = "", title) => h("span", { class: `pill ${kind}`, title }, text);

export const empty = (text) => h("p", { class: "empty" }, text);

// link is a link if it leads to a web page, and plain text otherwise.
export function link(href, text) {
  try {
    const u = new URL(href);
    if (u.protocol === "https:" || u.protocol === "http:") {
      return h("a", { href: u.href, target: "_blank", rel: "noopener noreferrer" }, text);
    }
  } catch { /* not a URL */ }
  return h("span", {}, href);
}

// code shows a text to run, with a button that copies it.
export function code(text, key) {
  if (!text) return null;
  const copy = h("button", { type: "button", class: "copy", "data-key": key, "aria-label": `Copy ${text}`, onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Select it";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  } }, "Copy");
  return h("div", { class: "code" }, h("code", {}, text), copy);
}
