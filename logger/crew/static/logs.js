// The list of logs. The server says what there is (GET /api/logs); every key is a plain link, so a download that is
// cut off is the browser's to go on with. Nothing here is written with innerHTML: a stage may be called anything.
"use strict";

const LOOK_MS = 5000;
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

function facts(log) {
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
  const made = $("log").content.cloneNode(true).firstElementChild;
  const name = encodeURIComponent(log.name), api = `/api/logs/${name}`;
  made.dataset.log = log.name;
  made.querySelector("[data-do=download]").href = api;
  made.querySelector("[data-do=review]").href = `/logs/${name}/review`;
  made.querySelector(".exports").append(...formats.map(format => link(FORMATS[format] ?? format, `${api}/export?format=${format}`, log.name)));
  made.querySelector("h2").textContent = log.name;
  return made;
}

function show(made, log) {
  made.dataset.state = log.state;
  made.toggleAttribute("data-delivered", log.delivered === true);
  made.querySelector(".state").textContent = (STATES[log.state] ?? log.state) + (log.delivered ? ", downloaded" : "");
  made.querySelector(".trouble").textContent = log.trouble ?? log.withheld ?? "";
  for (const nav of made.querySelectorAll("nav")) nav.hidden = log.withheld != null;
  for (const [of, text] of Object.entries(facts(log))) made.querySelector(`[data-of=${of}]`).textContent = text;
}

function showAll({ logs, exports }) {
  logs.sort((a, b) => (b.state === "recording") - (a.state === "recording") || (b.begun_utc ?? "").localeCompare(a.begun_utc ?? "") || b.name.localeCompare(a.name));
  const there = new Map([...$("list").children].map(made => [made.dataset.log, made]));
  const wanted = logs.map(log => {
    const made = there.get(log.name) ?? article(log, exports);
    show(made, log);
    return made;
  });
  if (wanted.length !== $("list").children.length || wanted.some((made, at) => $("list").children[at] !== made)) $("list").replaceChildren(...wanted);
  $("state").textContent = logs.length ? `${logs.length} ${logs.length === 1 ? "log" : "logs"}, ${size(logs.reduce((sum, log) => sum + log.size, 0))}` : "no logs yet";
}

async function look() {
  try {
    const answer = await fetch("/api/logs", { cache: "no-store" });
    if (answer.status === 401) return location.assign("/login");
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error);
    showAll(said);
  } catch (error) {
    $("state").textContent = `cannot be read: ${error.message}`;
  }
  setTimeout(look, LOOK_MS);
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
look();
