// Names and values of the car's channels, as the engine panel and the alarms show them.

import {has, text} from "/texts.js";
import {speedUnit} from "/units.js";
import {fixed, formats} from "/words.js";

const SYMBOLS = {degC: "\u00b0C", "1/min": ""};

export const channelName = name => (has(`engine.${name}`) ? text(`engine.${name}`) : name.replace(/_(v|c|pct)$/, "").replaceAll("_", " "));  // the unit is shown beside the value
export const rounded = value => fixed(Math.abs(value) < 20 && !Number.isInteger(value) ? 1 : 0)(value);

export function measured(value, unit) {  // with its unit: "12.1 V"
  if (unit === "km/h") return `${formats.speed(value)} ${speedUnit()}`;
  return `${rounded(value)} ${SYMBOLS[unit] ?? unit ?? ""}`.trim();
}
