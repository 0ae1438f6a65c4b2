// Logs page: show the list of GET /api/logs. Every button is a plain link, so the browser resumes an interrupted
// download. Nothing uses innerHTML: the name of a stage may contain markup.
"use strict";

const REFRESH_MS = 5000;
const STATES = { recording: "recording", open: "not closed", closed: "closed", damaged: "damaged" };
const FORMATS = { gpx: "GPX", csv: "CSV", kml: "KML", parquet: "Parquet", candump: "candump", asc: "ASC", blf: "BLF", mf4: "MF4" };

const $ = id => document.getElementById(id);
const setting = (key, value) => {
  try { return value === undefined ? localStorage.getItem(key) : localStorage.setItem(key, value); } catch { return null; }
};

function duration(seconds) {
  if (seconds == null) return "–";
  const whole = Math.floor(seconds), two = number => String(number).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function size(bytes) {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function fields(log) {
  return {
    stage: log.stage || "–",
    begun: log.begun_utc ? log.begun_utc.slice(0, 16).replace("T", " ") : "–",
    duration: duration(log.duration_s),
    distance: log.distance_km == null ? "–" : `${log.distance_km.toFixed(1)} km`,
    size: size(log.size),
  };
}

function link(text, href, name) {
  const key = document.createElement("a");
  key.className = "key";
  key.textContent = text;
  key.href = href;
  key.setAttribute("download", "");
  key.setAttribute("aria-label", `${text} of ${name}`);
  return key;
}

function article(log, formats) {
  const card = $("log").content.cloneNode(true).firstElementChild;
  const name = encodeURIComponent(log.name), api = `/api/logs/${name}`;
  card.dataset.log = log.name;
  card.querySelector("[data-do=download]").href = api;
  card.querySelector("[data-do=review]").href = `/logs/${name}/review`;
  card.querySelector(".exports").append(...formats.map(format => link(FORMATS[format] ?? format, `${api}/export?format=${format}`, log.name)));
  card.querySelector("h2").textContent = log.name;
  return card;
}

function show(card, log) {
  card.dataset.state = log.state;
  card.toggleAttribute("data-delivered", log.delivered === true);
  card.querySelector(".state").textContent = (STATES[log.state] ?? log.state) + (log.delivered ? ", downloaded" : "");
  card.querySelector(".trouble").textContent = log.trouble ?? log.withheld ?? "";
  for (const nav of card.querySelectorAll("nav")) nav.hidden = log.withheld != null;
  for (const [of, text] of Object.entries(fields(log))) card.querySelector(`[data-of=${of}]`).textContent = text;
}

function showAll({ logs, exports }) {
  logs.sort((a, b) => (b.state === "recording") - (a.state === "recording") || (b.begun_utc ?? "").localeCompare(a.begun_utc ?? "") || b.name.localeCompare(a.name));
  const shown = new Map([...$("list").children].map(card => [card.dataset.log, card]));
  const cards = logs.map(log => {
    const card = shown.get(log.name) ?? article(log, exports);
    show(card, log);
    return card;
  });
  if (cards.length !== $("list").children.length || cards.some((card, at) => $("list").children[at] !== card)) $("list").replaceChildren(...cards);
  $("state").textContent = logs.length ? `${logs.length} ${logs.length === 1 ? "log" : "logs"}, ${size(logs.reduce((sum, log) => sum + log.size, 0))}` : "no logs yet";
}

async function refresh() {
  try {
    const answer = await fetch("/api/logs", { cache: "no-store" });
    if (answer.status === 401) return location.assign("/login");
    const listing = await answer.json();
    if (!answer.ok) throw new Error(listing.error);
    showAll(listing);
  } catch (error) {
    $("state").textContent = `cannot be read: ${error.message}`;
  }
  setTimeout(refresh, REFRESH_MS);
}

function setTheme(theme) {
  document.body.dataset.theme = theme;
  setting("theme", theme);
  $("theme").textContent = theme === "day" ? "Night" : "Day";
}

$("theme").addEventListener("click", () => setTheme(document.body.dataset.theme === "day" ? "night" : "day"));
document.addEventListener("keydown", event => {
  if (event.key === "t" && !event.ctrlKey && !event.metaKey && !event.altKey) $("theme").click();
});
setTheme(setting("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "day"));
refresh();
