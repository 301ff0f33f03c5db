// bench_ipc.hpp - `runner bench ipc`: what the ways for processes to talk cost, side by side in one run.
//
// Called from  main, on the main thread, which must be the only one.
// Owns         the processes that it measures with, and cleans up after them, however they end.
// Fails with   exit status 1: the file cannot be written any more. 2: it cannot be made; a wrong answer, a process that died or hung.
//              128 + n: stopped by signal n.
#pragma once

#include "cli/options.hpp"

namespace runner::cli {

[[nodiscard]] int bench_ipc(const BenchIpcOptions& options);

}  // namespace runner::cli
