// What the crew chooses on this device: view, theme, sound, clock, units and language, in the bar or in the settings.
//
// A button with data-choice="units" takes the other one of the two options; its [data-now] and [data-other] read what is
// chosen and what a touch does. A button with data-choice and data-option takes that option.

import {render} from "/render.js";
import {THEMES, oneOf, setTheme, setting, theme} from "/settings.js";
import * as sound from "/sound.js";
import {LANGUAGES, language, speak, text, translate} from "/texts.js";
import {distanceUnit, speedUnit, step, stepUnit} from "/units.js";
import {$, all} from "/words.js";

const PAIRS = {view: ["navigator", "driver"], theme: THEMES, sound: ["off", "on"], zone: ["utc", "local"], units: ["km", "miles"]};
const NOW = {
  view: () => document.body.dataset.view, theme, sound: () => (sound.isOn() ? "on" : "off"),
  zone: () => oneOf("zone", PAIRS.zone), units: () => oneOf("units", PAIRS.units), language: () => language,
};
const TAKE = {
  view(view) { document.body.dataset.view = view; history.replaceState(null, "", "#" + view); },
  theme: setTheme, sound: option => sound.turn(option === "on"), language: speak,
};
const other = name => PAIRS[name].find(option => option !== NOW[name]());

export async function choose(name, option = other(name)) {
  setting(name, option);
  await TAKE[name]?.(option);
  show();
}

export function show() {
  for (const button of all("[data-choice]")) {
    const {choice: name, option} = button.dataset, now = NOW[name]();
    if (option) { button.setAttribute("aria-pressed", option === now); continue; }
    const places = {what: text(`choice.${name}`), now: text(`${name}.${now}`), other: text(`${name}.${other(name)}`)};
    button.setAttribute("aria-label", text("choice.label", places));
    for (const part of ["now", "other"]) for (const place of all(`[data-${part}]`, button)) place.textContent = places[part];
  }
  const east = -new Date().getTimezoneOffset() / 60;
  $("zone").textContent = NOW.zone() === "local" ? `UTC${east < 0 ? "-" : "+"}${Math.abs(east)}` : "UTC";
  for (const place of all("[data-sound]")) place.textContent = text("sound", {state: text(`sound.${NOW.sound()}`)});
  for (const place of all("[data-unit]")) place.textContent = place.dataset.unit === "speed" ? speedUnit() : distanceUnit();
  for (const button of all("[data-metres], [data-do=unfold]")) {
    const shown = button.dataset.key = button.dataset.metres ? step(button.dataset.metres) : step(100).replace("+", "\u00b1");
    button.textContent = button.closest("dialog") ? text("step", {step: shown, unit: stepUnit()}) : shown;
  }
  translate($("trips"));
  render();
}

export function begin() {
  $("languages").append(...Object.entries(LANGUAGES).map(([option, name]) => {
    const button = document.createElement("button");
    Object.assign(button.dataset, {choice: "language", option});
    [button.lang, button.textContent] = [option, name];
    return button;
  }));
  const viewOf = {"#driver": "driver", "#navigator": "navigator"};
  document.body.dataset.view = viewOf[location.hash] ?? oneOf("view", PAIRS.view);
  addEventListener("hashchange", () => viewOf[location.hash] && choose("view", viewOf[location.hash]));
  addEventListener("pointerdown", ({target}) => {  // a browser is silent until the first touch
    if (setting("sound") === "on" && !target.closest("#sound")) choose("sound", "on");
  }, {once: true});
  setTheme(theme());
  show();
}
