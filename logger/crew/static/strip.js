// Speed and limit over the last two kilometres, as the snapshot has them; what is above the limit is filled.

import {text} from "/texts.js";
import {speed, speedUnit} from "/units.js";
import {$, formats, write} from "/words.js";

const ROOM_KMH = 10;  // above the highest value
const STEPS = 100;    // of 20 m each

const at = (index, count) => STEPS - (count - 1 - index);

export function renderStrip(shown) {
  const strip = $("strip");
  if (!strip.clientWidth) return;
  const {kmh = [], limit_kmh: limits = [], step_m: step = 0} = shown.trace ?? {}, count = kmh.length;
  const key = [speedUnit(), kmh.join(), limits.join()].join();
  if (strip.dataset.key === key) return;
  strip.dataset.key = key;
  const top = Math.max(60, ...kmh, ...limits) + ROOM_KMH, y = value => top - value;
  const column = (index, from, to) => `M${at(index, count) - 0.5} ${y(from)}V${y(to)}h1.05V${y(from)}z`;  // no gap to the next one
  strip.querySelector("svg").setAttribute("viewBox", `0 0 ${STEPS + 0.5} ${top}`);
  const draw = (id, pieces) => $(id).setAttribute("d", pieces.join(""));
  draw("strip-speed", kmh.map((value, index) => (value == null ? "" : column(index, 0, value))));
  draw("strip-over", kmh.map((value, index) => (value != null && limits[index] != null && value > limits[index] ? column(index, limits[index], value) : "")));
  draw("strip-limit", limits.map((value, index) => {
    if (value == null) return "";
    return `${limits[index - 1] == null ? "M" : "L"}${at(index, count) - 0.5} ${y(value)}h1`;
  }));
  write($("strip-top"), `${Math.round(speed(top - ROOM_KMH))} ${speedUnit()}`);
  write($("strip-from"), text("strip.back", {way: formats.way(STEPS * step / 1000)}));
  write($("strip-to"), text("strip.now"));
}
