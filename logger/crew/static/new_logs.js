// Download every new log, one after the other, by the browser's own downloads: a gigabyte never passes through the page, and
// the browser resumes what was interrupted. From the list of logs the page learns how much the server has sent, and whether
// all of it arrived.

const START_MS = 20000;  // a download that has not begun by then was refused: by the browser, or by the server

// A log that is being recorded grows again at once; whether a damaged one arrived, the car does not record.
export const isNew = log => !log.delivered && log.withheld == null && !["recording", "damaged"].includes(log.state);

let waiting = [], current = null;  // names; {name, began, seen}
export let total = 0, done = [], failed = [];
export const running = () => current && {name: current.name, at: done.length + failed.length + 1};

export function start(logs) {
  [waiting, done, failed] = [logs.filter(isNew).map(log => log.name), [], []];
  total = waiting.length;
  next();
}

export function stop() { [waiting, current] = [[], null]; }

export function follow(logs) {  // take a newer list
  if (!current) return;
  const log = logs.find(({name}) => name === current.name);
  current.seen ||= log?.sending != null;
  const ended = log?.sending == null && (current.seen || performance.now() - current.began > START_MS);
  if (log && !log.delivered && !ended) return;
  (log?.delivered ? done : failed).push(current.name);
  next(logs);
}

function next(logs = []) {
  const name = waiting.shift();
  current = name === undefined ? null : {name, began: performance.now(), seen: false};
  if (!current) return;
  if (logs.find(log => log.name === name)?.withheld != null) { failed.push(name); next(logs); return; }  // a section has begun
  const link = document.createElement("a");
  [link.href, link.download] = [`/api/logs/${encodeURIComponent(name)}`, name];
  link.click();
}
