// rules.hpp - under which rules a job runs: its own keys, or those of `defaults`.
//
//   timeout  kill_after  memory  retries  retry_on  backoff  crash_limit  priority  allow_failure  repeatable  cpus  resources
//
// Called from  entry.cpp.
// Owns         nothing.
// Fails with   BadBatch.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <runner/job_spec.hpp>
#include "config/demands.hpp"
#include "config/section.hpp"

namespace runner::config {

// The keys that a job and `defaults` have in common.
inline constexpr std::array<std::string_view, 12> kRuleKeys = {"timeout",     "retries",  "retry_on",      "backoff",
                                                               "crash_limit", "priority", "allow_failure", "repeatable",
                                                               "kill_after",  "memory",   "cpus",          "resources"};

struct Rules {
  Duration timeout{}, kill_after = CommandWork::kKillAfter;
  Bytes memory{};
  Backoff backoff;
  RetryOn retry_on;
  std::uint32_t retries = 0, crash_limit = 3;
  std::int32_t priority = 0;
  bool allow_failure = false;
  bool repeatable = true;
  std::uint32_t demand = 0, cpus = 1;

  // To all of a job but its work.
  void apply_to(JobSpec& job) const;
};

// Takes them from `job` and, where they are not there, from `defaults` (may be null).
[[nodiscard]] Rules read_rules(Section& job, Section* defaults, Demands& demands);

}  // namespace runner::config
