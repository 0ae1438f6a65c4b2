// The newest snapshot, how old it is, and the way on which it comes: one stream for all tabs of this browser.
//
//   age       every value is as old as the recorder says it was, plus the way here, plus the wait since
//   link      a leader tab has the stream and tells the others; a lost connection is found again by itself

import {now, read} from "/words.js";

const STALE_S = 0.9;        // shown by the next look, so within a second
const GONE_S = 5;           // an older value is not shown at all
const PERIOD_MOST_S = 2.5;  // a source is granted its own rhythm (a receiver of 1 Hz), but not more than this
export const SILENT_S = 3;         // the server speaks every second; after this the line is dead, whatever TCP says
const LEADER_SILENT_S = 2.5;
const RETRY_MS = 500;

// ---- age ---------------------------------------------------------------------------------------------

class Rhythm {  // how often a source has news; stale is what is later than that
  usual = 0;
  last = 0;
  news(age) {  // the age it has now; a smaller one than before means that news came
    if (age < this.last && this.last < PERIOD_MOST_S) this.usual = Math.max(this.usual * 0.8, this.last);
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
let arrived = -Infinity, lastId = 0, late = 0, swiftest = Infinity;
export let heard = now(), recorder = null;
let onNews = () => {};

export const listen = callback => { onNews = callback; };

export const waited = () => now() - arrived + late;
export const ageOf = group => { const age = read(state, group + ".age_s"); return age === null ? null : age + waited(); };

function take(type, data, id) {
  heard = now();
  if (type === "link") { ({recorder} = data); return; }
  const way = heard - id / 1000;  // two clocks apart, but the least of it is the usual way
  swiftest = Math.min(way, swiftest + 0.0005 * Math.min(60, heard - Math.max(arrived, 0)));  // clocks drift
  late = way - swiftest;
  if (state) rhythm("message").news(heard - arrived);
  rhythm("message").news(0);
  [state, arrived, lastId, recorder] = [data, heard, id, true];
  for (const group of ["section", "limit", "next", "gps"]) rhythm(group).news(data[group]?.age_s ?? Infinity);
  for (const [name, {age_s}] of Object.entries(data.engine ?? {})) rhythm("engine." + name).news(age_s ?? Infinity);
  onNews();
}

// ---- link: a browser allows six connections to one server, so its tabs share one --------------------

const channel = "BroadcastChannel" in window ? new BroadcastChannel("stagelog") : null;
const me = Math.random().toString(36).slice(2);
const rank = () => (document.hidden ? "1" : "0") + me;  // the smaller leads; a hidden tab's timers sleep
export let stream = null;
let leaderHeard = -Infinity, told = 0, opened = -Infinity;

const tell = message => { told = now(); channel?.postMessage({rank: rank(), ...message}); };

function lead() {
  if (stream) return;
  opened = now();
  swiftest = Infinity;
  stream = new EventSource("/api/live/stream");
  const pass = type => event => {
    const data = JSON.parse(event.data);
    tell({type, data, id: event.lastEventId});
    take(type, data, event.lastEventId);
  };
  stream.addEventListener("message", pass("message"));
  stream.addEventListener("link", pass("link"));
  stream.onerror = () => {  // also for answers after which a browser would not try again
    stop();
    lost();
    setTimeout(() => now() - leaderHeard > LEADER_SILENT_S && lead(), RETRY_MS);
  };
  tell({});
}

function stop() { stream?.close(); stream = null; }

function lost() {
  heard = -Infinity;
  tell({type: "lost"});
  fetch("/api/live", {redirect: "manual"}).then(answer => { if (answer.status === 401) location.reload(); }, () => {});
}

channel?.addEventListener("message", ({data: message}) => {
  const better = message.rank < rank();
  if (message.asks) { if (stream && waited() < STALE_S) tell({type: "message", data: state, id: lastId}); return; }
  if (message.bye) { leaderHeard = -Infinity; setTimeout(follow, Math.random() * 200); return; }
  if (stream && better) stop();
  else if (stream) { tell({}); return; }
  else if (message.rank[0] > rank()[0]) { lead(); return; }
  leaderHeard = now();
  if (message.type === "lost") heard = -Infinity;
  else if (message.type && message.id !== undefined) take(message.type, message.data, message.id);
});

export function follow() {
  if (!stream && now() - leaderHeard > LEADER_SILENT_S) lead();
  else if (stream && now() - Math.max(heard, opened) > SILENT_S) { stop(); lost(); lead(); }
  else if (stream && now() - told > 1) tell({});
}

addEventListener("pagehide", () => { if (stream) { tell({bye: true}); stop(); } });
addEventListener("pageshow", event => { if (event.persisted) lead(); });
addEventListener("visibilitychange", follow);

export function join() {
  if (channel) { tell({asks: true}); leaderHeard = now() - LEADER_SILENT_S + 0.2; } else lead();
}
