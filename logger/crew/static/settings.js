// What the crew chose on this device: kept by the browser, or, where it keeps nothing, by the page while it is open.

const chosen = new Map();

export function setting(key, value) {
  if (value !== undefined) chosen.set(key, value);
  try {
    if (value !== undefined) localStorage.setItem(key, value);
    return localStorage.getItem(key);
  } catch { return chosen.get(key) ?? null; }
}

export const oneOf = (key, options, usual = options[0]) => (options.includes(setting(key)) ? setting(key) : usual);

export const THEMES = ["day", "night"];
export const theme = () => oneOf("theme", THEMES, matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "day");
export const setTheme = option => { document.body.dataset.theme = option; };
