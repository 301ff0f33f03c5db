// compare.hpp - `runner compare`: one batch under several models, in turn, and what that says about them.
//
// Called from  main, on the main thread, before any other thread exists.
// Fails with   nothing: what goes wrong is printed on standard error and becomes the exit status: 1 results differ or no model could
//              run the batch, 2 nothing has run, 130 interrupted.
#pragma once

#include "cli/options.hpp"

namespace runner::cli {

[[nodiscard]] int compare(const CompareOptions& options);

}  // namespace runner::cli
