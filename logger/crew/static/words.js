// Format values, and short helpers for the DOM.

import {setting} from "/settings.js";
import {text} from "/texts.js";

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
export const formats = {
  whole: fixed(0), tenth: fixed(1), km: fixed(2), near: km => (km < 1 ? `${fixed(0)(Math.max(0, km * 1000))} ${text("unit.m")}` : fixed(km < 100 ? 2 : 1)(km)),
  way: km => formats.near(km) + (km < 1 ? "" : ` ${text("unit.km")}`),
  time: duration, clock: iso => clock(iso),
};

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
