// niceness.hpp - how readily a process steps back for others: `--nice N`.
//
// Called from  the crew of worker processes for each worker; the command line for jobs in its own process.
// Fails with   usage: the system does not allow it.
#pragma once

#include <sys/types.h>

#include <runner/result.hpp>

namespace runner::master {

// From -20 to 19. `pid` 0: the calling thread, and those that it makes from now on.
[[nodiscard]] Result<void> be_nice(pid_t pid, int nice);

}  // namespace runner::master
