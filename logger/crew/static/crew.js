"use strict";
// The crew page: shows the newest snapshot, says how old it is, and sends what the crew presses.
//
//   link      one stream for all tabs of this browser; a leader tab has it and tells the others
//   age       every value is as old as the recorder says it was, plus the way here, plus the wait since
//   render    snapshot -> page, ten times a second whether or not anything came
//   commands  buttons and keys -> POST /api/command
//
// It computes nothing about the drive: what is not in the snapshot is not known here either.

const STALE_S = 0.9;        // shown by the next look, so within a second
const GONE_S = 5;           // an older value is not shown at all
const PERIOD_MOST_S = 2.5;  // a source is granted its own rhythm (a receiver of 1 Hz), but not more than this
const LOOK_MS = 100;
const SILENT_S = 3;         // the server speaks every second; after this the line is dead, whatever TCP says
const LEADER_SILENT_S = 2.5;
const RETRY_MS = 500;

const $ = id => document.getElementById(id);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const read = (object, path) => path.split(".").reduce((value, key) => value?.[key], object) ?? null;
const now = () => performance.now() / 1000;
const setting = (key, value) => {
  try { return value === undefined ? localStorage.getItem(key) : localStorage.setItem(key, value); } catch { return null; }
};

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
const rhythm = name => rhythms.get(name) ?? rhythms.set(name, new Rhythm()).get(name);

let state = null, arrived = -Infinity, lastId = 0, late = 0, swiftest = Infinity;
let heard = now(), recorder = null, why = "";

const waited = () => now() - arrived + late;
const ageOf = group => { const age = read(state, group + ".age_s"); return age === null ? null : age + waited(); };

function take(type, data, id) {
  heard = now();
  if (type === "link") { ({recorder, why} = data); return; }
  const way = heard - id / 1000;  // two clocks apart, but the least of it is the usual way
  swiftest = Math.min(way, swiftest + 0.0005 * Math.min(60, heard - Math.max(arrived, 0)));  // clocks drift
  late = way - swiftest;
  if (state) rhythm("message").news(heard - arrived);
  rhythm("message").news(0);
  [state, arrived, lastId, recorder] = [data, heard, id, true];
  for (const group of ["section", "limit", "next", "gps"]) rhythm(group).news(data[group]?.age_s ?? Infinity);
  for (const [name, {age_s}] of Object.entries(data.engine ?? {})) rhythm("engine." + name).news(age_s ?? Infinity);
  render();
}

// ---- link: a browser allows six connections to one server, so its tabs share one --------------------

const channel = "BroadcastChannel" in window ? new BroadcastChannel("stagelog") : null;
const me = Math.random().toString(36).slice(2);
const rank = () => (document.hidden ? "1" : "0") + me;  // the smaller leads; a hidden tab's timers sleep
let stream = null, leaderHeard = -Infinity, told = 0, opened = -Infinity;

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

function follow() {
  if (!stream && now() - leaderHeard > LEADER_SILENT_S) lead();
  else if (stream && now() - Math.max(heard, opened) > SILENT_S) { stop(); lost(); lead(); }
  else if (stream && now() - told > 1) tell({});
}

addEventListener("pagehide", () => { if (stream) { tell({bye: true}); stop(); } });
addEventListener("pageshow", event => { if (event.persisted) lead(); });
addEventListener("visibilitychange", follow);

// ---- how values are written -------------------------------------------------------------------------

const GONE = "--";
const fixed = places => value => Number(value).toFixed(places).replace(/^-(0(\.0*)?)$/, "$1");
const two = number => String(Math.floor(number)).padStart(2, "0");
const duration = seconds => {
  const whole = Math.floor(Math.abs(seconds));
  return `${seconds < 0 ? "-" : ""}${Math.floor(whole / 3600)}:${two(whole / 60 % 60)}:${two(whole % 60)}`;
};
const official = seconds => duration(Math.round(seconds));  // a time that was taken; GPS is a hundredth off, not a second
const clock = (iso, running) => {
  const at = new Date(Date.parse(iso) + (running ? waited() * 1000 : 0));
  return setting("zone") === "local" ? at.toLocaleTimeString("en-GB") : at.toISOString().slice(11, 19);
};
const formats = {
  whole: fixed(0), tenth: fixed(1), km: fixed(2), near: km => (km < 1 ? `${fixed(0)(Math.max(0, km * 1000))} m` : fixed(km < 100 ? 2 : 1)(km)),
  way: km => formats.near(km) + (km < 1 ? "" : " km"),
  time: duration, clock: iso => clock(iso, false),
};

