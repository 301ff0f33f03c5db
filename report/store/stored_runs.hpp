// stored_runs.hpp - what a run store holds, read back: runs, jobs, attempts.
//
// Called from  one thread, with a Database that outlives what is read from it. A run may write the store meanwhile.
// Owns         the row read last.
// Fails with   unwritable: see database.hpp.
// Call order   open next*
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <runner/job_spec.hpp>
#include <runner/outcome.hpp>
#include "master/sink.hpp"
#include "report/store/database.hpp"

namespace runner::report {

struct StoredRun {
  std::int64_t number = 0;
  std::string batch, file, folder;  // folder: where runner was started, which its paths are relative to
  std::vector<std::string> plugins;
  std::string version, mode, engine;
  std::uint32_t procs = 0;
  std::optional<std::uint64_t> jobs;     // in the batch; none: its end was not seen
  std::int64_t started_ns = 0;           // since 1970
  std::optional<std::int64_t> ended_ns;  // none: it runs, or was killed
  bool interrupted = false;
  std::uint64_t sittings = 1;  // 1, and one for each time it was resumed
  Duration wall{};             // of all of them
  master::Counts counts;
  std::string costs;  // JSON (costs_json.hpp), of the last sitting that came to its end; empty: none did
};

// In the order of their numbers.
[[nodiscard]] Result<std::vector<StoredRun>> stored_runs(Database& store);
// The newest when no number is given; none: there is none such.
[[nodiscard]] Result<std::optional<StoredRun>> stored_run(Database& store, std::optional<std::int64_t> number);

struct StoredJob {
  JobSpec job;      // without its rules, but for limits; of a kind or command that this program cannot read, without arguments
  Outcome outcome;  // streams beyond 1 MiB have lost all but their last 64 KiB
  Attempt attempts{1};
  std::optional<WorkerId> worker;
  std::int64_t started_ns = 0;           // of the attempt
  std::string costs;                     // JSON; of an attempt that was sampled
  std::optional<std::uint32_t> threads;  // that its libraries might start; none: it was not recorded
  std::string result;                    // JSON; of a typed job that succeeded
  bool pending = false;                  // it is to run again, and was not yet
};

class StoredJobs {
 public:
  enum class Which : std::uint8_t { all, not_ok };
  // In the order of the batch. Jobs that have left it are left out.
  [[nodiscard]] static Result<StoredJobs> of_run(Database& store, std::int64_t run, Which which);
  // The one that is called so. `name` must stay until next() was called.
  [[nodiscard]] static Result<StoredJobs> named(Database& store, std::int64_t run, std::string_view name);
  // What was tried beside the outcome of this job: before it, and since when it is to run again.
  [[nodiscard]] static Result<StoredJobs> earlier_attempts(Database& store, std::int64_t run, JobId job);

  // False: that was the last one.
  [[nodiscard]] Result<bool> next(StoredJob& job);

 private:
  explicit StoredJobs(Statement rows) : rows_(std::move(rows)) {}
  Statement rows_;
};

}  // namespace runner::report
