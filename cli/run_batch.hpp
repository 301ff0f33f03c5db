// run_batch.hpp - `runner run`: options -> batch, engine, sinks -> one run -> exit status.
//
// Called from  main, on the main thread, before any other thread exists (the zygote of --start fork needs that).
// Fails with   nothing: what goes wrong is printed on standard error and becomes the exit status.
#pragma once

#include <runner/batch.hpp>
#include <runner/registry.hpp>
#include "cli/options.hpp"

namespace runner::cli {

// 0 all well, 1 a job was not or results were lost, 2 nothing has run, 130 interrupted.
[[nodiscard]] int run_batch(const RunOptions& options);
// The same with a batch that was made already.
[[nodiscard]] int carry_out(const RunOptions& options, Batch& batch, Registry& registry);
[[nodiscard]] int check_batch(const CheckOptions& options);

}  // namespace runner::cli
