// Crew page: handle buttons and keys, and start the other modules.
//
//   words.js   format values
//   texts.js   the texts, in the crew's language
//   link.js    receive the newest snapshot and track its age
//   render.js  snapshot -> page
//   sound.js   tones for limits and alarms
//   units.js   kilometres or miles
//   choices.js view, theme, sound, units, language
//   alarm.js   the alarm, health.js the state of links and log, strip.js the speed over the last two kilometres
//   crew.js    buttons and keys -> commands.js: POST /api/command

import {begin, choose} from "/choices.js";
import {send} from "/commands.js";
import {follow, join, listen, state} from "/link.js";
import {bind, placeAt, render} from "/render.js";
import {keysOf, text, translate} from "/texts.js";
import {stepMetres} from "/units.js";
import {$, all, formats, nameOf, now, write} from "/words.js";

const RENDER_MS = 100;
const MESSAGE_S = 3;
const NEAR_KM = 0.5;  // a waypoint further ahead than any odometer errs is set only by a second touch of the remote
const REMOTE = {next: ["n", "pagedown", "arrowdown", "mediatracknext"], reset: ["r", "pageup", "arrowup", "mediatrackprevious"]};

let messageAt = 0;
function showMessage(message, wrong = false) {
  messageAt = now();
  write($("message"), message);
  $("message").toggleAttribute("data-wrong", wrong);
}

async function command(name, args, label) {
  const {ok, error} = await send(name, args);
  showMessage(ok ? text("done", {what: label}) : error ?? text("no_answer", {what: label}), !ok);
}

const actions = {
  more() { toggle("more-dialog"); },
  settings() { toggle("settings-dialog"); },
  legend() { toggle("legend-dialog"); },
  section() { showNext(); toggle("section-dialog"); },
  unfold(button) {
    const isOpen = button.closest(".trip").toggleAttribute("data-open");
    button.setAttribute("aria-expanded", isOpen);
  },
  close() { for (const dialog of all("dialog")) dialog.close(); },
};

function showNext() {
  const next = state?.next;
  $("at-next").disabled = next?.km == null;
  $("at-next").textContent = next?.km == null ? text("at_next.none") : text("at_next", {name: nameOf(next), place: placeAt(next.km)});
  $("at-next").dataset.km = next?.km ?? "";
}
let askedAt = -Infinity, asked = null;
const remote = {
  next() {  // the car is at the next waypoint
    const next = state?.next;
    if (document.body.dataset.link !== "fresh") return;
    if (next?.km == null) { showMessage(text("at_next.none"), true); return; }
    const label = text("at_next", {name: nameOf(next), place: placeAt(next.km)});
    if (next.distance_km > NEAR_KM && !(asked === next.km && now() - askedAt < MESSAGE_S)) {
      [asked, askedAt] = [next.km, now()];
      showMessage(text("at_next.again", {name: nameOf(next), way: formats.way(next.distance_km)}));
      return;
    }
    asked = null;
    command("set_distance", {km: next.km}, label);
  },
  reset() { $("trips").querySelector("[data-reset]").click(); },
};

function toggle(id) {
  const {open} = $(id);
  actions.close();
  if (!open) { $(id).show(); makeRoom(); render(); }
}
const makeRoom = () => document.body.toggleAttribute("data-dialog", all("dialog[open]").length > 0);

document.addEventListener("click", event => {
  const button = event.target.closest("button, [data-do]");
  if (!button) return;
  const trip = Number(button.closest(".trip")?.dataset.trip) || undefined;
  const label = trip ? text("trip", {number: trip}) : text("section");
  if (button.dataset.do) actions[button.dataset.do](button);
  else if (button.dataset.choice) choose(button.dataset.choice, button.dataset.option);
  else if (button.dataset.command) command(button.dataset.command, JSON.parse(button.dataset.arguments ?? "{}"), button.textContent.trim());
  else if (button.dataset.metres) command("adjust_distance", {metres: stepMetres(button.dataset.metres), trip}, `${label} ${button.textContent}`);
  else if ("reset" in button.dataset) command("reset_trip", {trip}, text("done.reset", {trip: label}));
  else if (button.id === "at-next") { command("set_distance", {km: Number(button.dataset.km)}, button.textContent); actions.close(); }
  else if (button.id === "acknowledge") command("acknowledge", {name: button.dataset.name}, button.textContent);
});

$("schedule").addEventListener("submit", event => {
  event.preventDefault();
  command("schedule_start", {utc: $("start-at").value.trim()}, text("done.start_at", {time: $("start-at").value}));
});

document.addEventListener("keydown", event => {
  if (event.key === "Escape") { actions.close(); return; }
  if (event.target.matches("input") || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const key = event.key.toLowerCase();
  const action = event.target.closest("dialog") ? undefined : Object.keys(REMOTE).find(name => REMOTE[name].includes(key));
  const button = all("[aria-keyshortcuts]").find(each => each.getAttribute("aria-keyshortcuts") === key && !each.closest("[hidden]"));
  if (action) remote[action](); else if (button) button.click(); else if (isPressed(event)) event.target.click(); else return;
  event.preventDefault();
});
const isPressed = ({key, target}) => (key === "Enter" || key === " ") && target.matches("[role=button]");  // what is no button for the browser

// ---- start ------------------------------------------------------------------------------------------

for (const number of [1, 2]) {
  const copy = $("trips").querySelector("template").content.cloneNode(true);
  const [title, value, average] = ["span", "b", "i"].map(tag => copy.querySelector(tag));
  copy.querySelector(".trip").dataset.trip = number;
  title.dataset.number = number;
  value.dataset.value = `trip.${number - 1}.distance_km`;
  average.dataset.value = `trip.${number - 1}.average_kmh`;
  copy.querySelector("[data-reset]").setAttribute("aria-keyshortcuts", number);
  for (const button of all("button", copy)) Object.assign(button.dataset, {label: "trip.key", number, key: button.textContent});
  $("trips").append(copy);
}
$("codes").append(...keysOf("code").flatMap(key => {
  const [term, meaning] = [document.createElement("dt"), document.createElement("dd")];
  [term.textContent, meaning.dataset.text] = [key.slice("code.".length).toUpperCase(), key];
  return [term, meaning];
}));
bind();
translate();
begin();

for (const dialog of all("dialog")) dialog.addEventListener("close", makeRoom);
addEventListener("resize", render);
setInterval(() => {
  follow();
  if (!document.hidden) render();
  if (now() - messageAt > MESSAGE_S) write($("message"), "");
}, RENDER_MS);
listen(render);
join();