function write(element, text, fresh = "fresh") {
  if (element.textContent !== text) element.textContent = text;
  if (element.dataset.fresh !== fresh) element.dataset.fresh = fresh;
}

function list(parent, rows) {  // rows of cells, each row with a class
  const text = JSON.stringify(rows);
  if (parent.dataset.rows === text) return;
  parent.dataset.rows = text;
  parent.replaceChildren(...rows.map(([className, ...cells]) => {
    const item = document.createElement("li");
    item.className = className;
    item.append(...cells.map(cell => { const span = document.createElement("span"); span.textContent = cell; return span; }));
    return item;
  }));
}

// ---- render -----------------------------------------------------------------------------------------

let values = [];
let message = "gone";

function render() {
  message = state ? rhythm("message").fresh(waited()) : "gone";
  const lostServer = now() - heard > SILENT_S;
  document.body.dataset.link = message;
  write($("trouble"), message === "fresh" ? "" : lostServer ? "No connection: trying again"
    : recorder === null ? "Connecting" : recorder ? "Recorder is silent" : "No recorder");
  const shown = message === "gone" ? {} : state;
  for (const {element, path, format, group} of values) {
    const value = read(shown, path);
    const fresh = group ? rhythm(group).fresh(ageOf(group)) : "fresh";
    if (value === null || fresh === "gone") write(element, GONE, "gone");
    else write(element, path === "utc" ? clock(value, true) : formats[format](value), message === "stale" ? "stale" : fresh);
  }
  renderPace(shown);
  renderRoad(shown);
  renderLists(shown);
  renderEngine(shown);
  renderHealth(shown);
  renderAlarm(state);
}

function renderPace(shown) {
  const limit = shown.limit ?? {};
  const known = shown.speed_kmh != null && rhythm("limit").fresh(ageOf("limit")) !== "gone";
  const over = known && limit.over_kmh > 0 && !limit.free;
  const pace = over ? "over" : known && limit.warning && !limit.free ? "near" : "ok";
  for (const panel of all("[data-pace]")) panel.dataset.pace = pace;
  for (const sign of all("[data-sign]")) sign.toggleAttribute("data-none", limit.kmh == null);
  for (const place of all("[data-reason]")) write(place, limit.kmh == null ? "" : limit.zone ? `Zone from ${limit.zone.replace(/^\D*(?=\d)/, "km ")}` : `${limit.reason} limit`);
  const kind = over ? "over" : limit.approaching_m != null ? "ahead" : limit.free ? "free" : "";
  const notice = {over: `+${Math.max(1, Math.round(limit.over_kmh))}`, ahead: `${limit.approaching_kmh ?? "Zone"} in ${formats.way(limit.approaching_m / 1000)}`, free: "Free area"};
  for (const place of all("[data-notice]")) { place.dataset.kind = kind; write(place, notice[kind] ?? ""); }
  for (const place of all("[data-next-name]")) write(place, nameOf(shown.next) || "Next");
  sound(kind === "over" ? kind : pace === "near" ? pace : kind);
}

const nameOf = mark => (mark?.name || mark?.kind?.toUpperCase() || "").replace(/ \d+\.\d\d$/, "");  // the km is shown beside it
const CONTROLS = new Set(["dss", "ass", "cp", "tc", "dn", "dt", "end"]);

function renderRoad(shown) {
  const section = shown.section ?? {};
  const name = [section.name, section.kind !== section.name && section.kind].filter(Boolean).join(" \u00b7 ");
  const waiting = section.state === "waiting" ? " \u00b7 waiting for the start" : "";
  for (const place of all("[data-section]")) write(place, name ? name + waiting : "No section");
  const {kind, remaining_s: left = null} = shown.countdown ?? {};
  const seconds = left === null ? 0 : Math.ceil(left - waited());
  write($("countdown"), left === null ? "" : `${{start: "Start", target: "Target", neutralisation: "Neutralised", transfer: "Transfer"}[kind] ?? kind} ${seconds < 0 ? "late " : ""}${duration(Math.abs(seconds))}`);
  $("countdown").toggleAttribute("data-late", seconds < 0);
  const length = section.length_km;
  write($("bar-from"), length ? "0" : "");
  write($("bar-to"), length ? `${formats.tenth(length)} km${section.estimated ? ", distance estimated" : ""}` : "");
  $("bar").style.visibility = length ? "visible" : "hidden";
  const done = `${100 * (section.progress ?? 0)}%`;
  if ($("car").style.left !== done) $("car").style.left = $("driven").style.width = done;
  $("car").hidden = section.progress == null;
  const width = $("bar").clientWidth;
  const key = JSON.stringify([section.marks, length, width]);
  if (length && $("marks").dataset.key !== key) { $("marks").dataset.key = key; drawMarks(section.marks ?? [], length, width); }
}

