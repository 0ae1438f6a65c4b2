// What the crew must know of GPS, the other links, the log and a USB stick: chips in the header, details behind them.

import {alarmMessage, alarmName} from "/alarm.js";
import {ageOf, rhythm, waited} from "/link.js";
import {sound} from "/sound.js";
import {has, text} from "/texts.js";
import {$, GONE, clock, formats, nameOf, official, write} from "/words.js";

const STICK_STATES = {copying: "near", copied: "near", done: "good", partly: "near", failed: "bad"};
const STICK_SOUNDS = {done: "stick", partly: "stick wrong", failed: "stick wrong"};
const STICK_BEEPS_S = 20;
const ROOM_SHOWN_H = 24;  // with room for more than a day of recording, nothing is shown
const LINK_STATES = {open: "good", opening: "near", waiting: "near"};

function health(shown) {  // [text, state, detail, element id] of the GPS, each link and the log
  const {gps = {}, recording = {}, links = {}} = shown, known = [];
  const room = recording.room_h == null ? "" : text("health.room", {hours: formats.tenth(recording.room_h)});
  const [port, receiver] = Object.entries(links ?? {}).find(([name, link]) => (link.kind ?? name) === "gps") ?? [];
  if (receiver || gps.age_s != null || !Object.keys(links ?? {}).length) known.push(receiverState(gps, receiver));
  for (const [name, link] of Object.entries(links ?? {})) {
    if (name === port) continue;
    known.push([name, link.warning ? "near" : LINK_STATES[link.state] ?? "bad", linkDetail(link)]);
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

function linkDetail({state, detail, good, bad}) {
  const name = has(`link.${state}`) ? text(`link.${state}`) : state;
  return text("health.link", {state: name + (detail ? `: ${detail}` : ""), good, bad});
}

function receiverState(gps, link) {  // one chip for the port, its data and the fix
  const fresh = rhythm("gps").fresh(ageOf("gps")), [satellites, quality, hdop] = [gps.satellites, gps.quality, gps.hdop].map(value => value ?? GONE);
  const detail = [text("health.gps", {quality, satellites, hdop}), link && linkDetail(link)].filter(Boolean).join("; ");
  if (fresh === "gone" || (link && link.state !== "open")) return [text("gps.no_data"), "bad", detail];
  if (!(gps.dimensions ?? gps.quality)) return [text("gps.no_fix"), "bad", detail];
  return [text("gps.fix", {fix: `${gps.dimensions ?? 3}D`, count: satellites}), fresh === "stale" || link?.warning ? "near" : "good", detail];
}

export function renderHealth(shown, isKnown) {
  const known = isKnown ? health(shown) : [];
  const {state: stick, age_s: age} = shown.stick ?? {};
  if (STICK_SOUNDS[stick] && age + waited() < STICK_BEEPS_S) sound(STICK_SOUNDS[stick]);
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
