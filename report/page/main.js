// main.js - the page, from top to bottom.
try {
  document.title = data.title;
  element(main, "h1", data.title);
  if (data.verdict) element(main, "p", data.verdict, { id: "verdict" });
  if (data.summary) element(main, "pre", data.summary.replace(data.verdict || "", "").trimEnd(), { id: "summary", tabindex: "0", role: "region", "aria-label": "the summary", class: data.compare ? "table" : "" });
  if (data.run) { costsOf(data.run); timeline(data.run); failures(data.run); }
  if (data.compare) comparison(data.compare);
  if (data.bench) mechanisms(data.bench);
  const machine = section("Machine and program");
  const made = element(element(machine, "div", null, { class: "scroll", tabindex: "0" }), "table");
  const body = element(made, "tbody");
  for (const [key, value] of Object.entries({ "command line": data.command_line, "runner": data.version, "made": data.made, ...data.machine })) {
    const line = element(body, "tr");
    element(line, "th", key === "memory_bytes" ? "memory" : key.replaceAll("_", " "), { scope: "row", class: "text" });
    element(line, "td", value === null ? "not told" : key === "memory_bytes" ? size(value) : typeof value === "object" ? JSON.stringify(value) : value, { class: "text" });
  }
  element(machine, "p", "Charts by Chart.js 3.9 (MIT licence), which is in this file: it works offline.", { class: "note" });
  document.body.dataset.charts = drawn;
  document.body.dataset.ready = "yes";
} catch (error) {
  document.body.dataset.error = String(error);
  element(main, "pre", "This page could not be drawn: " + error);
  throw error;
}
