// process_crew.hpp - a number of seats with a worker process on each: started, greeted, watched, replaced when they die.
//
// What the workers are given and what they answer is the owner's: the processes engine (jobs of a batch) or the process pool (calls
// of functions). The crew sleeps for its owner, and tells it of deaths.
//
// Called from  one thread at a time; `open` from the thread that the workers' lives hang on (they get a parent-death signal from
//              it), the main thread when they are forked.
// Owns         the launcher, the inbound segment, the workers (ended with the object), the epoll descriptor.
// Fails with   open: usage or system errors. sleep: when workers cannot be started any more.
// Call order   open (kick | sleep | replace-on-death inside sleep)* close
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <runner/outcome.hpp>
#include <runner/registry.hpp>
#include "ipc/modules.hpp"
#include "master/engines/processes.hpp"
#include "master/engines/spin_grants.hpp"
#include "master/engines/worker_process.hpp"

namespace runner::master {

class CrewOwner {
 public:
  virtual ~CrewOwner() = default;
  // The worker on `seat` is dead. What it had in hand is to be collected now: it is thrown away afterwards. False: it ended without
  // having been in anybody's code, we had not killed it, and no reply came since the last death.
  virtual bool bury(std::uint32_t seat, const WorkerProcess::Death& death) = 0;
  // There is a reply to collect, so sleeping would be a mistake.
  [[nodiscard]] virtual bool anything_done() const = 0;
  // The worker on `seat` takes requests from now on.
  virtual void seated(std::uint32_t seat) = 0;
};

class ProcessCrew {
 public:
  ProcessCrew(const ProcessOptions& options, Registry& registry, CrewOwner& owner)
      : options_(options), registry_(registry), owner_(owner) {}
  ~ProcessCrew();

  // Returns when all workers are ready. One that dies meanwhile is replaced like any other.
  [[nodiscard]] Result<void> open();
  [[nodiscard]] std::string description() const;

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(seats_.size()); }
  [[nodiscard]] WorkerProcess& worker(std::uint32_t seat) { return *seats_[seat].worker; }
  [[nodiscard]] const WorkerProcess& worker(std::uint32_t seat) const { return *seats_[seat].worker; }
  // -1: nobody sits there, because nobody could be started.
  [[nodiscard]] pid_t pid(std::uint32_t seat) const { return seats_[seat].worker ? seats_[seat].worker->pid() : -1; }
  [[nodiscard]] bool ready(std::uint32_t seat) const { return seats_[seat].worker && seats_[seat].worker->greeted(); }

  // The processor that the worker on `seat` is bound to; -1: none.
  [[nodiscard]] int core_of(std::uint32_t seat) const {
    return placement_.seats.empty() || placement_.seats[seat].size() != 1 ? -1 : placement_.seats[seat].front();
  }
  // What is wrong, when the worker on `seat` may run elsewhere than it was bound to.
  [[nodiscard]] std::optional<std::string> drift(std::uint32_t seat) const;

  // Wakes the worker for what it was sent; what a pipe does not take now follows while we sleep.
  void kick(std::uint32_t seat);

  // Sleeps until there may be something to collect, a worker was seated or died, `until`, or `wake_fd` is readable. True: the owner
  // should look at more than replies (somebody else woke us, or a seat changed).
  // `lock`, where there is one, is let go of only while nothing of the crew is touched.
  [[nodiscard]] Result<bool> sleep(TimePoint until, int wake_fd, std::unique_lock<std::mutex>* lock = nullptr);
  // Ends a sleep, or the next; from another thread, while the lock is held that sleep() lets go of.
  void wake();
  // Whether the last sleep ended because `until` came.
  [[nodiscard]] bool overslept() const { return overslept_; }

  // The worker on `seat` has got something to do, or has nothing any more (spin_grants.hpp).
  void set_busy(std::uint32_t seat, bool busy);
  [[nodiscard]] bool may_spin() const { return grants_.master_may_look(); }

  // Ends the workers: `abandon` says of each how. Idle ones leave by themselves.
  enum class Leave : std::uint8_t { by_itself, killed, hung_up };
  void close(const std::vector<Leave>& how);

  // Of those that are gone.
  [[nodiscard]] const Usage& usage() const { return usage_; }
  // The most resident memory that a worker had on each seat, summed.
  [[nodiscard]] Bytes peak_memory() const;

  [[nodiscard]] const ipc::Modules& modules() const { return modules_; }

 private:
  struct Seat {
    std::unique_ptr<WorkerProcess> worker;
    std::uint64_t incarnations = 0;
    std::uint32_t deaths_before_work = 0;
    int writing = -1;  // the pipe that epoll watches until it takes more
  };
  enum class Watch : std::uint32_t { control, doorbell, pidfd, writable, wake, nudge, helper };

  // Whether so many workers can be at all.
  [[nodiscard]] Result<void> room() const;
  [[nodiscard]] Result<void> start(std::uint32_t seat);
  [[nodiscard]] Result<void> greeted(std::uint32_t seat);
  [[nodiscard]] Result<void> bury(std::uint32_t seat);
  [[nodiscard]] Result<void> watch(int fd, std::uint32_t events, Watch what, std::uint32_t seat);
  [[nodiscard]] Result<void> watch_helper();
  void replace_helper();
  void unwatch(int fd);
  void watch_blocked();
  // Answers whether the owner should look at more than replies.
  [[nodiscard]] Result<bool> attend(Watch what, std::uint32_t seat);

  ProcessOptions options_;
  Registry& registry_;
  CrewOwner& owner_;
  ipc::Modules modules_;
  std::optional<ipc::Inbound> inbound_;
  std::unique_ptr<Launcher> launcher_;
  WorkerSettings settings_;
  UniqueFd epoll_, nudge_;
  std::vector<Seat> seats_;
  Placement placement_;
  std::uint32_t idle_deaths_ = 0;  // in a row
  bool worked_ = false;            // somebody has ever done anything
  SpinGrants grants_{0, 0};
  bool overslept_ = false;
  Usage usage_;
  std::vector<Bytes> peaks_;  // by seat
  void departed(std::uint32_t seat, const WorkerProcess::Death& death);
};

}  // namespace runner::master
