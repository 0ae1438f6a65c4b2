// Texts of the pages in the crew's language: chosen on the page, else the first of the browser's languages that we have.
//
// A text may hold places, such as {km}. No text depends on a count, so no language needs plural forms.
// An element of a page names its text: data-text="undo" for the content, data-label="undo" for the aria-label; its other
// data attributes fill the places: data-number="1" is {number}.

import {setting} from "/settings.js";
import english from "/texts/en.js";

export const LANGUAGES = {en: "English", fr: "Français", es: "Español", ar: "العربية", de: "Deutsch"};
const RIGHT_TO_LEFT = new Set(["ar"]);
const [ISOLATE, END] = ["\u2068", "\u2069"];  // keeps a number or a Latin name in its own order within Arabic, and an Arabic one elsewhere
const TURNS = /[\u202a-\u202e\u2066\u2067]/g;  // in a name they would turn the text around it
const ARABIC = /[\u0590-\u08ff\ufb1d-\ufefc]/;

let texts = english;
export let language = "";

export const has = key => Object.hasOwn(english, key);

export function text(key, places = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => {
    const value = String(places[name] ?? "").replace(TURNS, "");
    return RIGHT_TO_LEFT.has(language) || ARABIC.test(value) ? ISOLATE + value + END : value;
  });
}

export const keysOf = group => Object.keys(english).filter(key => key.startsWith(`${group}.`));

// What the recorder says in English: the text of `key` if that is what it says, else, as in a user's own alarm, its words.
export const recorded = (key, said) => (english[key] === said ? text(key) : said);

export function translate(root = document) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text, element.dataset);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label, element.dataset));
}

export async function speak(wanted) {  // load a language and show the page in it; without the server the page keeps what it has
  const loaded = await import(`/texts/${wanted}.js`).catch(() => null);
  [texts, language] = loaded ? [loaded.default, wanted] : [texts, language || "en"];
  document.documentElement.lang = language;
  document.documentElement.dir = RIGHT_TO_LEFT.has(language) ? "rtl" : "ltr";
  translate();
}

const known = [setting("language"), ...navigator.languages.map(wanted => wanted.slice(0, 2).toLowerCase())];
await speak(known.find(wanted => Object.hasOwn(LANGUAGES, wanted)) ?? "en");
