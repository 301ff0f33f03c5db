// sink.hpp - whoever is told what became of the jobs: printers, files, progress, (later) the store.
//
// Called from  the run loop's thread; salvage() also from a dying program (see there).
// Owns         its own buffers and files. What it is handed lives only during the call.
// Fails with   unwritable: the run then stops cleanly, says what is safe, and exits 1.
// Call order   started (starting | ended | retried | tick)* finished ; flush() at any time
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "master/engine.hpp"
#include "master/halt_rule.hpp"
#include "runner/ids.hpp"
#include "runner/job_spec.hpp"
#include "runner/outcome.hpp"
#include "runner/result.hpp"
#include "runner/shared.hpp"
#include "runner/units.hpp"

namespace runner::master {

struct RunInfo {
  std::string batch;                  // its name
  std::optional<std::uint64_t> size;  // jobs, where known
  std::string_view mode;
  std::string engine;  // Engine::description()
  std::uint32_t procs = 0;
  TimePoint started{};
};

// A job that is over: its last attempt. JobId numbers follow the expansion order, with no gap once all ended.
struct JobRecord {
  const JobSpec& job;
  const Outcome& outcome;
  Attempt attempts{1};             // how many there were; 0: it was never started, for want of a job that it needs
  std::optional<WorkerId> worker;  // of the last attempt
  const AttemptCosts& costs = kNothingMeasured;  // the same
};

// An attempt that ended badly and is tried again.
struct RetryRecord {
  const JobSpec& job;
  const Outcome& outcome;
  Attempt attempt{1};
  std::optional<WorkerId> worker{};
  const AttemptCosts& costs = kNothingMeasured;
};

struct Counts {
  std::uint64_t ok = 0, failed = 0, crashed = 0, timed_out = 0, cancelled = 0, out_of_memory = 0;
  std::uint64_t allowed = 0;  // of the not-ok ones: allowed to fail
  std::uint64_t halted = 0;   // of the cancelled ones, not allowed to fail: ended by the halt rule
  [[nodiscard]] std::uint64_t done() const { return ok + failed + crashed + timed_out + cancelled + out_of_memory; }
};

// The run at one moment, for progress.
struct Snapshot {
  TimePoint now{};
  Counts counts;
  std::uint64_t in_flight = 0;        // handed to the engine and not ended, queued at a worker included
  std::optional<std::uint64_t> size;  // jobs in all, where known
  bool stopping = false;              // no further job is started, because of an interrupt or ...
  bool halted = false;                // ... the halt rule: nobody has pressed a key yet
  unsigned interrupts = 0;            // as Interrupts::count() has them: running jobs finish, are ended, are killed
  std::span<const WorkerView> workers;
  std::span<const std::string_view> job_names;  // of workers[i].job; empty where it has none
  // No further job is started for want of memory: how much is free, and how much must be.
  struct Memory {
    Bytes free, wanted;
  };
  std::optional<Memory> memory;
  const Costs* costs = nullptr;  // the ledger up to now; null: nobody keeps it
  bool paused = false;           // by a key: no job is started until it goes on
  std::uint32_t procs = 0;       // workers that are wanted; those of `workers` beyond it are about to go
  std::string_view refused;      // why there are not as many as a key has just asked for
};

struct RunTotals {
  Counts counts;
  Duration wall{};
  Duration compute{};  // sum of the jobs' wall time, all attempts
  Duration compute_cpu{};
  Costs costs;
  std::uint32_t procs = 0;  // at the end; `costs` has how many there were
  std::uint32_t cpus = 0;   // usable ones; with fewer than procs, jobs wait for each other inside their own wall time
  std::string_view mode;
  std::string engine;  // Engine::description()
  std::optional<std::uint64_t> size;
  std::optional<std::uint64_t> offered;  // how many jobs the source gave; none: its end was not seen
  std::uint64_t retries = 0;
  bool interrupted = false;             // some jobs may never have been started
  std::optional<HaltRule> halted;       // the rule that stopped the run
  std::vector<Shared::Count> counters;  // that the jobs shared, as they were left
};

class Sink {
 public:
  virtual ~Sink() = default;
  [[nodiscard]] virtual Result<void> started(const RunInfo&) { return {}; }
  // The first attempt at a job that reads files (JobSpec::inputs) is about to start; of other jobs nothing is told.
  [[nodiscard]] virtual Result<void> starting(const JobSpec&) { return {}; }
  [[nodiscard]] virtual Result<void> ended(const JobRecord&) = 0;
  [[nodiscard]] virtual Result<void> retried(const RetryRecord&) { return {}; }
  [[nodiscard]] virtual Result<void> worker_lost(const WorkerLost&) { return {}; }
  [[nodiscard]] virtual Result<void> worker_drifted(const WorkerDrifted&) { return {}; }
  // How often it wants to hear tick(); nothing: never.
  [[nodiscard]] virtual std::optional<Duration> tick_interval() const { return std::nullopt; }
  [[nodiscard]] virtual Result<void> tick(const Snapshot&) { return {}; }
  // Everything accepted so far reaches its file descriptor.
  [[nodiscard]] virtual Result<void> flush() { return {}; }
  [[nodiscard]] virtual Result<void> finished(const RunTotals&) { return {}; }
  // The program is dying of a signal in a job's code on this very thread (so no other member is active): write what is
  // buffered with write(2) and nothing else; must be async-signal-safe.
  virtual void salvage() noexcept {}
};

}  // namespace runner::master
