// The page: listens to the server and has each part drawn when it has changed.

import { $ } from "./dom.js";
import { merge, model } from "./model.js";
import { Denied, hadToken, listen, setToken } from "./server.js";
import { announce } from "./announce.js";
import { drawTiles } from "./tiles.js";
import { drawCause, tickCause } from "./cause.js";
import { drawNow, tickNow } from "./now.js";
import { drawLatency } from "./latency.js";
import { drawPools } from "./pools.js";
import { drawRuns, listenRuns } from "./runs.js";
import { drawTimeline, follow, tickTimeline } from "./timeline.js";
import { drawAlerts, drawFindings, drawTroubles } from "./notices.js";
import { drawStatements } from "./statements.js";
import { askAudit, drawAudit, listenAudit } from "./audit.js";

function heard(message) {
  const first = !model.heard;
  const changed = merge(message);
  if (first) show();
  say("live", "live");
  for (const el of document.querySelectorAll("[data-needs]")) el.hidden = !model.has[el.dataset.needs];
  announce(changed);
  if (changed.running || changed.impacts || changed.alerts || changed.latency) drawCause();
  if (changed.running || changed.impacts || changed.runs) drawNow();
  if (changed.latency || changed.runs) drawLatency();
  drawPools();
  if (changed.runs) drawRuns();
  if (changed.running || changed.runs) follow(changed.changedRuns);
  if (changed.alerts) drawAlerts();
  if (changed.findings) drawFindings();
  if (changed.troubles) drawTroubles();
  if (changed.statements) drawStatements();
  if (model.has.audit && (first || changed.changedRuns.size > 0)) askAudit().then(drawTiles);
  drawTiles();
}

function show() {
  $("login").hidden = true;
  $("main").hidden = false;
}

function say(state, text) {
  const el = $("link");
  if (el.dataset.state === state && el.textContent === text) return;
  el.dataset.state = state;
  el.textContent = text;
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function connect() {
  for (let wait = 1000; ;) {
    try {
      await listen(`api/events?epoch=${model.epoch}&since=${model.seq}&latency=${model.latencySeen}`, (m) => { wait = 1000; heard(m); });
      say("lost", "reconnecting");
    } catch (e) {
      if (e instanceof Denied) return ask();
      say("lost", model.heard ? "reconnecting" : `not connected: ${e.message}`);
    }
    await pause(wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, 15_000);
  }
}

function ask() {
  say("lost", "token needed");
  $("main").hidden = true;
  $("login").hidden = false;
  $("denied").textContent = hadToken() ? "That token was not accepted." : "";
  $("token").focus();
}

$("login").addEventListener("submit", (e) => {
  e.preventDefault();
  setToken($("token").value);
  $("token").value = "";
  $("login").hidden = true;
  say("lost", "connecting");
  connect();
});

listenRuns();
listenAudit();
drawAudit();
setInterval(() => { if (model.heard && !document.hidden) { tickCause(); tickNow(); tickTimeline(); drawTiles(); } }, 1000);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawLatency(true); drawTimeline(); });
connect();
