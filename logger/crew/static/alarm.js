// The most urgent alarm that nobody has acknowledged, with the value that it is about; the others wait, and are counted.

import {channelName, measured} from "/channels.js";
import {waited} from "/link.js";
import {sound} from "/sound.js";
import {recorded, text} from "/texts.js";
import {$, duration, write} from "/words.js";

export const alarmName = ({name}) => recorded(`alarm.${name}.name`, name);
export const alarmMessage = ({name, message}) => recorded(`alarm.${name}.message`, message ?? "");

export function alarmValue({channels = []}, {alarm_values: values = {}, engine = {}}) {
  return channels.filter(name => values[name]?.value != null).map(name => {
    const {value, unit} = values[name];
    const label = name in engine ? channelName(name) : "";
    return `${label} ${measured(value, label.endsWith(unit) ? "" : unit)}`.trim();  // "oil bar"
  }).join(", ");
}

export function renderAlarm(shown) {
  const waiting = (shown?.alarms ?? []).filter(alarm => !alarm.acknowledged), alarm = waiting[0];
  const panel = $("alarm");
  panel.hidden = !alarm;
  speak(alarm, shown);
  if (!alarm) return;
  panel.dataset.level = alarm.level;
  write($("alarm-name"), waiting.length > 1 ? text("alarm.count", {name: alarmName(alarm), at: 1, count: waiting.length}) : alarmName(alarm));
  write($("alarm-value"), alarmValue(alarm, shown));
  write($("alarm-message"), alarmMessage(alarm));
  write($("alarm-since"), alarm.since_s == null ? "" : text("alarm.since", {time: duration(alarm.since_s + waited())}));
  $("acknowledge").dataset.name = alarm.name;
  sound(`alarm ${alarm.level}`);
}

function speak(alarm, shown) {  // for a screen reader, once per alarm: value and time change ten times per second
  const spoken = $("spoken-alarm"), name = alarm?.name ?? "";
  if (spoken.dataset.name === name) return;
  spoken.dataset.name = name;
  write(spoken, alarm ? [alarmName(alarm), alarmValue(alarm, shown), alarmMessage(alarm)].filter(Boolean).join(", ") : "");
}
