// rules.hpp - under which rules a job runs: its own keys, or those of `defaults`.
//
//   timeout  retries  retry_on  backoff  crash_limit  priority  allow_failure
//
// Called from  entry.cpp.
// Owns         nothing.
// Fails with   BadBatch.
#pragma once

#include <array>
#include <string_view>

#include <runner/job_spec.hpp>
#include "config/section.hpp"

namespace runner::config {

// The keys that a job and `defaults` have in common.
inline constexpr std::array<std::string_view, 7> kRuleKeys = {"timeout",     "retries",  "retry_on",     "backoff",
                                                              "crash_limit", "priority", "allow_failure"};

// Takes them from `job` and, where they are not there, from `defaults` (may be null), into the fields of `rules`; all else of it is
// left as it is.
void read_rules(Section& job, Section* defaults, JobSpec& rules);

}  // namespace runner::config
