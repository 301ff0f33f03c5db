// replay.hpp - `runner replay`: one job of a recorded run once more, exactly as it was, and recorded nowhere.
//
// Called from  main, on the main thread, before any other thread exists.
// Fails with   nothing: what goes wrong is printed on standard error and becomes the exit status.
#pragma once

#include "cli/options.hpp"

namespace runner::cli {

// As run_batch. With --debug a command takes this program's place, and its exit status is that of the command.
[[nodiscard]] int replay_job(const ReplayOptions& options);

}  // namespace runner::cli
