// compare.js - what `runner compare` and `runner bench ipc` found.
function comparison(doc) {
  const models = doc.models, names = models.map(m => m.mode + " × " + m.procs);
  const wall = section("How long the batch takes", "The box is from the fastest to the slowest run, the diamond is the one in the middle.");
  chart(wall, "wall time of each model", Math.max(160, 70 + 34 * models.length), {
    data: {
      labels: names,
      datasets: [
        { type: "bar", label: "least to most", data: models.map(m => [m.wall_seconds.min, m.wall_seconds.max]), backgroundColor: pattern(1), minBarLength: 3 },
        { type: "line", order: -1, label: "median", data: models.map(m => m.wall_seconds.median), showLine: false, pointStyle: "rectRot", pointRadius: 7, backgroundColor: colours[0], borderColor: css("--ink") },
      ],
    },
    options: { indexAxis: "y", scales: { x: axis("seconds", { beginAtZero: true }), y: { ticks: { autoSkip: false } } }, plugins: { tooltip: { callbacks: { label: item => item.dataset.label + ": " + (Array.isArray(item.raw) ? item.raw.map(time).join(" to ") : time(item.raw)) } } } },
  });
  table(wall, ["model", "median", "min", "max", "speed-up", "efficiency", "CPU", "memory"], models.map((m, i) => [names[i], time(m.wall_seconds.median), time(m.wall_seconds.min), time(m.wall_seconds.max), m.speedup.toFixed(2) + "×", (100 * m.efficiency).toFixed(0) + " %", time(m.cpu_seconds), size(m.peak_rss_bytes)]));
  for (const left of doc.left_out || []) element(wall, "p", "Left out: " + left.mode + " × " + left.procs + ": " + left.why);

  const where = section("Where the workers' time went", "Each bar is all workers of one model in its middle run; the parts add up to workers × wall.");
  stacked(where, names, models.map(m => m.costs || {}), "stacked bar of where the workers' time went, by model");

  if (!doc.sweep || doc.sweep.length === 0) return;
  const curves = [...new Set(doc.sweep.map(p => p.mode))];
  const sweep = section("Efficiency over the length of a job", "Jobs of known length with payloads like those of this batch. The dotted level is half of the ideal throughput: where a curve crosses it is its METG(50 %).");
  const xs = doc.sweep.map(p => p.job_seconds), low = Math.min(...xs), high = Math.max(...xs);
  const bound = s => (s <= low ? "≤ " : "") + time(s);
  const datasets = curves.map((mode, i) => curve(i, mode, doc.sweep.filter(p => p.mode === mode).map(p => ({ x: p.job_seconds, y: 100 * p.efficiency }))));
  datasets.push({ label: "half", data: [{ x: low, y: 50 }, { x: high, y: 50 }], borderColor: css("--soft"), borderDash: [2, 4], pointRadius: 0, borderWidth: 1 });
  for (const m of doc.metg50 || []) if (m.seconds) datasets.push({ label: "METG(50 %) of " + m.mode + ": " + bound(m.seconds), data: [{ x: m.seconds, y: 50 }], showLine: false, pointStyle: of(["crossRot", "star", "cross"], curves.indexOf(m.mode)), pointRadius: 10, borderColor: css("--ink"), borderWidth: 3 });
  if (doc.break_even_seconds) datasets.push({ label: "break-even: " + bound(doc.break_even_seconds), data: [{ x: doc.break_even_seconds, y: 0 }, { x: doc.break_even_seconds, y: 100 }], borderColor: colours[5], borderDash: [6, 3], pointRadius: 0 });
  chart(sweep, "efficiency over the length of a job", 380, {
    type: "line", data: { datasets },
    options: {
      scales: { x: powers("length of a job", tick), y: axis("efficiency, %", { min: 0, suggestedMax: 100 }) },
      plugins: { tooltip: { callbacks: { title: items => time(items[0].raw.x), label: item => item.dataset.label + ", " + Number(item.raw.y.toPrecision(3)) + " %" } } },
    },
  });
  const shortest = time(low), longest = time(high);
  const slow = (doc.metg50 || []).filter(m => !m.seconds).map(m => m.mode);
  if (slow.length > 0) element(sweep, "p", "Half of the ideal throughput is not reached by " + slow.join(", ") + ": METG(50 %) is longer than " + longest + ".");
  if (!doc.break_even_seconds) element(sweep, "p", "No break-even is marked: up to " + longest + " processes did not reach 95 % of threads, or one of the two was not measured.");
  else if (doc.break_even_seconds <= low) element(sweep, "p", "Break-even is at " + shortest + " or below: no shorter job was measured.");
  table(sweep, ["model", "job", "efficiency", "min", "max"], doc.sweep.map(p => [p.mode, time(p.job_seconds), (100 * p.efficiency).toFixed(1) + " %", (100 * p.min).toFixed(1) + " %", (100 * p.max).toFixed(1) + " %"]));
}

