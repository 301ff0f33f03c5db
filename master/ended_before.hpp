// ended_before.hpp - which jobs of a batch had ended before this run began, which of those badly, and what the others have spent
// of their chances: a run that is gone on with.
//
// Called from  whoever resumes makes it; scheduler and sources read it. A plain value that outlives the run.
// Owns         one bit per job; a name for each that ended badly, of a batch with a plan only; an entry for each that has begun and
//              not ended.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include <runner/ids.hpp>
#include "master/halt_rule.hpp"

namespace runner::master {

struct EndedBefore {
  struct Ill {
    JobId job{};
    std::string name;
  };
  struct Spent {
    std::uint32_t attempts = 0;  // that count against `retries`
    std::uint32_t crashes = 0;   // of those: that count against `crash_limit`
  };
  std::vector<bool> ended;                                // by job number; those behind its end have not
  std::vector<Ill> ill;                                   // of those: what needs them will never run. In the order of the batch
  boost::unordered_flat_map<std::uint64_t, Spent> spent;  // by job number, of those that have not ended
  std::uint64_t jobs = 0;                                 // in the whole batch: what a halt rule takes a share of
  HaltRule::Tally tally;                                  // of those that have ended

  [[nodiscard]] bool has(JobId job) const { return number(job) < ended.size() && ended[number(job)]; }
};

}  // namespace runner::master
