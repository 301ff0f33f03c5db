// resume.hpp - which jobs of a batch have an outcome in a store already.
//
// A job is known by its content key. Usually the batch is what it was, and row n of the store is job n: then one walk over both is
// all. Else rows are looked up by key, equal jobs in their order, and get the numbers that their jobs have now; rows whose jobs are
// not in the batch any more get negative numbers and stay. All of that is one transaction: a kill leaves the old state or the new.
//
// An outcome counts when the job's input files are what they were, unless it was cancelled: then, and with --retry-failed
// also when it is not ok, the job runs again. Its row stays until the new outcome comes, and is marked (schema.hpp), so that it
// is run again by whatever resumes the run if this start is killed before; then it is an earlier attempt. A job that was skipped for want of another stays so
// as long as that other one is not run again.
//
// Called from  cli, before the engine opens. Walks through the batch and rewinds it.
// Owns         one bit per job; 32 bytes more per recorded job when the batch is not what it was.
// Fails with   unwritable (the store), usage (the batch cannot be read twice), or what the batch fails with.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <runner/batch.hpp>
#include "master/ended_before.hpp"
#include "master/sink.hpp"
#include "report/store/database.hpp"

namespace runner::report {

struct ResumePlan {
  std::int64_t run = 0;
  master::EndedBefore before;                                        // jobs that are not run: ended, or left alone this time
  master::Counts recorded;                                           // what those ended with
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> attempts;  // made already, of jobs that run again
  std::uint64_t jobs = 0;                                            // in the batch
  std::uint64_t left = 0;                                            // of those: to run
  std::uint64_t again = 0;                                           // have an outcome that does not count
  std::uint64_t other_files = 0;                                     // of those: because a file that they read has changed
  std::uint64_t moved = 0;                                           // have another number or name than they had
  std::uint64_t gone = 0;                                            // recorded, and not in the batch any more
  bool changed = false;                                              // the batch is not what it was
  bool unrelated = false;  // it has no job of that run: nothing was planned or changed
};

enum class RunAgain : std::uint8_t {
  what_is_missing,
  what_failed_too,   // and what is missing
  what_killed_only,  // quarantined jobs; what is missing stays so
};

// Of the newest run of this batch; nothing: there is none. The caller holds the lock of the store.
[[nodiscard]] Result<std::optional<ResumePlan>> plan_resume(Database& store, const Batch& batch, RunAgain again);

// The jobs of a batch without those that have ended.
class RemainingJobs final : public JobSource {
 public:
  RemainingJobs(std::unique_ptr<JobSource> all, const master::EndedBefore& before) : all_(std::move(all)), before_(before) {}
  [[nodiscard]] Result<bool> next(JobSpec& job) override;
  [[nodiscard]] bool rewind() override { return all_->rewind(); }
  [[nodiscard]] bool direct() const override { return all_->direct(); }
  [[nodiscard]] Result<void> at(JobId id, JobSpec& job) override { return all_->at(id, job); }
  [[nodiscard]] Result<std::optional<JobId>> find(std::string_view name) override { return all_->find(name); }
  [[nodiscard]] int awaited() override { return all_->awaited(); }

 private:
  std::unique_ptr<JobSource> all_;
  const master::EndedBefore& before_;
};

// One sentence or two for a person: how much is done, and what has changed.
[[nodiscard]] std::string in_words(const ResumePlan& plan);

}  // namespace runner::report