// ---- mechanisms ----
const percentiles = ["p50", "p90", "p99", "p99.9"];
// The way there and back of single messages: for one size at a time, a bar from p50 to p99 with a mark at p90.
function messages(where, rows, names) {
  const timed = rows.filter(r => r.percentiles_s);
  if (timed.length === 0) return;
  const sizes = [...new Set(timed.map(r => r.bytes))];
  const choice = element(element(element(where, "div", null, { class: "row" }), "label", "Single messages, from p50 to p99, of "), "select");
  for (const bytes of sizes) element(choice, "option", size(bytes), { value: bytes });
  const at = bytes => names.map(name => timed.find(r => r.mechanism === name && r.bytes === bytes));
  const shown = names.filter(name => timed.some(r => r.mechanism === name));
  const bars = bytes => shown.map(name => at(bytes)[names.indexOf(name)]).map(r => r ? [r.percentiles_s.p50, Math.max(r.percentiles_s.p99, r.percentiles_s.p50 * 1.02)] : null);
  const marks = bytes => shown.map(name => at(bytes)[names.indexOf(name)]).map(r => r ? r.percentiles_s.p90 : null);
  const all = timed.flatMap(r => [r.percentiles_s.p50, r.percentiles_s.p99]).filter(v => v > 0);
  const made = chart(where, "p50 to p99 of single messages by mechanism", 80 + 30 * shown.length, {
    data: {
      labels: shown,
      datasets: [
        { type: "bar", label: "p50 to p99", data: bars(sizes[0]), backgroundColor: pattern(0), minBarLength: 3 },
        { type: "line", order: -1, label: "p90", data: marks(sizes[0]), showLine: false, pointStyle: "rectRot", pointRadius: 7, backgroundColor: colours[1], borderColor: css("--ink") },
      ],
    },
    options: {
      indexAxis: "y",
      scales: { x: powers("there and back", tick, { min: 10 ** Math.floor(Math.log10(Math.min(...all))), max: 10 ** Math.ceil(Math.log10(Math.max(...all))) }), y: { ticks: { autoSkip: false } } },
      plugins: { tooltip: { callbacks: { label: item => item.dataset.label + ": " + (Array.isArray(item.raw) ? item.raw.map(time).join(" to ") : time(item.raw)) } } },
    },
  });
  choice.onchange = () => {
    made.data.datasets[0].data = bars(Number(choice.value));
    made.data.datasets[1].data = marks(Number(choice.value));
    made.update();
  };
}
// What a reader looks for first: who is fastest with the smallest messages, and who moves the most bytes.
function mechanismsInWords(doc) {
  const alone = doc.results.filter(r => r.children === 1);
  for (const place of ["other core", "same core"]) {
    const rows = alone.filter(r => r.what === "round trip" && r.placement === place), least = Math.min(...rows.map(r => r.bytes));
    const ranked = rows.filter(r => r.bytes === least).sort((a, b) => a.median_s - b.median_s);
    if (ranked.length > 0) element(main, "p", size(least) + " there and back, " + place + ", the fastest first: " + ranked.map(r => r.mechanism + " " + time(r.median_s)).join(" · "), { class: "words" });
  }
  const streams = alone.filter(r => r.what === "stream" && r.placement !== "anywhere"), most = Math.max(...streams.map(r => r.bytes));
  const ranked = streams.filter(r => r.bytes === most).sort((a, b) => a.median_s - b.median_s);
  if (ranked.length > 0) element(main, "p", size(most) + " after " + size(most) + ", the fastest first: " + ranked.map(r => r.mechanism + " " + flow(r.bytes / r.median_s)).join(" · "), { class: "words" });
  for (const remark of doc.remarks || []) element(main, "p", remark, { class: "note" });
}
// How many messages a second arrive when more than one worker is sent to.
function crowd(doc) {
  const rows = doc.results.filter(r => r.what === "stream" && r.placement === "anywhere").sort((a, b) => a.bytes - b.bytes || a.children - b.children);
  if (rows.length === 0) return;
  const least = rows[0].bytes, names = [...new Set(rows.map(r => r.mechanism))], counts = [...new Set(rows.map(r => r.children))];
  const where = section("Throughput over the number of workers", "Messages of " + size(least) + " a second that arrive and are read, by all workers together; the table has the other sizes.");
  const each = y => grouped(Math.round(y)) + " a second";
  chart(where, "throughput over the number of workers", 380, {
    type: "line",
    data: { datasets: names.map((name, i) => curve(i, name, rows.filter(r => r.mechanism === name && r.bytes === least).map(r => ({ x: r.children, y: 1 / r.median_s })))) },
    options: {
      scales: {
        x: axis("workers", { type: "logarithmic", ticks: { callback: String }, afterBuildTicks: scale => { scale.ticks = counts.map(value => ({ value })); } }),
        y: powers("messages a second", grouped),
      },
      plugins: { tooltip: { callbacks: { title: items => counted(items[0].raw.x, "worker"), label: item => item.dataset.label + ": " + each(item.raw.y) } } },
    },
  });
  table(where, ["mechanism", "payload", "workers", "messages a second", "least", "most"], rows.map(r => [r.mechanism, size(r.bytes), r.children, ...[r.median_s, r.most_s, r.least_s].map(s => grouped(Math.round(1 / s)))]));
}
function mechanisms(doc) {
  mechanismsInWords(doc);
  const streamed = doc.results.some(r => r.placement === "other core") ? "other core" : "same core";
  for (const [what, place, title] of [["round trip", "other core", "Round trips, other core"], ["round trip", "same core", "Round trips, same core"], ["stream", streamed, "Throughput"]]) {
    const rows = doc.results.filter(r => r.what === what && r.children === 1 && r.placement === place).sort((a, b) => a.bytes - b.bytes);
    if (rows.length === 0) continue;
    const stream = what === "stream";
    const where = section(title, stream ? "Bytes a second that arrive and are read." : "There and back, the middle of the repetitions.");
    const names = [...new Set(rows.map(r => r.mechanism))];
    const sizes = [...new Set(rows.map(r => r.bytes))];
    chart(where, title, 380, {
      type: "line",
      data: { datasets: names.map((name, i) => curve(i, name, rows.filter(r => r.mechanism === name).map(r => ({ x: r.bytes, y: stream ? r.bytes / r.median_s : r.median_s })))) },
      options: {
        scales: {
          x: axis("payload", { type: "logarithmic", ticks: { callback: size, autoSkip: true, autoSkipPadding: 8 }, afterBuildTicks: scale => { scale.ticks = sizes.map(value => ({ value })); } }),
          y: powers(stream ? "bytes a second" : "time", stream ? rate : tick),
        },
        plugins: { tooltip: { callbacks: { title: items => size(items[0].raw.x), label: item => item.dataset.label + ": " + (stream ? flow(item.raw.y) : time(item.raw.y)) } } },
      },
    });
    if (!stream) messages(where, rows, names);
    const some = rows.some(r => r.percentiles_s) ? percentiles : [];
    table(where, ["mechanism", "payload", ...(stream ? ["throughput"] : []), "median", "min", "max", ...some], rows.map(r => [r.mechanism, size(r.bytes), ...(stream ? [flow(r.bytes / r.median_s)] : []), ...[r.median_s, r.least_s, r.most_s].map(time), ...some.map(level => time((r.percentiles_s || {})[level]))]));
  }
  crowd(doc);
}
