// stored_runs.hpp - `runner runs`, `runner show`, `runner export`: what a run store holds, on standard output.
//
// Called from  main.
// Fails with   nothing: what goes wrong is printed on standard error and becomes the exit status.
#pragma once

#include "cli/options.hpp"

namespace runner::cli {

// 0 printed, 1 standard output cannot be written, 2 there is no such store, run or job.
[[nodiscard]] int list_runs(const RunsOptions& options);
[[nodiscard]] int show_run(const ShowOptions& options);
[[nodiscard]] int export_run(const ExportOptions& options);

}  // namespace runner::cli
