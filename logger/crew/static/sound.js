// Warning tones. Off until the crew presses the button, because browsers require a user action.

import {now} from "/words.js";

let audio = null;
const sounded = new Map();  // the time of each tone's last sound
const PAUSE_S = 0.3;        // between any two tones, so that they can be distinguished
const TONES = {over: [880, 0.5], near: [660, 2], ahead: [520, 4], "alarm critical": [1200, 0.6], "alarm warn": [740, 1.5], "alarm info": [600, Infinity], stick: [990, 4], "stick wrong": [370, 4]};

export function sound(what) {
  if (!audio || document.hidden || !what) return;
  const [pitch, every] = TONES[what] ?? TONES["alarm warn"];
  if (now() - Math.max(...sounded.values()) < PAUSE_S || now() - (sounded.get(what) ?? -Infinity) < every) return;
  sounded.set(what, now());
  const tone = audio.createOscillator(), volume = audio.createGain();
  tone.type = "square";
  tone.frequency.value = pitch;
  volume.gain.setValueAtTime(0.25, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.2);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.2);
}

export const isOn = () => audio !== null;

export function turn(on) {
  if (on === isOn()) return;
  if (on) audio = new AudioContext(); else { audio.close(); audio = null; }
  sound("ahead");
}
