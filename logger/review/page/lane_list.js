// Which channels are in which lane: add, remove, move. The page's first lanes come from Python. On a page of several
// cars the channels of a `group` belong together: one choice adds or removes the line of each car.
const laneList = (() => {
  const MAX_LANES = 12, MAX_CHANNELS = 8; // more cannot be told apart on a screen

  // A lane with these channels, or null if none is known. A lane as Python made it keeps its title and scale.
  function lane(keys) {
    const known = [...new Set(keys)].filter((key) => doc.channels.has(key)).slice(0, MAX_CHANNELS);
    const first = doc.lanes_at_first.find((made) => String(made.channels) === String(known));
    return known.length ? { ...first, channels: known } : null;
  }
  // Show these lanes, each a list of keys; without any known channel those of the beginning.
  function show(lists) {
    const made = lists.map(lane).filter(Boolean).slice(0, MAX_LANES);
    view.lanes.splice(0, Infinity, ...(made.length ? made : doc.lanes_at_first.map((first) => ({ ...first }))));
    view.redraw();
  }
  const lists = () => view.lanes.map((each) => each.channels);
  // The number of the first lane with one of these channels, or -1.
  const has = (keys) => view.lanes.findIndex((each) => keys.some((key) => each.channels.includes(key)));
  // Add channels to a lane, or in a lane of their own; false if there is no more room.
  function add(keys, number = null) {
    const now = lists().map((each) => [...each]);
    if (number === null ? now.length >= MAX_LANES : now[number].length + keys.length > MAX_CHANNELS) return false;
    if (number === null) now.push(keys); else now[number].push(...keys);
    show(now);
    return true;
  }
  // Remove channels from a lane, or from all; the last lane stays.
  function remove(keys, number = null) {
    const now = lists().map((each, at) => number === null || at === number ? each.filter((key) => !keys.includes(key)) : each);
    if (now.some((each) => each.length)) show(now.filter((each) => each.length));
  }
  function move(number, by) {
    const now = lists(), to = number + by;
    if (to < 0 || to >= now.length) return;
    [now[number], now[to]] = [now[to], now[number]];
    show(now);
  }
  // What all channels of a lane have in common: {title, unit}, or null.
  function common(lane) {
    const [first, ...others] = view.shown(lane);
    if (lane.title) return { title: lane.title, unit: lane.unit };
    return first.group && others.every((other) => other.group === first.group) ? { title: first.group_title, unit: first.unit } : null;
  }
  const title = (channel) => channel.group ? `${channel.group_title}: ${channel.title}` : channel.title;
  doc.lanes_at_first = view.lanes.map((each) => ({ ...each, channels: [...each.channels] }));
  return { add, remove, move, show, lists, has, common, title };
})();
