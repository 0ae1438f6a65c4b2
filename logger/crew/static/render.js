// Render the snapshot ten times per second, also without a new one, so that old values look old.
//
// It computes nothing about the drive: it shows only what is in the snapshot.

import {SILENT_S, ageOf, heard, recorder, rhythm, state, waited} from "/link.js";
import {sound} from "/sound.js";
import {has, language, recorded, text} from "/texts.js";
import {inMiles} from "/units.js";
import {$, GONE, all, clock, duration, fixed, formats, gap, list, now, official, read, write} from "/words.js";

let values = [];
let message = "gone";

export function bind() {  // collect the elements that show one value of the snapshot
  values = all("[data-value]").map(element => ({element, path: element.dataset.value, format: element.dataset.format, group: element.dataset.age}));
}

export function render() {
  message = state ? rhythm("message").fresh(waited()) : "gone";
  const lostServer = now() - heard > SILENT_S;
  document.body.dataset.link = message;
  write($("trouble"), message === "fresh" ? "" : text(lostServer ? "trouble.no_connection"
    : recorder === null ? "trouble.connecting" : recorder ? "trouble.silent" : "trouble.no_recorder"));
  const shown = message === "gone" ? {} : state;
  for (const {element, path, format, group} of values) {
    const value = read(shown, path);
    const fresh = group ? rhythm(group).fresh(ageOf(group)) : "fresh";
    if (value === null || fresh === "gone") write(element, GONE, "gone");
    else write(element, path === "utc" ? clock(value, waited()) : formats[format](value), message === "stale" ? "stale" : fresh);
  }
  renderPace(shown);
  renderRoad(shown);
  renderLists(shown);
  renderEngine(shown);
  renderHealth(shown);
  renderAlarm(state);
  const {state: stick, age_s: age} = shown.stick ?? {};
  if (STICK_SOUNDS[stick] && age + waited() < STICK_BEEPS_S) sound(STICK_SOUNDS[stick]);
}

function renderPace(shown) {
  const limit = shown.limit ?? {};
  const known = shown.speed_kmh != null && rhythm("limit").fresh(ageOf("limit")) !== "gone";
  const over = known && limit.over_kmh > 0 && !limit.free;
  const pace = over ? "over" : known && limit.warning && !limit.free ? "near" : "ok";
  for (const panel of all("[data-pace]")) panel.dataset.pace = pace;
  for (const sign of all("[data-sign]")) sign.toggleAttribute("data-none", limit.kmh == null);
  for (const place of all("[data-reason]")) write(place, limit.kmh == null ? "" : limit.zone ? text("limit.zone", {place: placeOf(limit.zone)}) : text(`limit.${limit.reason}`));
  const kind = over ? "over" : limit.approaching_m != null ? "ahead" : limit.free ? "free" : "";
  const notice = {over: `+${Math.max(1, formats.speed(limit.over_kmh))}`, free: text("notice.free"),
    ahead: text("notice.ahead", {limit: limit.approaching_kmh == null ? text("notice.zone") : formats.limit(limit.approaching_kmh), way: formats.way(limit.approaching_m / 1000)})};
  for (const place of all("[data-notice]")) { place.dataset.kind = kind; write(place, notice[kind] ?? ""); }
  for (const place of all("[data-next-name]")) write(place, nameOf(shown.next) || text("next"));
  sound(kind === "over" ? kind : pace === "near" ? pace : kind);
}

export const nameOf = mark => (mark?.name || mark?.kind?.toUpperCase() || "").replace(/ \d+\.\d\d$/, "");  // the km is shown beside it
export const placeAt = km => text(inMiles() ? "place.mi" : "place.km", {at: formats.km(km)});
const placeOf = zone => (/\d/.test(zone) ? placeAt(parseFloat(zone.replace(/^\D*/, ""))) : zone);  // "DZ 24.80"
const CONTROLS = new Set(["dss", "ass", "cp", "tc", "dn", "dt", "end"]);