function drawMarks(marks, length, width) {
  const drawn = [];
  let free = -Infinity;
  marks.forEach((mark, index) => {
    const item = document.createElement("i");
    item.style.left = `${100 * mark.km / length}%`;
    if (mark.kind === "dz") {
      const end = marks.slice(index).find(after => after.kind === "fz")?.km ?? length;
      item.className = "zone";
      item.style.width = `${100 * (end - mark.km) / length}%`;
    } else if (CONTROLS.has(mark.kind)) {
      item.className = "control";
      const at = width * mark.km / length, label = document.createElement("span");
      label.textContent = nameOf(mark);
      const room = 9 * label.textContent.length + 12;
      const left = at + room > width;
      item.classList.toggle("left", left);
      if ((left ? at - room : at) >= free) { item.append(label); free = left ? at : at + room; }
    } else if (mark.kind === "fz") return;
    else item.className = "point";
    drawn.push(item);
  });
  $("marks").replaceChildren(...drawn);
}

function renderLists(shown) {
  const {distance_km: here = null, marks} = shown.section ?? {}, next = shown.next;
  const ahead = (marks ?? []).filter(mark => here !== null && mark.km >= (next?.km ?? here)).slice(0, 6);
  const coming = ahead.length || !next?.kind ? ahead : [next];
  list($("next"), coming.map(mark => [mark.kind === "dz" ? "zone" : "", nameOf(mark) + (mark.kmh ? ` ${mark.kmh}` : ""),
    formats.km(mark.km), formats.near(Math.max(0, mark.km - here))]));
  list($("splits"), (shown.splits ?? []).slice(-4).map(split => ["", `${split.name}${split.estimated ? " ~" : ""}`,
    split.elapsed_s == null ? GONE : official(split.elapsed_s), split.average_kmh == null ? GONE : formats.tenth(split.average_kmh)]));
}

const ENGINE_FIRST = ["battery_v", "coolant_c", "oil_bar", "oil_c", "rpm", "fuel_pct", "gear", "intake_c"];

function renderEngine(shown) {
  const place = name => { const at = ENGINE_FIRST.indexOf(name); return at < 0 ? 99 : at; };
  const names = Object.keys(state?.engine ?? {}).sort((a, b) => place(a) - place(b) || a.localeCompare(b)).slice(0, 12);
  const parent = $("engine");
  if (parent.dataset.names !== names.join()) {
    parent.dataset.names = names.join();
    parent.replaceChildren(...names.map(name => {
      const box = document.createElement("p"), value = document.createElement("b"), label = document.createElement("small");
      value.dataset.engine = name;
      label.textContent = name.replace(/_(v|c|pct)$/, "").replaceAll("_", " ");  // what is written beside the value
      box.append(value, label);
      return box;
    }));
  }
  for (const element of all("[data-engine]", parent)) {
    const {value = null, unit, age_s: age} = shown.engine?.[element.dataset.engine] ?? {};
    const fresh = age == null ? "gone" : rhythm("engine." + element.dataset.engine).fresh(age + waited());
    const number = value === null ? GONE : fixed(Math.abs(value) < 20 && !Number.isInteger(value) ? 1 : 0)(value);
    write(element, fresh === "gone" ? GONE : number + ({degC: "\u00b0", "%": "%", V: "V"}[unit] ?? ""), message === "stale" ? "stale" : fresh);
  }
}

const LINK_WORDS = {open: "good", opening: "near", waiting: "near"};

function health(shown) {  // [text, state, detail] of everything that must work
  const {gps = {}, recording = {}, links = {}} = shown, known = [];
  const gpsFresh = rhythm("gps").fresh(ageOf("gps"));
  known.push([`${gps.satellites ?? GONE} sat`, gpsFresh === "gone" ? "bad" : !gps.quality ? "bad" : gpsFresh === "stale" ? "near" : "good",
    `quality ${gps.quality ?? GONE}, ${gps.satellites ?? GONE} satellites, hdop ${gps.hdop ?? GONE}`]);
  for (const [name, link] of Object.entries(links ?? {}))
    known.push([name, LINK_WORDS[link.state] ?? "bad", `${link.state}${link.detail ? `: ${link.detail}` : ""}, ${link.good} good, ${link.bad} bad`]);
  known.push([recording.ok === false ? "LOG NOT WRITTEN" : recording.dropped ? `LOG lost ${recording.dropped}` : "LOG",
    recording.ok == null ? "unknown" : !recording.ok ? "bad" : recording.dropped ? "near" : "good",
    `${recording.rows ?? GONE} rows, ${recording.lag_s ?? GONE} s behind, ${recording.dropped ?? GONE} lost, ${recording.free_mb ?? GONE} MB free${recording.trouble ? `: ${recording.trouble}` : ""}`]);
  for (const alarm of shown.alarms ?? []) if (alarm.acknowledged) known.push([alarm.name, alarm.level === "critical" ? "bad" : "near", alarm.message]);
  return known;
}

