// job_context.hpp - what a running job may ask of whoever runs it.
//
// Called from  the thread that runs the job; the stop token may be read from any thread the job starts.
// Owns         nothing that outlives the call of the job.
#pragma once

#include <cstdint>
#include <stop_token>
#include <utility>

#include "runner/ids.hpp"
#include "runner/shared.hpp"

namespace runner {

// Is told when a job's own code begins and ends: after its arguments were read, before its result is written.
class CodeBounds {
 public:
  virtual ~CodeBounds() = default;
  virtual void entered() = 0;
  virtual void left() = 0;
};

class JobContext {
 public:
  JobContext() = default;
  // `shared` must outlive the job; null: nothing is shared.
  JobContext(JobId job, Attempt attempt, std::stop_token stop, const Shared* shared = nullptr, std::uint32_t cpus = 1)
      : stop_(std::move(stop)), job_(job), attempt_(attempt), cpus_(cpus), shared_(shared) {}

  [[nodiscard]] JobId job() const { return job_; }
  [[nodiscard]] Attempt attempt() const { return attempt_; }
  // How many processors the job was given: its `cpus:`, 1 where it has none. So many threads of its own keep others from nothing.
  [[nodiscard]] std::uint32_t cpus() const { return cpus_; }

  // True once the job's deadline has passed or the run is being ended. In-process engines cannot end a typed job: one that
  // runs long should look at this now and then and return. In a worker process nobody has to look: the process is ended.
  [[nodiscard]] bool stop_requested() const { return stop_.stop_requested(); }
  [[nodiscard]] const std::stop_token& stop_token() const { return stop_; }

  // What the jobs of the batch share: files, counters, regions (shared.hpp).
  [[nodiscard]] const Shared& shared() const { return shared_ != nullptr ? *shared_ : Shared::none(); }

  // For whoever calls the job's function (job.hpp), and whoever measures it.
  void tell(CodeBounds* bounds) { bounds_ = bounds; }
  void entered() {
    if (bounds_ != nullptr) bounds_->entered();
  }
  void left() {
    if (bounds_ != nullptr) bounds_->left();
  }

 private:
  CodeBounds* bounds_ = nullptr;  // null: nobody measures
  std::stop_token stop_;
  JobId job_{};
  Attempt attempt_{1};
  std::uint32_t cpus_ = 1;
  const Shared* shared_ = nullptr;
};

}  // namespace runner