function renderRoad(shown) {
  const section = shown.section ?? {};
  const name = [section.name, section.kind && section.kind !== section.name && text(`section.${section.kind}`),
    section.state === "waiting" && text("section.waiting")].filter(Boolean).join(" \u00b7 ");
  for (const place of all("[data-section]")) write(place, name || text("section.none"));
  const {kind, remaining_s: left = null} = shown.countdown ?? {};
  const seconds = left === null ? 0 : Math.ceil(left - waited());
  write($("countdown"), left === null ? "" : text(seconds < 0 ? "countdown.late" : "countdown", {what: text(`countdown.${kind}`), time: duration(Math.abs(seconds))}));
  $("countdown").toggleAttribute("data-late", seconds < 0);
  const length = section.length_km, way = length ? formats.length(length) : "";
  write($("bar-from"), length ? "0" : "");
  write($("bar-to"), length ? section.estimated ? text("road.estimated", {way}) : way : "");
  $("bar").style.visibility = length ? "visible" : "hidden";
  const done = `${100 * (section.progress ?? 0)}%`;
  if ($("driven").style.width !== done) $("car").style.insetInlineStart = $("driven").style.width = done;
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
    item.style.insetInlineStart = `${100 * mark.km / length}%`;
    if (mark.kind === "dz") {
      const end = marks.slice(index).find(after => after.kind === "fz")?.km ?? length;
      item.className = "zone";
      item.style.width = `${100 * (end - mark.km) / length}%`;
    } else if (CONTROLS.has(mark.kind)) {
      item.className = "control";
      const at = width * mark.km / length, label = document.createElement("span");
      label.textContent = nameOf(mark);
      const room = 9 * label.textContent.length + 12;
      const before = at + room > width;
      item.classList.toggle("before", before);
      if ((before ? at - room : at) >= free) { item.append(label); free = before ? at : at + room; }
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
  list($("next"), coming.map(mark => [mark.kind === "dz" ? "zone" : "", nameOf(mark) + (mark.kmh ? ` ${formats.limit(mark.kmh)}` : ""),
    formats.km(mark.km), formats.near(Math.max(0, mark.km - here))]));
  const splits = (shown.splits ?? []).slice(-4), against = splits.some(split => split.gap_s != null) ? "against" : "";
  list($("splits"), splits.map(split => [against && (split.gap_s > 0 ? "against behind" : "against"),
    `${split.name}${split.estimated ? " ~" : ""}`, split.elapsed_s == null ? GONE : official(split.elapsed_s),
    split.average_kmh == null ? GONE : formats.average(split.average_kmh),
    ...(split.gap_s == null ? [] : [gap(split.gap_s), split.to_beat ?? ""])]));
}

const ENGINE_FIRST = ["battery_v", "coolant_c", "oil_bar", "oil_c", "rpm", "fuel_pct", "gear", "intake_c"];

function renderEngine(shown) {
  const place = name => { const at = ENGINE_FIRST.indexOf(name); return at < 0 ? 99 : at; };
  const names = Object.keys(state?.engine ?? {}).sort((a, b) => place(a) - place(b) || a.localeCompare(b)).slice(0, 12);
  const parent = $("engine");
  const shownNames = [language, ...names].join();
  if (parent.dataset.names !== shownNames) {
    parent.dataset.names = shownNames;
    parent.replaceChildren(...names.map(name => {
      const box = document.createElement("p"), value = document.createElement("b"), label = document.createElement("small");
      value.dataset.engine = name;
      label.textContent = has(`engine.${name}`) ? text(`engine.${name}`) : name.replace(/_(v|c|pct)$/, "").replaceAll("_", " ");  // the unit is shown beside the value
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

const STICK_STATES = {copying: "near", copied: "near", done: "good", partly: "near", failed: "bad"};
const STICK_SOUNDS = {done: "stick", partly: "stick wrong", failed: "stick wrong"};
const STICK_BEEPS_S = 20;
const ROOM_SHOWN_H = 24;  // with room for more than a day of recording, nothing is shown
const LINK_STATES = {open: "good", opening: "near", waiting: "near"};

function health(shown) {  // [text, state, detail, element id] of the GPS, each link and the log
  const {gps = {}, recording = {}, links = {}} = shown, known = [];
  const room = recording.room_h == null ? "" : text("health.room", {hours: formats.tenth(recording.room_h)});
  const gpsFresh = rhythm("gps").fresh(ageOf("gps"));
  const [satellites, quality, hdop] = [gps.satellites ?? GONE, gps.quality ?? GONE, gps.hdop ?? GONE];
  known.push([text("health.satellites", {count: satellites}), gpsFresh === "gone" ? "bad" : !gps.quality ? "bad" : gpsFresh === "stale" ? "near" : "good",
    text("health.gps", {quality, satellites, hdop})]);
  for (const [name, link] of Object.entries(links ?? {})) {
    const state = has(`link.${link.state}`) ? text(`link.${link.state}`) : link.state;
    known.push([name, link.warning ? "near" : LINK_STATES[link.state] ?? "bad", text("health.link", {state: state + (link.detail ? `: ${link.detail}` : ""), good: link.good, bad: link.bad})]);
  }
  const rows = {rows: recording.rows ?? GONE, lag: recording.lag_s ?? GONE, lost: recording.dropped ?? GONE, free: recording.free_mb ?? GONE};
  known.push([recording.ok === false ? text("health.not_written") : recording.dropped ? text("health.lost", {count: recording.dropped}) : text("health.log"),
    recording.ok == null ? "unknown" : !recording.ok ? "bad" : recording.dropped ? "near" : "good",
    `${text("health.rows", rows)}${room && `, ${room}`}${recording.trouble ? `: ${recording.trouble}` : ""}`]);
  if (room && recording.room_h < ROOM_SHOWN_H) known.push([room, "near", text("health.room_detail")]);
  const {state: stick, detail} = shown.stick ?? {};
  if (STICK_STATES[stick]) {
    const [, done, all] = (stick === "partly" && /^(\d+) of (\d+)/.exec(detail)) || [];
    known.unshift([done ? text("stick.share", {done, all}) : text(`stick.${stick}`), STICK_STATES[stick], detail]);
  }
  for (const alarm of shown.alarms ?? []) if (alarm.acknowledged) known.push([alarmName(alarm), alarm.level === "critical" ? "bad" : "near", alarmMessage(alarm)]);
  return known;
}

function renderHealth(shown) {
  const known = state && message !== "gone" ? health(shown) : [];
  const chips = JSON.stringify(known.map(([label, good]) => [label, good]));
  if ($("chips").dataset.rows !== chips) {
    $("chips").dataset.rows = chips;
    $("chips").replaceChildren(...known.map(([label, good]) => {
      const chip = document.createElement("span");
      chip.textContent = label;
      chip.dataset.state = good;
      return chip;
    }));
  }
  if (!$("more-dialog").open) return;
  const {gps = {}, stage = {}, recording = {}} = shown, degrees = value => (value == null ? GONE : value.toFixed(5));
  const where = shown.compliance ? text("position.hidden")
    : text("position.at", {lat: degrees(gps.lat), lon: degrees(gps.lon), course: gps.course_deg == null ? GONE : Math.round(gps.course_deg) + "\u00b0"});
  write($("stage"), [stage.event, stage.number && text("stage.number", {number: stage.number}), stage.name].filter(Boolean).join(" \u00b7 ") || text("stage.none"));
  const source = shown.speed_source ? text(`source.${shown.speed_source}`) : GONE;
  const rows = [...known.map(([label, , detail]) => [label, detail]), [text("position"), where, "position"], [text("source"), source], [text("file"), recording.path ?? GONE],
    ...(shown.controls ?? []).map(control => [nameOf(control), `${control.utc ? clock(control.utc) : GONE}, ${control.elapsed_s == null ? GONE : official(control.elapsed_s)}`]).reverse()];
  const all = JSON.stringify(rows);
  if ($("details").dataset.rows === all) return;
  $("details").dataset.rows = all;
  $("details").replaceChildren(...rows.flatMap(([label, detail, id = ""]) => {
    const [term, shownDetail] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, shownDetail.textContent, shownDetail.id] = [label, detail, id];
    return [term, shownDetail];
  }));
}

const alarmName = ({name}) => recorded(`alarm.${name}.name`, name);
const alarmMessage = ({name, message: said}) => recorded(`alarm.${name}.message`, said ?? "");

function renderAlarm(shown) {
  const waiting = (shown?.alarms ?? []).filter(alarm => !alarm.acknowledged), alarm = waiting[0];
  const panel = $("alarm");
  panel.hidden = !alarm;
  if (!alarm) return;
  panel.dataset.level = alarm.level;
  write($("alarm-name"), waiting.length > 1 ? text("alarm.count", {name: alarmName(alarm), at: 1, count: waiting.length}) : alarmName(alarm));
  write($("alarm-message"), alarmMessage(alarm));
  write($("alarm-since"), alarm.since_s == null ? "" : text("alarm.since", {time: duration(alarm.since_s + waited())}));
  $("acknowledge").dataset.name = alarm.name;
  sound(`alarm ${alarm.level}`);
}
