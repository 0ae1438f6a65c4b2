// The heads of the lanes: the channels of each in their colours, with buttons to remove them, to add one and to move
// the lane. HTML above the canvas, so that the keyboard and screen readers reach them.
const heads = (() => {
  const host = document.createElement("div");
  let shown = "";
  host.className = "heads";
  lanes.element.after(host);

  function button(text, label, act) {
    const made = document.createElement("button");
    made.type = "button"; made.textContent = text; made.title = label; made.setAttribute("aria-label", label); made.addEventListener("click", act);
    return made;
  }
  const remove = (title, keys, number) => button("×", `Remove ${title} from lane ${number + 1}`, () => laneList.remove(keys, number));
  function named(lane, channel, text) {
    const made = document.createElement("span"), name = document.createElement("strong");
    name.textContent = text; name.style.color = lanes.colourOf(lane, channel);
    made.className = "chip"; made.title = channel.source ? `${channel.title}, ${channel.source}` : channel.title;
    made.append(name);
    return made;
  }
  function chip(lane, number, channel, withUnit) {
    const made = named(lane, channel, channel.title + (withUnit && channel.unit ? ` (${channel.unit})` : ""));
    made.append(remove(channel.title, [channel.key], number));
    return made;
  }
  // The lines of several cars: their numbers, for the legend has the names, and one button for all.
  function group(lane, number, channels) {
    const made = channels.map((channel) => named(lane, channel, channel.short)), all = document.createElement("span");
    for (const each of made) each.classList.add("car");
    all.className = "chip"; all.append(remove(channels[0].group_title, channels.map((channel) => channel.key), number));
    return [...made, all];
  }
  function head(lane, number) {
    const made = document.createElement("div");
    made.className = "lane-head"; made.setAttribute("role", "group"); made.setAttribute("aria-label", `Lane ${number + 1}`);
    const common = laneList.common(lane), channels = view.shown(lane);
    if (common) { const title = document.createElement("span"); title.textContent = common.title + (common.unit ? ` (${common.unit})` : ""); made.append(title); }
    const isLast = (channel, at) => channels.findLastIndex((other) => other.unit === channel.unit) === at;
    if (channels[0].group && channels.every((channel) => channel.group === channels[0].group)) made.append(...group(lane, number, channels));
    else made.append(...channels.map((channel, at) => chip(lane, number, channel, !common && isLast(channel, at))));
    const tools = document.createElement("span");
    tools.className = "lane-tools";
    tools.append(button("+", `Add a channel to lane ${number + 1}`, () => channelList.open(number)));
    if (number) tools.append(button("↑", `Move lane ${number + 1} up`, () => moved(number, -1)));
    if (number < view.lanes.length - 1) tools.append(button("↓", `Move lane ${number + 1} down`, () => moved(number, 1)));
    made.append(tools);
    return made;
  }
  // Move a lane; the keyboard's focus goes with it.
  function moved(number, by) {
    laneList.move(number, by); write();
    const tools = host.children[number + by].querySelectorAll(".lane-tools button");
    (Array.from(tools).find((made) => made.textContent === (by < 0 ? "↑" : "↓")) || tools[tools.length - 1]).focus();
  }
  function write() {
    const now = JSON.stringify(laneList.lists()) + matchMedia("(prefers-color-scheme: dark)").matches;
    if (now !== shown) { shown = now; host.replaceChildren(...view.lanes.map(head)); }
    for (const { number, y0 } of lanes.boxes()) if (host.children[number]) { host.children[number].style.top = `${y0 - lanes.top()}px`; host.children[number].style.height = `${lanes.top()}px`; }
  }
  view.subscribe(write);
})();
