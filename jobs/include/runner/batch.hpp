// batch.hpp - the jobs of one run, expanded one at a time.
//
// Called from  config makes it, the master's loop thread pulls from it.
// Owns         whatever the expansion needs; memory does not depend on how many jobs there are.
// Call order   (awaited next)* ; not after next said that there are no more.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runner/job_spec.hpp"
#include "runner/outcome.hpp"
#include "runner/result.hpp"
#include "runner/shared.hpp"
#include "runner/units.hpp"

namespace runner {

class JobSource {
 public:
  virtual ~JobSource() = default;
  // Fills `job` (whose old content is of no interest, its memory is reused) and answers true, or answers false when there
  // are no more. Ids count up from 0. Error (bad_batch): the sequence cannot go on, e.g. a row of a file is wrong.
  // Waits for input where awaited() names a descriptor.
  [[nodiscard]] virtual Result<bool> next(JobSpec& job) = 0;
  // The descriptor on which next() would have to wait for somebody to write; -1: it would not wait. Reads what is there already,
  // but no further than the next job.
  [[nodiscard]] virtual int awaited() { return -1; }
};

struct Batch {
  std::string name;                   // the file's `name:`, else the file's stem
  std::optional<std::uint64_t> size;  // how many jobs, where that is known before the end
  std::vector<std::string> plugins;   // as loaded, absolute: workers load the same
  std::unique_ptr<JobSource> jobs;
  std::vector<SharedSpec> shared;  // what its jobs share, in the order of the file
  Bytes max_result = kMaxResult;   // a job with a larger result fails
};

}  // namespace runner