function renderHealth(shown) {
  const known = state && message !== "gone" ? health(shown) : [];
  const text = JSON.stringify(known.map(([label, good]) => [label, good]));
  if ($("chips").dataset.rows !== text) {
    $("chips").dataset.rows = text;
    $("chips").replaceChildren(...known.map(([label, good]) => {
      const chip = document.createElement("span");
      chip.textContent = label;
      chip.dataset.state = good;
      return chip;
    }));
  }
  if (!$("more-dialog").open) return;
  const {gps = {}, stage = {}, recording = {}} = shown, degrees = value => (value == null ? GONE : value.toFixed(5));
  const where = shown.compliance ? "hidden in the timed section" : `${degrees(gps.lat)}, ${degrees(gps.lon)}, heading ${gps.course_deg == null ? GONE : Math.round(gps.course_deg) + "\u00b0"}`;
  write($("stage"), [stage.event, stage.number && `stage ${stage.number}`, stage.name].filter(Boolean).join(" \u00b7 ") || "No stage");
  const rows = [...known.map(([label, , detail]) => [label, detail]), ["Position", where], ["Speed from", shown.speed_source ?? GONE], ["File", recording.path ?? GONE],
    ...(shown.controls ?? []).map(control => [nameOf(control), `${control.utc ? clock(control.utc, false) : GONE}, ${control.elapsed_s == null ? GONE : official(control.elapsed_s)}`]).reverse()];
  const all = JSON.stringify(rows);
  if ($("details").dataset.rows === all) return;
  $("details").dataset.rows = all;
  $("details").replaceChildren(...rows.flatMap(([label, detail]) => {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, text.textContent, text.id] = [label, detail, label === "Position" ? "position" : ""];
    return [term, text];
  }));
}

function renderAlarm(shown) {
  const waiting = (shown?.alarms ?? []).filter(alarm => !alarm.acknowledged), alarm = waiting[0];
  const panel = $("alarm");
  panel.hidden = !alarm;
  if (!alarm) return;
  panel.dataset.level = alarm.level;
  write($("alarm-name"), alarm.name + (waiting.length > 1 ? ` (1 of ${waiting.length})` : ""));
  write($("alarm-message"), alarm.message ?? "");
  write($("alarm-since"), alarm.since_s == null ? "" : `for ${duration(alarm.since_s + waited())}`);
  $("acknowledge").dataset.name = alarm.name;
  sound(`alarm ${alarm.level}`);
}

// ---- sounds: off until the crew has touched the button, as browsers demand --------------------------

let audio = null;
const sounded = new Map();  // when each was last heard
const PAUSE_S = 0.3;        // between any two, so that each can be told from the other
const TONES = {over: [880, 0.5], near: [660, 2], ahead: [520, 4], "alarm critical": [1200, 0.6], "alarm warn": [740, 1.5], "alarm info": [600, Infinity]};

function sound(what) {
  if (!audio || document.hidden || !what) return;
  const [pitch, every] = TONES[what] ?? TONES["alarm warn"];
  if (now() - Math.max(...sounded.values()) < PAUSE_S || now() - (sounded.get(what) ?? -Infinity) < every) return;
  sounded.set(what, now());
  const tone = audio.createOscillator(), volume = audio.createGain();
  tone.type = "square";
  tone.frequency.value = pitch;
  volume.gain.setValueAtTime(0.25, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.2);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.2);
}

// ---- commands ---------------------------------------------------------------------------------------

let saidAt = 0;
function say(text, wrong = false) {
  saidAt = now();
  write($("said"), text);
  $("said").toggleAttribute("data-wrong", wrong);
}

async function command(name, args = {}, label = "") {
  try {
    const answer = await fetch("/api/command", {
      method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify({command: name, ...args}), signal: AbortSignal.timeout(5000),
    });
    if (answer.status === 401) { location.href = "/login"; return; }
    const {ok, error} = await answer.json();
    say(ok ? `${label || name.replaceAll("_", " ")}: done` : error, !ok);
  } catch {
    say(`${label || name}: no answer`, true);
  }
}

