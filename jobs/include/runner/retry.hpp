// retry.hpp - which endings of a job are tried again, and how long that is waited for. Plain values.
#pragma once

#include <cstdint>

#include "runner/ids.hpp"
#include "runner/outcome.hpp"
#include "runner/units.hpp"

namespace runner {

// A set of endings. What ended well, or was cancelled, is never tried again.
struct RetryOn {
  bool failed = true, crashed = true, timed_out = true, out_of_memory = false;

  [[nodiscard]] bool includes(const Ending& ending) const;
};

// Before attempt n + 1: initial * factor^(n - 1), at most `max`; of that, a share of up to `jitter` is left out, so that jobs which
// failed together do not come back together.
struct Backoff {
  Duration initial{};  // zero: at once
  double factor = 2;   // at least 1
  Duration max = std::chrono::minutes(5);
  double jitter = 0;  // 0 .. 1

  // How long to wait after `attempt` of `job` ended. The same for the same arguments: nothing here is random.
  [[nodiscard]] Duration after(JobId job, Attempt attempt) const;
};

}  // namespace runner
