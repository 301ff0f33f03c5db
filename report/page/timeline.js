// timeline.js - a lane for each worker, a box for each attempt; to be zoomed and moved with wheel, pointer, two fingers, keys and buttons.
const kMostLanes = 64, kLane = 24, kTop = 22, kLeft = 36, kRight = 4;

function timeline(run) {
  const line = run.timeline;
  if (!line || line.attempts.length === 0) return;
  const where = section("Timeline", "One lane for each worker; a box is one job. What did not end well is underlined and in another colour, with a frame and ✗ where there is room. Zoom with the buttons, the wheel, two fingers, or + and −; move by dragging or with ← →; 0 shows all." + (line.one_in > 1 ? " One in " + line.one_in + " jobs is shown." : "") + " A job that is shorter than a dot is drawn as one: zoom in before you take a lane for busy.");
  where.id = "timeline";
  // Workers may come and go: there may be attempts of more than were there in the end, and workers without any.
  const workers = line.attempts.reduce((most, a) => Math.max(most, a[0] + 1), run.costs.workers.length);
  const lanes = Math.min(kMostLanes, workers);
  if (lanes < workers) element(where, "p", lanes + " of " + workers + " workers are drawn; the table has all.", { class: "note" });
  const row = element(where, "div", null, { class: "row", role: "group", "aria-label": "timeline" });
  const canvas = element(where, "canvas", null, { tabindex: "0", role: "img", "aria-label": "timeline of jobs by worker" });
  const under = element(where, "p", "", { class: "note", role: "status" });
  // What did not end well comes last, so that no neighbour hides it.
  const inDrawingOrder = [...line.attempts].sort((a, b) => (a[3] !== "ok") - (b[3] !== "ok"));
  const whole = Math.max(run.costs.wall_seconds, 1e-9);
  let from = 0, to = whole;
  const inner = () => canvas.clientWidth - kLeft - kRight;
  const at = x => from + (x - kLeft) / inner() * (to - from);

  function draw() {
    const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = kTop + lanes * kLane + 4;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.height = height + "px";
    const c = canvas.getContext("2d");
    c.scale(ratio, ratio);
    c.font = "12px system-ui, sans-serif";
    const x = t => kLeft + (t - from) / (to - from) * inner();
    const ticks = width < 500 ? 2 : 4;
    for (let i = 0; i <= ticks; ++i) {
      const t = from + (to - from) * i / ticks;
      c.textAlign = i === ticks ? "right" : i === 0 ? "left" : "center";
      c.fillStyle = css("--soft");
      c.fillText(time(t), x(t), 14);
      c.fillStyle = css("--line");
      c.fillRect(Math.min(x(t), width - 2), kTop - 4, 1, height);
    }
    c.textAlign = "left";
    c.fillStyle = css("--soft");
    for (let lane = 0; lane < lanes; ++lane) c.fillText("w" + lane, 4, kTop + lane * kLane + 15);
    c.save();
    c.beginPath();
    c.rect(kLeft, 0, inner() + 2, height);
    c.clip();
    const ink = css("--ink");
    // As much of a name as there is room for.
    const fitting = (text, room) => {
      let fits = text.slice(0, Math.ceil(room / 3));
      while (fits && c.measureText(fits).width > room) fits = fits.slice(0, -1);
      return fits;
    };
    for (const [worker, begin, long, status, name] of inDrawingOrder) {
      if (worker >= lanes || begin > to || begin + long < from) continue;
      const left = Math.max(kLeft - 4, x(begin)), y = kTop + worker * kLane, well = status === "ok";
      const wide = Math.max(well ? 1 : 3, Math.min(width + 4, x(begin + long)) - left - 0.5);
      c.fillStyle = well ? colours[0] : "#B34700";
      c.fillRect(left, y + 2, wide, kLane - 5);
      if (!well) { c.fillStyle = ink; c.fillRect(left, y + kLane - 2, wide, 2); }
      if (!well && wide > 3) { c.strokeStyle = ink; c.lineWidth = 1.5; c.strokeRect(left + 1, y + 3, wide - 2, kLane - 7); }
      const room = left + wide - Math.max(left, kLeft) - 8;
      if (room > 32) { c.fillStyle = "#fff"; c.fillText(fitting((well ? "" : "✗ ") + name, room), Math.max(left, kLeft) + 4, y + 15); }
    }
    c.restore();
    Object.assign(canvas.dataset, { drawn: "yes", from, to });
  }
  function show(begin, wide) {
    wide = Math.min(whole, Math.max(whole * 1e-7, wide));
    from = Math.max(0, Math.min(whole - wide, begin));
    to = from + wide;
    draw();
  }
  const zoom = (factor, middle = (from + to) / 2) => show(middle - (middle - from) * factor, (to - from) * factor);
  const move = part => show(from + part * (to - from), to - from);

  const actions = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "−": () => zoom(2), "ArrowLeft": () => move(-0.2), "ArrowRight": () => move(0.2), "0": () => show(0, whole) };
  for (const [text, name, key] of [["+", "zoom in", "+"], ["−", "zoom out", "-"], ["←", "move left", "ArrowLeft"], ["→", "move right", "ArrowRight"], ["All", "show all", "0"]]) {
    element(row, "button", text, { type: "button", "aria-label": name, title: name }).onclick = actions[key];
  }
  canvas.addEventListener("keydown", event => {
    if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
  });
  canvas.addEventListener("wheel", event => {
    if (event.deltaY === 0 || event.deltaY > 0 && to - from >= whole) return;  // all is shown: the page scrolls on
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, at(event.offsetX));
  }, { passive: false });

  // One pointer drags, two pinch: what lay under them stays under them.
  const down = new Map();
  const place = event => event.clientX - canvas.getBoundingClientRect().left;
  canvas.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    down.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
  });
  for (const over of ["pointerup", "pointercancel"]) canvas.addEventListener(over, event => down.delete(event.pointerId));
  canvas.addEventListener("pointermove", event => {
    const x = place(event);
    if (down.has(event.pointerId)) {
      const other = [...down].find(([id]) => id !== event.pointerId), before = down.get(event.pointerId);
      down.set(event.pointerId, x);
      if (!other) return show(from - (x - before) / inner() * (to - from), to - from);
      const apart = Math.abs(x - other[1]), were = Math.abs(before - other[1]);
      if (apart > 8 && were > 8) {
        const held = at(other[1]), wide = (to - from) * were / apart;
        show(held - (other[1] - kLeft) / inner() * wide, wide);
      }
      return;
    }
    const lane = Math.floor((event.offsetY - kTop) / kLane), t = at(x);
    const within = slack => inDrawingOrder.findLast(a => a[0] === lane && a[1] - slack <= t && t <= a[1] + a[2] + slack);
    const found = within(0) || within(2 * (to - from) / inner());  // or else what is as thin as a dot
    under.textContent = found ? found[4] + ": " + found[3] + ", " + time(found[2]) + ", began at " + time(found[1]) : "";
  });
  addEventListener("resize", draw);
  draw();
  table(where, ["worker", "began", "took", "status", "job"], line.attempts.map(a => [a[0], time(a[1]), time(a[2]), a[3], a[4]]), "The " + counted(line.attempts.length, "job"));
}
