// engine.hpp - one way to run jobs: start a job, give back completions, say what you can hold.
//
// Four of them (master/engines/): serial, threads, async, processes. The scheduler, the sinks and the command line do not
// know which one runs. Nothing above this header may assume that a worker is a child process, shares memory with the
// master, or dies alone: a cluster is later one more engine.
//
// Called from  the run loop's thread only.
// Owns         its workers; destroying an engine ends them.
// Call order   open (start | stop | wait | view | resize)* close
// Fails with   open: system or usage errors before any job ran. wait: the engine can run nothing any more. resize: see there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "master/costs.hpp"
#include "runner/ids.hpp"
#include "runner/job_spec.hpp"
#include "runner/outcome.hpp"
#include "runner/result.hpp"

namespace runner::master {

// A worker entered the job's code. Told late, or never, for jobs so short that they end before anybody could have asked.
struct JobStarted {
  JobId job{};
  Attempt attempt{};
  WorkerId worker{};
  TimePoint at{};
};
struct JobEnded {
  JobId job{};
  Attempt attempt{};
  WorkerId worker{};
  Outcome outcome;
  bool worker_died = false;  // of this job, as far as can be known: it was inside of it
  AttemptCosts costs{};
};
// Given to a worker and taken back before its code was entered: nothing happened, nothing is charged.
struct JobReturned {
  JobId job{};
  Attempt attempt{};
};
struct WorkerLost {
  WorkerId worker{};
  std::string how;       // "died of SIGKILL", "sent a reply with an unknown ending"
  bool replaced = true;  // false: so many workers are not wanted any more
};
// One that resize() had added never took requests: it and those of higher numbers are not wanted any more, see procs().
struct WorkerRefused {
  WorkerId worker{};
  std::string why;
};
// Looked at once, after its first job.
struct WorkerDrifted {
  WorkerId worker{};
  std::string how;  // "may run on 0-3, though it was bound to 2"
};
using EngineEvent = std::variant<JobStarted, JobEnded, JobReturned, WorkerLost, WorkerRefused, WorkerDrifted>;

enum class StopReason : std::uint8_t { deadline, interrupt, halt };

// What one worker is at, for a person.
struct WorkerView {
  WorkerId worker{};
  std::optional<JobId> job;  // none: idle
  TimePoint since{};         // of that job, or of idleness
  std::int32_t pid = 0;      // of its process; 0: it has none of its own
};

class Engine {
 public:
  virtual ~Engine() = default;

  [[nodiscard]] virtual Result<void> open() = 0;

  [[nodiscard]] virtual std::string_view mode() const = 0;    // "processes", "threads", "async", "serial"
  [[nodiscard]] virtual std::string description() const = 0;  // "2 worker processes (shm, spawn, bound to cores)"
  [[nodiscard]] virtual std::uint32_t procs() const = 0;      // jobs that run at a time, as wanted last

  // So many workers from now on, 1 at least. More: they are started while the others work. Fewer: those of the highest numbers get nothing
  // more; what they were given and have not begun comes back (JobReturned), what they run they finish, then they go, which is no
  // death. Fails with usage where there can be no other number, and with system where not so many can be had: procs() then tells how
  // many there are. That one cannot be had may be known later only: WorkerRefused.
  [[nodiscard]] virtual Result<void> resize(std::uint32_t procs) = 0;

  // How many more jobs start() would take now without one of them waiting behind a long one.
  [[nodiscard]] virtual std::uint32_t room() const = 0;

  // `job` stays where it is, unchanged, until its JobEnded or JobReturned was given back.
  virtual void start(const JobSpec& job, Attempt attempt) = 0;

  // Ends a started attempt as soon as this engine can; its JobEnded follows from a later wait(): TimedOut{job.timeout}
  // for a deadline, Cancelled for an interrupt or a halt. An attempt that ended meanwhile keeps the ending it had.
  virtual void stop(JobId job, Attempt attempt, StopReason reason) = 0;

  // Takes back what is not yet started (JobReturned). For an interrupt or a halt.
  virtual void take_back() = 0;

  // Whether stop() is sure to end a typed job. Where it is not, the run must give up on one that does not return.
  [[nodiscard]] virtual bool can_end_jobs() const = 0;

  // Appends what happened; blocks until something did, until `until`, or until `wake_fd` is readable.
  [[nodiscard]] virtual Result<void> wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) = 0;

  [[nodiscard]] virtual std::vector<WorkerView> view() const = 0;

  // The ledger up to now; null: nobody keeps it.
  [[nodiscard]] virtual const Costs* so_far() const { return nullptr; }

  // Ends the workers and answers what the run cost. Jobs still running are abandoned.
  [[nodiscard]] virtual Costs close() = 0;
};

}  // namespace runner::master
