// How the user moves the map: mouse, wheel, one and two fingers, keys and buttons; and chooses the channel of its colours.
//
// One finger that moves up or down scrolls the page, as everywhere; sideways it moves the map. Two fingers move and zoom it.
const moves = (() => {
  const { element } = map, fingers = new Map(), KEY_PX = 60, KEY_ZOOM = 1.4, TAP_PX = 6;
  let grip = null; // what the fingers hold: {frame, middle: [x, y], apart, start: [x, y]}

  function zoomAt(times, x, y) { // x, y in pixels from the middle of the map
    const { e, n, scale } = map.frame();
    map.move({ e: e + x / scale * (1 - 1 / times), n: n - y / scale * (1 - 1 / times), scale: scale * times });
  }
  function fromMiddle(event) {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  }
  function hold() {
    const places = [...fingers.values()];
    if (!places.length) { grip = null; return; }
    grip = { frame: map.frame(), ...spread(places), start: grip ? grip.start : places[0] };
  }
  function spread(places) {
    const middle = [0, 1].map((axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length);
    return { middle, apart: places.length > 1 ? Math.max(1, Math.hypot(places[0][0] - places[1][0], places[0][1] - places[1][1])) : 0 };
  }
  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button) return;
    element.setPointerCapture(event.pointerId); fingers.set(event.pointerId, fromMiddle(event)); hold();
  });
  element.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) { view.point(map.nearest(...map.metresUnder(event))); return; }
    fingers.set(event.pointerId, fromMiddle(event));
    const { frame, middle, apart } = grip, now = spread([...fingers.values()]);
    if (fingers.size === 1 && !grip.isDrag) {
      const [x, y] = [0, 1].map((axis) => Math.abs(now.middle[axis] - grip.start[axis]));
      if (Math.hypot(x, y) < TAP_PX || event.pointerType === "touch" && y >= x) return; // upwards the page scrolls
      grip.isDrag = true;
    }
    const times = apart ? now.apart / apart : 1, scale = frame.scale * times; // what lay under the fingers stays there
    map.move({ e: frame.e + middle[0] / frame.scale - now.middle[0] / scale, n: frame.n - middle[1] / frame.scale + now.middle[1] / scale, scale });
  });
  function release(event) {
    const was = fingers.get(event.pointerId), tapped = was && grip && fingers.size === 1 && Math.hypot(was[0] - grip.start[0], was[1] - grip.start[1]) < TAP_PX;
    fingers.delete(event.pointerId); hold();
    if (tapped && event.type === "pointerup") view.point(map.nearest(...map.metresUnder(event)));
  }
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, release);
  element.addEventListener("touchstart", (event) => { if (event.touches.length > 1) event.preventDefault(); }, { passive: false }); // else the page scrolls
  element.addEventListener("wheel", (event) => { event.preventDefault(); zoomAt(Math.exp(-event.deltaY / 400), ...fromMiddle(event)); }, { passive: false });
  element.addEventListener("dblclick", () => { map.fit(); view.zoom(...view.whole); });
  element.addEventListener("pointerleave", (event) => { if (!fingers.size && event.pointerType === "mouse") view.point(null); });

  const shift = (x, y) => { const { e, n, scale } = map.frame(); map.move({ e: e + x / scale, n: n + y / scale, scale }); };
  const keys = {
    ArrowLeft: () => shift(-KEY_PX, 0), ArrowRight: () => shift(KEY_PX, 0), ArrowUp: () => shift(0, KEY_PX), ArrowDown: () => shift(0, -KEY_PX),
    "+": () => zoomAt(KEY_ZOOM, 0, 0), "=": () => zoomAt(KEY_ZOOM, 0, 0), "-": () => zoomAt(1 / KEY_ZOOM, 0, 0), Home: map.fit,
  };
  element.tabIndex = 0;
  element.setAttribute("role", "application");
  element.setAttribute("aria-label", "Map: arrow keys move it, + and - zoom, Home fits it to the plot");
  element.addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  const tools = document.createElement("div"), key = document.createElement("div"), select = document.createElement("select");
  let explained = null; // the channel whose key is shown
  tools.className = "tools"; key.className = "key";
  if (samples && doc.tracks.length === 1) {
    select.setAttribute("aria-label", "Colour of the track"); select.title = "Colour of the track";
    for (const { key: name, title, unit } of samples.channels.values()) select.add(new Option(title + (unit ? ` (${unit})` : ""), name));
    select.add(new Option("one colour", ""));
    select.addEventListener("change", () => map.choose(select.value));
    tools.append(select);
  }
  for (const [name, title, act] of [["+", "zoom in", keys["+"]], ["−", "zoom out", keys["-"]], ["fit", "fit to the plot", map.fit]]) {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = name; button.title = title; button.setAttribute("aria-label", title);
    button.addEventListener("click", act); tools.append(button);
  }
  element.parentElement.append(tools, key);
  view.subscribe(() => {
    if (explained === map.chosen) return;
    explained = select.value = map.chosen; key.replaceChildren();
    if (explained) scale.explain(key, samples.channels.get(explained));
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { explained = null; });
})();
