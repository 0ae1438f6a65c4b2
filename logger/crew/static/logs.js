// Logs page: show the list of GET /api/logs. A download is a plain link, so the browser resumes it. Nothing uses innerHTML:
// the name of a stage may contain markup.

import {send} from "/commands.js";
import * as newLogs from "/new_logs.js";
import {setTheme, setting, theme} from "/settings.js";
import {recorded, text, translate} from "/texts.js";
import {$, GONE, duration, formats, write} from "/words.js";

const REFRESH_MS = 5000;
const DOWNLOADING_MS = 1000;
const MESSAGE_MS = 5000;
const MOST_NAMED = 5;

let logs = [], timer = 0;

function size(bytes) {
  const [unit, count, places] = bytes < 1e6 ? ["unit.kb", 1e3, 0] : bytes < 1e9 ? ["unit.mb", 1e6, 1] : ["unit.gb", 1e9, 2];
  return text(unit, {count: (bytes / count).toFixed(places)});
}

function fields(log) {
  return {
    stage: log.stage || GONE,
    begun: log.begun_utc ? log.begun_utc.slice(0, 16).replace("T", " ") : GONE,
    duration: log.duration_s == null ? GONE : duration(log.duration_s),
    distance: log.distance_km == null ? GONE : formats.length(log.distance_km),
    size: size(log.size),
  };
}

function exportOf(name, {format, opens_in: programs}) {
  const row = $("export").content.cloneNode(true).firstElementChild;
  row.href = `/api/logs/${encodeURIComponent(name)}/export?format=${format}`;
  row.querySelector("b").textContent = format;
  row.querySelector("small").textContent = programs;
  return row;
}

function article(log, exports, reviews) {
  const card = $("log").content.cloneNode(true).firstElementChild, name = encodeURIComponent(log.name);
  translate(card);
  card.dataset.log = log.name;
  card.querySelector("h2").textContent = log.name;
  card.querySelector("[data-do=download]").href = `/api/logs/${name}`;
  const review = card.querySelector("[data-do=review]");
  review.href = `/logs/${name}/review`;
  review.hidden = !reviews;
  card.querySelector("[data-do=exports]").hidden = exports.length === 0;
  card.querySelector(".exports").append(...exports.map(one => exportOf(log.name, one)));
  return card;
}

function show(card, log) {
  const states = [text(`log.${log.state}`), log.delivered && text("log.delivered"), log.sending != null && text("log.sending", {share: percent(log.sending)})];
  card.dataset.state = log.state;
  card.toggleAttribute("data-delivered", log.delivered === true);
  write(card.querySelector(".state"), states.filter(Boolean).join(" \u00b7 "));
  write(card.querySelector(".trouble"), log.trouble ?? recorded("log.withheld", log.withheld) ?? "");
  card.querySelector("nav").toggleAttribute("data-withheld", log.withheld != null);
  const key = card.querySelector("[data-do=protect]"), now = log.protected ? "on" : "off";
  key.dataset.on = !log.protected;
  write(key.querySelector("b"), text(`protect.${now}`));
  write(key.querySelector("small"), text(`protect.${now}.touch`));
  for (const [of, shown] of Object.entries(fields(log))) write(card.querySelector(`[data-of=${of}]`), shown);
}

const percent = share => Math.floor(100 * share);

function showAll({logs: listed, exports, reviews, stick}) {
  logs = listed.sort((a, b) => (b.state === "recording") - (a.state === "recording") || (b.begun_utc ?? "").localeCompare(a.begun_utc ?? "") || b.name.localeCompare(a.name));
  newLogs.follow(logs);
  const shown = new Map([...$("list").children].map(card => [card.dataset.log, card]));
  const cards = logs.map(log => {
    const card = shown.get(log.name) ?? article(log, exports, reviews);
    show(card, log);
    return card;
  });
  if (cards.length !== $("list").children.length || cards.some((card, at) => $("list").children[at] !== card)) $("list").replaceChildren(...cards);
  write($("state"), logs.length ? text("logs.count", {count: logs.length, size: size(logs.reduce((sum, log) => sum + log.size, 0))}) : text("logs.none"));
  showStick(stick);
  showNew();
}

function showStick({state, detail, last_log: name, last_utc: utc}) {
  const shown = [state && text("stick.now", {what: text(`stick.${state}`), detail}), name && text("stick.last", {name, utc: utc.slice(0, 16).replace("T", " ")})];
  write($("stick"), shown.filter(Boolean).join("\n"));
}

const some = names => names.slice(0, MOST_NAMED).join(", ") + (names.length > MOST_NAMED ? `, \u2026 (${names.length})` : "");

function showNew() {
  const now = newLogs.running(), count = logs.filter(newLogs.isNew).length;
  $("new").disabled = !now && count === 0;
  write($("new"), now ? text("new.stop") : count ? text("new.download", {count}) : text("new.none"));
  const share = now && logs.find(log => log.name === now.name)?.sending;
  const lines = now ? [text("new.now", {at: now.at, count: newLogs.total, name: now.name, share: percent(share ?? 0)}), now.at > 1 || share ? "" : text("new.ask")]
    : newLogs.total ? [text("new.done", {done: newLogs.done.length, count: newLogs.total})] : [];
  const damaged = logs.filter(log => log.state === "damaged").map(log => log.name);
  if (newLogs.failed.length) lines.push(text("new.failed", {names: some(newLogs.failed)}));
  if (newLogs.total && damaged.length) lines.push(text("new.damaged", {names: some(damaged)}));
  write($("progress"), lines.filter(Boolean).join("\n"));
}

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch("/api/logs", {cache: "no-store"});
    if (answer.status === 401) return location.assign("/login");
    const listing = await answer.json();
    if (!answer.ok) throw new Error(listing.error);
    showAll(listing);
  } catch (error) {
    write($("state"), text("logs.unreadable", {why: error.message}));
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, newLogs.running() ? DOWNLOADING_MS : REFRESH_MS);
}

async function protect(key) {
  const {log} = key.closest("article").dataset;
  const {ok, error} = await send("protect", {log, on: key.dataset.on === "true"});
  if (!ok) {
    write($("message"), error ?? text("no_answer", {what: key.innerText}));
    setTimeout(() => write($("message"), ""), MESSAGE_MS);
  }
  refresh();
}

function showTheme() {
  const now = theme(), other = now === "day" ? "night" : "day";
  setTheme(now);
  $("theme").dataset.to = other;
  write($("theme").querySelector("b"), text(`theme.${now}`));
  write($("theme").querySelector("small"), text(`theme.${other}`));
}

$("theme").addEventListener("click", () => { setting("theme", $("theme").dataset.to); showTheme(); });
$("new").addEventListener("click", () => {
  if (newLogs.running()) newLogs.stop(); else newLogs.start(logs);
  showNew();
  refresh();
});
$("list").addEventListener("click", event => {
  const key = event.target.closest("button");
  if (key?.dataset.do === "protect") protect(key);
  else if (key) key.setAttribute("aria-expanded", !key.closest("article").querySelector(".exports").toggleAttribute("hidden"));
});
document.addEventListener("keydown", event => {
  if (event.key === "t" && !event.ctrlKey && !event.metaKey && !event.altKey) $("theme").click();
});
showTheme();
refresh();
