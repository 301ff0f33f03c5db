// batch_run.hpp - a list of jobs run by an engine, and what became of each.
//
// Called from  tests.
// Owns         the jobs and a copy of what was told of them.
#pragma once

#include <memory>
#include <runner/batch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "master/run.hpp"

namespace runner::chaos {

class JobList final : public JobSource {
 public:
  explicit JobList(const std::vector<JobSpec>& jobs) : jobs_(jobs) {}
  Result<bool> next(JobSpec& job) override {
    if (next_ == jobs_.size()) return false;
    job = jobs_[next_++];
    return true;
  }

 private:
  const std::vector<JobSpec>& jobs_;
  std::size_t next_ = 0;
};

struct Ended {
  int times = 0;  // that its end was told
  Ending ending;
  std::string result;
  std::optional<WorkerId> worker;
};

class Endings final : public master::Sink {
 public:
  explicit Endings(std::size_t count) : jobs(count) {}
  Result<void> ended(const master::JobRecord& record) override {
    Ended& job = jobs.at(number(record.job.id));
    ++job.times;
    job.ending = record.outcome.ending;
    job.result = record.outcome.result.text();
    job.worker = record.worker;
    return {};
  }
  Result<void> worker_lost(const master::WorkerLost& lost) override {
    lost_workers.push_back(lost);
    return {};
  }
  std::vector<Ended> jobs;
  std::vector<master::WorkerLost> lost_workers;
};

inline void add(std::vector<JobSpec>& jobs, std::string name, Work work) {
  JobSpec job;
  job.id = JobId{jobs.size()};
  job.name = std::move(name);
  job.work = std::move(work);
  jobs.push_back(std::move(job));
}

// Runs them all; the answer is that of the run.
[[nodiscard]] inline Result<master::RunAnswer> run_all(const std::vector<JobSpec>& jobs, master::Engine& engine,
                                                       Endings& endings) {
  Batch batch{.name = "chaos", .size = jobs.size(), .plugins = {}, .jobs = std::make_unique<JobList>(jobs)};
  master::Sink* const sinks[] = {&endings};
  return master::run(batch, engine, sinks, nullptr, {});
}

}  // namespace runner::chaos
