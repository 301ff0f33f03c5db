// batch.hpp - the jobs of one run, expanded one at a time.
//
// Called from  config makes it, the master's loop thread pulls from it.
// Owns         whatever the expansion needs; memory does not depend on how many jobs there are.
// Call order   ((awaited next)* rewind)* ; next not after it said that there are no more.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runner/demand.hpp"
#include "runner/job_spec.hpp"
#include "runner/outcome.hpp"
#include "runner/plan.hpp"
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
  // The next job is the first one again; false: the sequence can be had only once.
  [[nodiscard]] virtual bool rewind() { return false; }
  // Whether at() costs as much for one job as for another, in whatever order they are asked for.
  [[nodiscard]] virtual bool direct() const { return false; }
  // The job of this number, whatever was asked for before. For batches with a plan, whose jobs are not asked for in order; id is
  // below the batch's size. Error (bad_batch): there is none, or as next.
  [[nodiscard]] virtual Result<void> at(JobId id, JobSpec& job);
  // The job that is called so; none: nobody is, or it cannot be looked for without running through the sequence. Reads input that
  // can be read only once, so nothing may be asked for afterwards but at() of what was found.
  [[nodiscard]] virtual Result<std::optional<JobId>> find(std::string_view name);
  // The descriptor on which next() would have to wait for somebody to write; -1: it would not wait. Reads what is there already,
  // but no further than the next job.
  [[nodiscard]] virtual int awaited() { return -1; }
};

struct Batch {
  std::string name;                   // the file's `name:`, else the file's stem
  std::optional<std::uint64_t> size;  // how many jobs, where that is known before the end
  std::vector<std::string> plugins;   // as loaded, absolute: workers load the same
  std::unique_ptr<JobSource> jobs;
  std::optional<Plan> plan;         // none: they are all ready, and run in order
  std::vector<Resource> resources;  // that jobs can ask for
  std::vector<Demand> demands{{}};  // of its jobs; the first is the plain one
  std::vector<SharedSpec> shared;   // what its jobs share, in the order of the file
  Bytes max_result = kMaxResult;    // a job with a larger result fails
};

}  // namespace runner
