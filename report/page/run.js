// run.js - a run: where its workers' time went, how its jobs' times and their spans are distributed, what did not end well.
const order = ["execute", "start", "waiting", "wake_up", "deserialize", "answer", "idle", "stop", "unaccounted"];
const kMostBars = 64;

// As many bars as fit; the table has all.
function stacked(parent, labels, accounts, what, noun) {
  const drawn = Math.min(kMostBars, labels.length);
  if (drawn < labels.length) element(parent, "p", drawn + " of " + labels.length + " " + noun + " are drawn; the table has all.", { class: "note" });
  const some = accounts.slice(0, drawn);
  chart(parent, what, Math.max(130, 60 + (drawn > 16 ? 22 : 30) * drawn), {
    type: "bar",
    data: { labels: labels.slice(0, drawn), datasets: order.map((use, i) => ({ label: use, data: some.map(a => Math.max(0, a[use] || 0)), backgroundColor: pattern(i), borderColor: css("--paper"), borderWidth: 1 })) },
    options: {
      indexAxis: "y",
      scales: { x: axis("seconds", { stacked: true }), y: { stacked: true, ticks: { autoSkip: false } } },
      plugins: { tooltip: { callbacks: { label: item => item.dataset.label + ": " + time(item.raw) } } },
    },
  });
  const all = account => order.reduce((sum, use) => sum + (account[use] || 0), 0);
  table(parent, ["", ...order, "all"], labels.map((label, i) => [label, ...order.map(use => time(accounts[i][use] || 0)), time(all(accounts[i]))]));
}

// Bar k lies between 10^(k/20) and 10^((k+1)/20) nanoseconds.
const edge = k => 10 ** (k / 20 - 9);
const drawable = one => one && one.bars.length > 0;
// From a power of ten to a power of ten, around all of them.
function range(distributions) {
  const all = distributions.flatMap(one => one.bars.map(bar => bar[0]));
  const low = Math.floor(Math.min(...all) / 20), high = Math.ceil((Math.max(...all) + 1) / 20);
  return { min: 10 ** (low - 9), max: 10 ** (high - 9) };
}
function histogram(parent, one, i, within, height, label, plain) {
  const steps = [];
  let most = 0;
  one.bars.forEach(([k, count], at) => {
    const share = 100 * count / one.count;
    most = Math.max(most, share);
    if (at === 0 || one.bars[at - 1][0] !== k - 1) steps.push({ x: edge(k), y: 0 });
    steps.push({ x: edge(k), y: share }, { x: edge(k + 1), y: share });
    if (at + 1 === one.bars.length || one.bars[at + 1][0] !== k + 1) steps.push({ x: edge(k + 1), y: 0 });
  });
  const mark = (level, dash) => ({ label: level + ": " + time(one[level]), order: -1, data: one[level] > 0 ? [{ x: one[level], y: 0 }, { x: one[level], y: Math.min(100, most * 1.05) }] : [], borderColor: css("--ink"), borderDash: dash, borderWidth: 1.5, pointRadius: 0, pointHitRadius: 0 });
  return chart(parent, label, height, {
    type: "line",
    data: { datasets: [
      { label: "share of the jobs", data: steps, fill: "origin", borderColor: of(colours, i), backgroundColor: pattern(i), borderWidth: 1.5, pointRadius: 0, pointHitRadius: 4, tension: 0 },
      mark("p50", [6, 4]), mark("p99", [2, 3]),
    ] },
    options: {
      scales: { x: powers("", tick, { title: { display: false }, min: within.min, max: within.max }), y: { beginAtZero: true, ...(most > 80 ? { max: 100 } : { grace: "5%" }), afterFit: scale => { if (plain) scale.width = 48; }, title: { display: !plain, text: "% of the jobs" }, ticks: { maxTicksLimit: 4, callback: v => Number(v.toPrecision(2)) + " %" } } },
      plugins: { tooltip: { callbacks: { label: item => item.datasetIndex > 0 ? item.dataset.label : time(item.raw.x) + ": " + item.raw.y.toPrecision(3) + " %" } } },
    },
  }, plain);
}
// What a span looks like: as in the bars above where it is there, and the same in every report.
const looks = { queue_wait: 6, serialize: 1, transport: 2, wake_up: 3, deserialize: 4, answer: 5, collect: 7 };
const levels = ["p50", "p90", "p99", "p99.9", "max"];
function distributions(run) {
  const all = run.distributions, sampled = run.costs.costs.sampled;
  if (drawable(all.job)) {
    const how = section("How long jobs take", "Of " + counted(all.job.count, "attempt") + " that " + (all.job.count === 1 ? "was" : "were") + " begun, whatever became of " + (all.job.count === 1 ? "it" : "them") + ". Lengths are logarithmic, twenty bars to a power of ten.");
    how.id = "job-times";
    histogram(how, all.job, 0, range([all.job]), 260, "histogram of the jobs' times, logarithmic");
    table(how, ["from", "to", "jobs", "share"], all.job.bars.map(([k, count]) => [time(edge(k)), time(edge(k + 1)), count, percent(count, all.job.count)]));
  }
  const spans = Object.keys(looks).filter(span => drawable(all[span]));
  if (spans.length === 0) return;
  const where = section("How long each span of a job takes", "The way of a job from ready to collected; all on one logarithmic scale. The dashed line is the median (p50), the dotted one p99: all but one in a hundred take no longer." + (sampled > 1 ? " One in " + sampled + " short jobs was measured." : ""));
  where.id = "spans";
  const grid = element(where, "div", null, { class: "small" }), within = range(spans.map(span => all[span]));
  for (const span of spans) {
    const one = all[span], box = element(grid, "div");
    element(box, "h3", span);
    element(box, "p", "p50 " + time(one.p50) + " · p99 " + time(one.p99) + " · max " + time(one.max) + (one.none > 0 ? " · " + percent(one.none, one.count) + " had none" : ""), { class: "note" });
    histogram(box, one, looks[span], within, 150, "histogram of " + span + ", logarithmic", true);
  }
  table(where, ["span", "count", "min", ...levels], [...spans, "execute"].map(span => [span, all[span].count, time(all[span].min), ...levels.map(level => time(all[span][level]))]), "Percentiles");
  table(where, ["span", "from", "to", "jobs", "share"], spans.flatMap(span => all[span].bars.map(([k, count]) => [span, time(edge(k)), time(edge(k + 1)), count, percent(count, all[span].count)])), "The bars");
}
function costsOf(run) {
  const workers = run.costs.workers;
  const where = section("Where the time went", "Each bar is one worker, from the first to the last moment of the run; its parts add up to the whole.");
  where.id = "accounts";
  stacked(where, workers.map((_, i) => "worker " + i), workers, "stacked bar of what each worker's time went into", "workers");
  distributions(run);
}

