// elements.js - what every part of the page is made of: elements, figures as people read them, tables, charts with their legends.
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");
const theme = matchMedia("(prefers-color-scheme: dark)");
const dark = theme.matches;
theme.addEventListener("change", () => location.reload());  // charts are drawn in the colours of one theme
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// Okabe and Ito's palette, which most kinds of colour blindness tell apart; patterns and dashes tell them apart without colour.
const colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", dark ? "#F0E442" : "#9A8700", "#888888", "#7A5195"];
const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 4], [14, 4], [1, 4]];  // not as many as there are points, so that it takes 56 series until two look alike
const points = ["circle", "rect", "triangle", "rectRot", "cross", "star", "crossRot", "rectRounded"];
const of = (list, i) => list[i % list.length];

function element(parent, tag, text, attributes) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  parent.append(made);
  return made;
}
function time(s) {
  if (s === null || s === undefined) return "–";
  const a = Math.abs(s);
  if (a === 0) return "0";
  const [f, u] = a >= 1 ? [1, "s"] : a >= 1e-3 ? [1e3, "ms"] : a >= 1e-6 ? [1e6, "us"] : [1e9, "ns"];
  const v = s * f;
  return v.toFixed(Math.abs(v) >= 100 ? 0 : Math.abs(v) >= 10 ? 1 : 2) + " " + u;
}
// Of a tick: a power of ten in full digits.
function tick(s) {
  const [f, u] = s >= 0.99 ? [1, "s"] : s >= 0.99e-3 ? [1e3, "ms"] : s >= 0.99e-6 ? [1e6, "us"] : [1e9, "ns"];
  return Number((s * f).toPrecision(3)) + " " + u;
}
function size(bytes) {
  for (const [f, u] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [1024, "KiB"]]) if (bytes >= f) return Number((bytes / f).toFixed(1)) + " " + u;
  return bytes + " B";
}
function rate(bytes) {
  for (const [f, u] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) if (bytes >= f) return bytes / f + " " + u + "/s";
  return bytes + " B/s";
}
const flow = bytes => {
  const [f, u] = bytes >= 1e9 ? [1e9, "GB/s"] : bytes >= 1e6 ? [1e6, "MB/s"] : bytes >= 1e3 ? [1e3, "kB/s"] : [1, "B/s"];
  return Number((bytes / f).toPrecision(3)) + " " + u;
};
const grouped = n => String(n).replace(/\B(?=(\d{3})+$)/g, " ");
const counted = (n, noun) => grouped(n) + " " + noun + (n === 1 ? "" : "s");
const percent = (part, whole) => whole === 0 ? "0 %" : Number((100 * part / whole).toPrecision(3)) + " %";

function pattern(i) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 12;
  const c = tile.getContext("2d");
  c.fillStyle = of(colours, i);
  c.fillRect(0, 0, 12, 12);
  c.strokeStyle = dark ? "rgba(0,0,0,.55)" : "rgba(255,255,255,.75)";
  c.lineWidth = 2;
  c.beginPath();
  // One for each colour: no two series look alike without them.
  switch (i % colours.length) {
    case 1: c.moveTo(0, 12); c.lineTo(12, 0); break;
    case 2: c.moveTo(0, 6); c.lineTo(12, 6); break;
    case 3: c.moveTo(0, 0); c.lineTo(12, 12); break;
    case 4: c.moveTo(6, 0); c.lineTo(6, 12); break;
    case 5: c.arc(6, 6, 2, 0, 7); break;
    case 6: c.moveTo(6, 0); c.lineTo(6, 12); c.moveTo(0, 6); c.lineTo(12, 6); break;
    case 7: c.moveTo(0, 3); c.lineTo(12, 3); c.moveTo(0, 9); c.lineTo(12, 9); break;
    case 8: c.moveTo(3, 0); c.lineTo(3, 12); c.moveTo(9, 0); c.lineTo(9, 12); break;
  }
  c.stroke();
  return c.createPattern(tile, "repeat");
}
function section(title, note) {
  const made = element(main, "section");
  element(made, "h2", title);
  if (note) element(made, "p", note, { class: "note" });
  return made;
}
// The figures behind a chart, to read and to copy. Its rows are made when somebody looks: there may be thousands.
function table(parent, head, rows, title) {
  const details = element(parent, "details");
  element(details, "summary", title || "The numbers");
  const copy = element(details, "button", "Copy as a table", { type: "button" });
  const said = element(details, "span", "", { class: "note", role: "status" });
  copy.onclick = () => {
    const text = [head, ...rows].map(row => row.join("\t")).join("\n");
    const done = () => { said.textContent = " copied"; };
    const fallback = () => {
      const area = element(document.body, "textarea", text);
      area.focus();
      area.select();
      const well = document.execCommand("copy");
      area.remove();
      if (well) done(); else said.textContent = " the browser does not allow it: select the table and copy it";
      copy.focus();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, fallback); else fallback();
  };
  const made = element(element(details, "div", null, { class: "scroll", tabindex: "0", role: "region", "aria-label": title || "The numbers" }), "table");
  const top = element(element(made, "thead"), "tr");
  for (const cell of head) element(top, "th", cell, { scope: "col" });
  const body = element(made, "tbody");
  details.addEventListener("toggle", () => {
    if (!details.open || body.firstChild) return;
    for (const row of rows) {
      const line = element(body, "tr");
      for (const cell of row) element(line, "td", cell);
    }
  });
  return details;
}

