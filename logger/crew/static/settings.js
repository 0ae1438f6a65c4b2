// What the crew chose on this device. A browser that keeps nothing has the defaults each time.

export const setting = (key, value) => {
  try { return value === undefined ? localStorage.getItem(key) : localStorage.setItem(key, value); } catch { return null; }
};

export const theme = () => setting("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "day");
export const setTheme = chosen => { document.body.dataset.theme = chosen; };