const actions = {
  view() { setView(document.body.dataset.view === "driver" ? "navigator" : "driver"); },
  theme() { setTheme(document.body.dataset.theme === "day" ? "night" : "day"); },
  zone() { setting("zone", setting("zone") === "local" ? "utc" : "local"); showZone(); render(); },
  more() { toggle("more-dialog"); },
  section() { showNext(); toggle("section-dialog"); },
  close() { for (const dialog of all("dialog")) dialog.close(); },
  sound() {
    const on = !audio;
    if (on) audio = new AudioContext(); else { audio.close(); audio = null; }
    $("sound").setAttribute("aria-pressed", on);
    $("sound").innerText = on ? "Sound\non" : "Sound\noff";
    sound("ahead");
  },
};

function setView(view) {
  document.body.dataset.view = view;
  setting("view", view);
  history.replaceState(null, "", "#" + view);
  $("other-view").textContent = view === "driver" ? "Navi" : "Driver";
  render();
}
function setTheme(theme) {
  document.body.dataset.theme = theme;
  setting("theme", theme);
  $("other-theme").textContent = theme === "day" ? "Night" : "Day";
}
function showZone() {
  const east = -new Date().getTimezoneOffset() / 60;
  $("zone").textContent = setting("zone") === "local" ? `UTC${east < 0 ? "-" : "+"}${Math.abs(east)}` : "UTC";
}
function showNext() {
  const next = state?.next;
  $("at-next").disabled = next?.km == null;
  $("at-next").textContent = next?.km == null ? "No waypoint ahead" : `We are at ${nameOf(next)}: km ${formats.km(next.km)}`;
  $("at-next").dataset.km = next?.km ?? "";
}
function toggle(id) {
  const {open} = $(id);
  actions.close();
  if (!open) { $(id).show(); render(); }
}

document.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  const trip = Number(button.closest(".trip")?.dataset.trip) || undefined;
  const label = trip ? `Trip ${trip}` : "";
  if (button.dataset.do) actions[button.dataset.do]();
  else if (button.dataset.command) command(button.dataset.command, JSON.parse(button.dataset.arguments ?? "{}"), button.textContent.trim());
  else if (button.dataset.metres) command("adjust_distance", {metres: Number(button.dataset.metres), trip}, `${label || "Section"} ${button.textContent}`);
  else if ("reset" in button.dataset) command("reset_trip", {trip}, `${label} to 0`);
  else if (button.id === "at-next") { command("set_distance", {km: Number(button.dataset.km)}, button.textContent); actions.close(); }
  else if (button.id === "acknowledge") command("acknowledge", {name: button.dataset.name}, "Seen");
});

$("schedule").addEventListener("submit", event => {
  event.preventDefault();
  command("schedule_start", {utc: $("start-at").value.trim()}, `Start at ${$("start-at").value}`);
});

document.addEventListener("keydown", event => {
  if (event.key === "Escape") { actions.close(); return; }
  if (event.target.matches("input") || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  all(`[aria-keyshortcuts="${CSS.escape(event.key.toLowerCase())}"]`).find(button => button.offsetParent || button.id === "acknowledge")?.click();
});

// ---- begin ------------------------------------------------------------------------------------------

for (const number of [1, 2]) {
  const copy = $("trips").querySelector("template").content.cloneNode(true);
  const [title, value, average] = [copy.querySelector("span"), copy.querySelector("b"), copy.querySelector("i")];
  copy.querySelector(".trip").dataset.trip = number;
  title.textContent = `Trip ${number}`;
  value.dataset.value = `trip.${number - 1}.distance_km`;
  average.dataset.value = `trip.${number - 1}.average_kmh`;
  for (const button of all("button", copy)) button.setAttribute("aria-label", `Trip ${number} ${button.textContent}`);
  $("trips").append(copy);
}
values = all("[data-value]").map(element => ({element, path: element.dataset.value, format: element.dataset.format, group: element.dataset.age}));

showZone();
setTheme(setting("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "day"));
setView({"#driver": "driver", "#navigator": "navigator"}[location.hash] ?? setting("view") ?? "navigator");
addEventListener("hashchange", () => ["#driver", "#navigator"].includes(location.hash) && setView(location.hash.slice(1)));
addEventListener("resize", render);
setInterval(() => {
  follow();
  if (!document.hidden) render();
  if (now() - saidAt > 3) write($("said"), "");
}, LOOK_MS);
if (channel) { tell({asks: true}); leaderHeard = now() - LEADER_SILENT_S + 0.2; } else lead();
