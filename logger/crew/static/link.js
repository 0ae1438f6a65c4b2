// Receive the newest snapshot and track its age: one event stream for all tabs of this browser.
//
//   age       age of a value = its age in the snapshot + delay on the way + time since arrival
//   link      a leader tab has the stream and forwards it to the others; it reconnects by itself

import {now, read} from "/words.js";

const STALE_S = 0.9;        // the next rendering shows it, so within a second
const GONE_S = 5;           // an older value is not shown at all
const PERIOD_MAX_S = 2.5;   // a slow source (a 1 Hz receiver) is fresh for its own period, at most this long
export const SILENT_S = 3;         // the server sends every second; after this the connection is dead, even if TCP has not noticed
const LEADER_SILENT_S = 2.5;
const RETRY_MS = 500;

// ---- age ---------------------------------------------------------------------------------------------

class Rhythm {  // the usual update period of a source; a value that is clearly older is stale
  usual = 0;
  last = 0;
  update(age) {  // the current age; an age below the last one means that a new value arrived
    if (age < this.last && this.last < PERIOD_MAX_S) this.usual = Math.max(this.usual * 0.8, this.last);
    this.last = age;
  }
  fresh(age) {
    if (age === null || age >= GONE_S) return "gone";
    return age > Math.max(STALE_S, this.usual * 1.3) ? "stale" : "fresh";
  }
}
const rhythms = new Map();
export const rhythm = name => rhythms.get(name) ?? rhythms.set(name, new Rhythm()).get(name);

export let state = null;
let arrived = -Infinity, lastId = 0, late = 0, leastDelay = Infinity;
export let heard = now(), recorder = null;
let onNews = () => {};

export const listen = callback => { onNews = callback; };

export const waited = () => now() - arrived + late;
export const ageOf = group => { const age = read(state, group + ".age_s"); return age === null ? null : age + waited(); };

function take(type, data, id) {
  heard = now();
  if (type === "link") { ({recorder} = data); return; }
  const delay = heard - id / 1000;  // includes the unknown offset of the two clocks; its minimum is the usual delay
  leastDelay = Math.min(delay, leastDelay + 0.0005 * Math.min(60, heard - Math.max(arrived, 0)));  // clocks drift
  late = delay - leastDelay;
  if (state) rhythm("message").update(heard - arrived);
  rhythm("message").update(0);
  [state, arrived, lastId, recorder] = [data, heard, id, true];
  for (const group of ["section", "limit", "next", "gps"]) rhythm(group).update(data[group]?.age_s ?? Infinity);
  for (const [name, {age_s}] of Object.entries(data.engine ?? {})) rhythm("engine." + name).update(age_s ?? Infinity);
  onNews();
}

// ---- link: a browser allows six connections to one server, so its tabs share one --------------------

const channel = "BroadcastChannel" in window ? new BroadcastChannel("stagelog") : null;
const me = Math.random().toString(36).slice(2);
const rank = () => (document.hidden ? "1" : "0") + me;  // the smallest leads; visible tabs first, as a hidden tab's timers sleep
export let stream = null;
let leaderHeard = -Infinity, posted = 0, opened = -Infinity;

const post = message => { posted = now(); channel?.postMessage({rank: rank(), ...message}); };

function lead() {
  if (stream) return;
  opened = now();
  leastDelay = Infinity;
  stream = new EventSource("/api/live/stream");
  const pass = type => event => {
    const data = JSON.parse(event.data);
    post({type, data, id: event.lastEventId});
    take(type, data, event.lastEventId);
  };
  stream.addEventListener("message", pass("message"));
  stream.addEventListener("link", pass("link"));
  stream.onerror = () => {  // also for status codes after which a browser does not retry
    stop();
    lost();
    setTimeout(() => now() - leaderHeard > LEADER_SILENT_S && lead(), RETRY_MS);
  };
  post({});
}

function stop() { stream?.close(); stream = null; }

function lost() {
  heard = -Infinity;
  post({type: "lost"});
  fetch("/api/live", {redirect: "manual"}).then(answer => { if (answer.status === 401) location.reload(); }, () => {});
}

channel?.addEventListener("message", ({data: message}) => {
  const better = message.rank < rank();
  if (message.asks) { if (stream && waited() < STALE_S) post({type: "message", data: state, id: lastId}); return; }
  if (message.bye) { leaderHeard = -Infinity; setTimeout(follow, Math.random() * 200); return; }
  if (stream && better) stop();
  else if (stream) { post({}); return; }
  else if (message.rank[0] > rank()[0]) { lead(); return; }
  leaderHeard = now();
  if (message.type === "lost") heard = -Infinity;
  else if (message.type && message.id !== undefined) take(message.type, message.data, message.id);
});

export function follow() {
  if (!stream && now() - leaderHeard > LEADER_SILENT_S) lead();
  else if (stream && now() - Math.max(heard, opened) > SILENT_S) { stop(); lost(); lead(); }
  else if (stream && now() - posted > 1) post({});
}

addEventListener("pagehide", () => { if (stream) { post({bye: true}); stop(); } });
addEventListener("pageshow", event => { if (event.persisted) lead(); });
addEventListener("visibilitychange", follow);

export function join() {
  if (channel) { post({asks: true}); leaderHeard = now() - LEADER_SILENT_S + 0.2; } else lead();
}
