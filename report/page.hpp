// page.hpp - a report as one self-contained page: the figures as JSON, and what draws them, in one HTML file that works offline.
//
// The document: {title, verdict?, summary?, command_line, version, made, machine, run?, compare?, bench?}. `run`: {costs (--costs),
// distributions: {job, and each span: {count, none, p50, ..., max, bars: [[k, count]]}} (distribution.hpp), timeline: {one_in, attempts:
// [[worker, began, took, status, job]]}, failures: [...], failures_total}; `compare`: the document of
// `runner compare --json`; `bench`: that of `runner bench ipc --json`. Seconds everywhere. The page is made of the files in report/page and
// Chart.js, which are embedded when this is built.
//
// Called from  any thread.
// Owns         nothing.
// Fails with   cannot fail.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace runner::report {

// Whatever is in it, also bytes that are not UTF-8, and what would be markup.
[[nodiscard]] std::string page(const nlohmann::ordered_json& document);

// What every page says of where it comes from: the command line, to be pasted into a shell; version, time, machine.
void add_origin(nlohmann::ordered_json& document, const std::string& command_line);

}  // namespace runner::report
