// ended_before.hpp - which jobs of a batch had ended before this run began, and which of those badly: a run that is gone on with.
//
// Called from  whoever resumes makes it; scheduler and sources read it. A plain value that outlives the run.
// Owns         one bit per job; a name for each that ended badly, of a batch with a plan only.
#pragma once

#include <string>
#include <vector>

#include <runner/ids.hpp>

namespace runner::master {

struct EndedBefore {
  struct Ill {
    JobId job{};
    std::string name;
  };
  std::vector<bool> ended;  // by job number; those behind its end have not
  std::vector<Ill> ill;     // of those: what needs them will never run. In the order of the batch

  [[nodiscard]] bool has(JobId job) const { return number(job) < ended.size() && ended[number(job)]; }
};

}  // namespace runner::master
