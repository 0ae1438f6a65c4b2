// Format values, and short helpers for the DOM.

import {setting} from "/settings.js";
import {distance, distanceUnit, limit, short, shortUnit, speed} from "/units.js";

export const $ = id => document.getElementById(id);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const read = (object, path) => path.split(".").reduce((value, key) => value?.[key], object) ?? null;
export const now = () => performance.now() / 1000;

export const GONE = "--";
export const fixed = places => value => Number(value).toFixed(places).replace(/^-(0(\.0*)?)$/, "$1");
const two = number => String(Math.floor(number)).padStart(2, "0");
export const duration = seconds => {
  const whole = Math.floor(Math.abs(seconds));
  return `${seconds < 0 ? "-" : ""}${Math.floor(whole / 3600)}:${two(whole / 60 % 60)}:${two(whole % 60)}`;
};
export const official = seconds => duration(Math.round(seconds));  // a control's time, to the nearest second: GPS is a hundredth off
export const gap = seconds => `${seconds > 0 ? "+" : seconds < 0 ? "\u2212" : ""}${duration(Math.abs(seconds)).replace(/^0:0?/, "")}`;  // gap to a time to beat: +0:11
export const clock = (iso, later_s = 0) => {
  const at = new Date(Date.parse(iso) + later_s * 1000);
  return setting("zone") === "local" ? at.toLocaleTimeString("en-GB") : at.toISOString().slice(11, 19);
};
const isNear = km => short(km) < 1000;
export const formats = {
  tenth: fixed(1), speed: kmh => fixed(0)(speed(kmh)), average: kmh => fixed(1)(speed(kmh)), limit: kmh => fixed(0)(limit(kmh)),
  km: km => fixed(2)(distance(km)), length: km => `${fixed(1)(distance(km))} ${distanceUnit()}`,
  near: km => (isNear(km) ? `${fixed(0)(Math.max(0, short(km)))} ${shortUnit()}` : fixed(distance(km) < 100 ? 2 : 1)(distance(km))),
  way: km => formats.near(km) + (isNear(km) ? "" : ` ${distanceUnit()}`),
  time: duration, clock: iso => clock(iso),
};

export const nameOf = mark => (mark?.name || mark?.kind?.toUpperCase() || "").replace(/ \d+\.\d\d$/, "");  // the km is shown beside it

export function write(element, shown, fresh = "fresh") {
  if (element.textContent !== shown) element.textContent = shown;
  if (element.dataset.fresh !== fresh) element.dataset.fresh = fresh;
}

export function list(parent, rows) {  // each row: class name, then the text of each cell
  const shown = JSON.stringify(rows);
  if (parent.dataset.rows === shown) return;
  parent.dataset.rows = shown;
  parent.replaceChildren(...rows.map(([className, ...cells]) => {
    const item = document.createElement("li");
    item.className = className;
    item.append(...cells.map(cell => { const span = document.createElement("span"); span.textContent = cell; return span; }));
    return item;
  }));
}
