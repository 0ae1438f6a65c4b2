// Render the snapshot ten times per second, also without a new one, so that old values look old.
//
// It computes nothing about the drive: it shows only what is in the snapshot.

import {renderAlarm} from "/alarm.js";
import {channelName, rounded} from "/channels.js";
import {renderHealth} from "/health.js";
import {SILENT_S, ageOf, heard, recorder, rhythm, state, waited} from "/link.js";
import {sound} from "/sound.js";
import {renderStrip} from "/strip.js";
import {language, text} from "/texts.js";
import {inMiles} from "/units.js";
import {$, GONE, all, clock, duration, formats, gap, list, nameOf, now, official, read, write} from "/words.js";

const NEXT_STEPS = {"trouble.no_connection": "next_step.no_connection", "trouble.silent": "next_step.silent", "trouble.no_recorder": "next_step.no_recorder"};

let values = [];
let message = "gone";

export function bind() {  // collect the elements that show one value of the snapshot
  values = all("[data-value]").map(element => ({element, path: element.dataset.value, format: element.dataset.format, group: element.dataset.age}));
}

export function render() {
  message = state ? rhythm("message").fresh(waited()) : "gone";
  const lostServer = now() - heard > SILENT_S;
  document.body.dataset.link = message;
  const trouble = message === "fresh" ? "" : lostServer ? "trouble.no_connection"
    : recorder === null ? "trouble.connecting" : recorder ? "trouble.silent" : "trouble.no_recorder";
  write($("trouble"), trouble && text(trouble));
  write($("next-step"), trouble in NEXT_STEPS ? text(NEXT_STEPS[trouble], {command: $("next-step").dataset.repair}) : "");
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
  renderStrip(shown);
  renderHealth(shown, message !== "gone");
  renderAlarm(state);
}

function renderPace(shown) {
  const limit = shown.limit ?? {};
  const known = shown.speed_kmh != null && rhythm("limit").fresh(ageOf("limit")) !== "gone";
  const ahead = limit.approaching_m != null;
  const over = known && limit.over_kmh > 0 && !(ahead && limit.kmh === limit.approaching_kmh);  // else the zone is still ahead
  const pace = over ? "over" : known && limit.warning ? "near" : "ok";
  for (const panel of all("[data-pace]")) panel.dataset.pace = pace;
  for (const sign of all("[data-sign]")) sign.toggleAttribute("data-none", limit.kmh == null);
  for (const place of all("[data-reason]")) write(place, limit.kmh == null ? "" : limit.zone ? text("limit.zone", {place: placeOf(limit.zone)}) : text(`limit.${limit.reason}`));
  const notices = {over: over && `+${Math.max(1, formats.speed(limit.over_kmh))}`, free: limit.free && text("notice.free"),
    ahead: ahead && text("notice.ahead", {limit: formats.limit(limit.approaching_kmh), way: formats.way(limit.approaching_m / 1000)})};
  const kind = over ? "over" : ahead ? "ahead" : "", also = over && ahead ? "ahead" : limit.free ? "free" : "";
  for (const place of all("[data-notice]")) { place.dataset.kind = kind; write(place, notices[kind] ?? ""); }
  for (const place of all("[data-also]")) { place.dataset.kind = also; write(place, notices[also] ?? ""); }
  for (const place of all("[data-next-name]")) write(place, nameOf(shown.next) || text("next"));
  for (const place of all("[data-next-way]")) write(place, shown.next?.distance_km == null ? GONE : formats.near(shown.next.distance_km));
  sound(over ? "over" : pace === "near" ? pace : kind);
}

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

const SPLITS_SHARE = 0.45;  // of the height of both lists
const rowsIn = (height, parent) => Math.max(1, Math.floor(height / (parent.firstElementChild?.offsetHeight || Infinity)));  // that fit whole

function renderLists(shown) {
  const isEmpty = ["next", "splits"].some(list => !$(list).firstElementChild);  // an empty list does not tell the height of its rows
  fillLists(shown);
  if (isEmpty) fillLists(shown);
}

function fillLists(shown) {
  const {distance_km: here = null, marks} = shown.section ?? {}, next = shown.next;
  const ahead = (marks ?? []).filter(mark => here !== null && mark.km >= (next?.km ?? here)).slice(0, rowsIn($("next").clientHeight, $("next")));
  const coming = ahead.length || !next?.kind ? ahead : [next];
  list($("next"), coming.map(mark => [mark.kind === "dz" ? "zone" : "", nameOf(mark) + (mark.kmh ? ` ${formats.limit(mark.kmh)}` : ""),
    formats.km(mark.km), formats.near(Math.max(0, mark.km - here))]));
  const splits = (shown.splits ?? []).slice(-rowsIn(SPLITS_SHARE * $("splits").parentElement.clientHeight, $("splits"))), against = splits.some(split => split.gap_s != null) ? "against" : "";
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
      label.textContent = channelName(name);
      box.append(value, label);
      return box;
    }));
  }
  for (const element of all("[data-engine]", parent)) {
    const {value = null, unit, age_s: age} = shown.engine?.[element.dataset.engine] ?? {};
    const fresh = age == null ? "gone" : rhythm("engine." + element.dataset.engine).fresh(age + waited());
    const number = value === null ? GONE : rounded(value);
    write(element, fresh === "gone" ? GONE : number + ({degC: "\u00b0", "%": "%", V: "V"}[unit] ?? ""), message === "stale" ? "stale" : fresh);
  }
}