let drawn = 0;
// What a series looks like, its dashes, point or pattern included.
function swatch(parent, set, bars) {
  const canvas = element(parent, "canvas", null, { "aria-hidden": "true" }), ratio = devicePixelRatio || 1;
  canvas.width = 44 * ratio;
  canvas.height = 16 * ratio;
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  if (bars) {
    c.fillStyle = set.backgroundColor;
    c.fillRect(0, 1, 44, 14);
    return;
  }
  c.strokeStyle = set.borderColor;
  c.fillStyle = set.backgroundColor || set.borderColor;
  c.lineWidth = set.borderWidth || 3;
  if (set.showLine !== false) {
    c.setLineDash(set.borderDash || []);
    c.beginPath();
    c.moveTo(0, 8);
    c.lineTo(44, 8);
    c.stroke();
    c.setLineDash([]);
  }
  c.lineWidth = 1.5;
  if (set.pointRadius !== 0) Chart.helpers.drawPoint(c, { pointStyle: set.pointStyle, radius: 6, borderWidth: 1.5, rotation: 0 }, 22, 8);
}
// Beside the chart and not in it: it wraps on a phone, and Tab reaches it.
function legend(parent, made, bars) {
  const list = element(parent, "ul", null, { class: "legend", "aria-label": "series, to be shown or hidden" });
  made.data.datasets.forEach((set, i) => {
    const button = element(element(list, "li"), "button", null, { type: "button", "aria-pressed": "true" });
    swatch(button, set, set.fill || (set.type ? set.type === "bar" : bars));
    element(button, "span", set.label);
    button.onclick = () => {
      const shown = !made.isDatasetVisible(i);
      made.setDatasetVisibility(i, shown);
      button.setAttribute("aria-pressed", shown);
      made.update();
    };
  });
  return list;
}
// ← and → go from value to value, as the pointer does.
function walk(canvas, made) {
  let at = -1;
  canvas.addEventListener("keydown", event => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    const all = Math.max(...made.data.datasets.map(set => set.data.length));
    at = Math.max(0, Math.min(all - 1, at + (event.key === "ArrowRight" ? 1 : -1)));
    const found = made.data.datasets.map((set, datasetIndex) => ({ datasetIndex, index: at })).filter(one => made.isDatasetVisible(one.datasetIndex) && made.getDatasetMeta(one.datasetIndex).data[at]);
    made.setActiveElements(found);
    made.tooltip.setActiveElements(found, { x: 0, y: 0 });
    made.update();
  });
}
function chart(parent, label, height, config, plain) {
  const keys = plain ? null : element(parent, "div");
  const box = element(parent, "div", null, { class: "chart" });
  box.style.height = height + "px";
  const canvas = element(box, "canvas", null, { role: "img", "aria-label": label, tabindex: "0" });
  const grid = { color: css("--line"), borderColor: css("--soft") }, ticks = { color: css("--ink"), maxRotation: 0 };
  config.options = Object.assign({ responsive: true, maintainAspectRatio: false, animation: false }, config.options);
  for (const scale of Object.values(config.options.scales || {})) {
    scale.grid = Object.assign({}, grid, scale.grid);
    scale.ticks = Object.assign({}, ticks, scale.ticks);
    if (scale.title) scale.title.color = css("--ink");
  }
  config.options.plugins = Object.assign({}, config.options.plugins, { legend: { display: false } });
  const made = new Chart(canvas, config);
  const c = canvas.getContext("2d");
  const pixels = c.getImageData(0, 0, canvas.width, canvas.height).data;
  for (let i = 3; i < pixels.length; i += 4) if (pixels[i] !== 0) { canvas.dataset.drawn = "yes"; ++drawn; break; }
  if (keys) legend(keys, made, config.type === "bar");
  walk(canvas, made);
  return made;
}
const axis = (text, more) => Object.assign({ title: { display: true, text } }, more);
// A logarithmic scale with a label at each power of ten and no other; Chart.js leaves out those that would collide.
const powers = (text, label, more) => axis(text, Object.assign({
  type: "logarithmic",
  ticks: { callback: label, autoSkip: true, autoSkipPadding: 8 },
  afterBuildTicks: scale => {
    const low = Math.ceil(Math.log10(scale.min) - 1e-9), high = Math.floor(Math.log10(scale.max) + 1e-9);
    if (high > low) scale.ticks = Array.from({ length: high - low + 1 }, (_, i) => ({ value: 10 ** (low + i) }));
  },
}, more));
// A curve: its colour, its dashes and its points are its own.
const curve = (i, label, values) => ({ label, data: values, borderColor: of(colours, i), backgroundColor: of(colours, i), borderDash: of(dashes, i), pointStyle: of(points, i), pointRadius: 5, borderWidth: 2 });
