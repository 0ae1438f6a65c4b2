// Speeds and distances in the crew's units, kilometres or miles; the snapshot has km/h and km. Heights and temperatures stay.

import {setting} from "/settings.js";
import {text} from "/texts.js";

const KM_PER_MILE = 1.609344;
const METRES_PER_YARD = 0.9144;

export const inMiles = () => setting("units") === "miles";
const scale = () => (inMiles() ? KM_PER_MILE : 1);

export const speed = kmh => kmh / scale();
export const limit = kmh => (inMiles() ? Math.floor(kmh / KM_PER_MILE) : kmh);  // rounded up it would allow more than the sign
export const distance = km => km / scale();
export const short = km => (inMiles() ? km * 1000 / METRES_PER_YARD : km * 1000);  // in yards, or metres

export const speedUnit = () => text(inMiles() ? "unit.mph" : "unit.kmh");
export const distanceUnit = () => text(inMiles() ? "unit.mi" : "unit.km");
export const shortUnit = () => text(inMiles() ? "unit.yd" : "unit.m");

// A step of the distance buttons: 10 or 100 m, or as many hundredths of a mile.
export const stepMetres = metres => metres * scale();
export const step = metres => (metres < 0 ? "\u2212" : "+") + (inMiles() ? (Math.abs(metres) / 1000).toFixed(2).slice(1) : Math.abs(metres));
export const stepUnit = () => (inMiles() ? distanceUnit() : shortUnit());