function failures(run) {
  const where = section("What did not end well");
  where.id = "failures";
  if (run.failures.length === 0) { element(where, "p", run.costs.attempts === 0 ? "No job was begun." : "Every job ended well."); return; }
  if (run.failures_total > run.failures.length) element(where, "p", run.failures.length + " of " + run.failures_total + ", first those that were not allowed to fail; `runner export` has all.", { class: "note" });
  const replays = run.failures.some(f => f.replay);
  if (!replays && run.failures.some(f => f.attempts > 0)) element(where, "p", "The run was not recorded, so there are no lines that replay these.", { class: "note" });
  const row = element(where, "div", null, { class: "row" });
  const label = element(row, "label", "Text ");
  const text = element(label, "input", null, { type: "search", id: "filter-text" });
  const status = element(element(row, "label", "Status "), "select", null, { id: "filter-status" });
  for (const one of ["all", ...new Set(run.failures.map(f => f.status))]) element(status, "option", one);
  const count = element(row, "span", "", { role: "status", id: "filter-count" });
  const made = element(element(where, "div", null, { class: "scroll", tabindex: "0" }), "table");
  const head = element(element(made, "thead"), "tr");
  for (const [name, kind] of [["job", "text"], ["status", "text"], ["what happened", "text"], ["attempts", ""], ["worker", ""], ["took", ""], ["stderr ends", "text"], ...(replays ? [["replay", "text"]] : [])]) element(head, "th", name, { scope: "col", class: kind });
  const body = element(made, "tbody");
  const lines = run.failures.map(f => {
    const line = element(body, "tr");
    for (const cell of [f.job, f.status, f.error + (f.allowed ? " (allowed to fail)" : "")]) element(line, "td", cell, { class: "text" });
    for (const cell of [f.attempts, f.worker === null ? "–" : f.worker, time(f.seconds)]) element(line, "td", cell);
    for (const cell of [f.stderr_tail, ...(replays ? [f.replay] : [])]) element(line, "td", cell, { class: "text" });
    return [f, line];
  });
  function filter() {
    let shown = 0;
    for (const [f, line] of lines) {
      const fits = (status.value === "all" || f.status === status.value) && Object.values(f).join("\n").toLowerCase().includes(text.value.toLowerCase());
      line.hidden = !fits;
      if (fits) ++shown;
    }
    count.textContent = shown + " of " + lines.length;
    count.dataset.shown = shown;
  }
  text.oninput = status.onchange = filter;
  // page.html#filter=WORD opens filtered, as a link from elsewhere may.
  let wanted = (location.hash.match(/filter=([^&]*)/) || ["", ""])[1];
  try { wanted = decodeURIComponent(wanted); } catch { /* a lone % is meant as it stands */ }
  text.value = wanted;
  filter();
}

