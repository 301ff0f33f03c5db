// process_crew.hpp - a number of seats with a worker process on each: started, greeted, watched, replaced when they die.
//
// What the workers are given and what they answer is the owner's: the processes engine (jobs of a batch) or the process pool (calls
// of functions). The crew sleeps for its owner, and tells it of deaths.
//
// Called from  one thread at a time; `open` from the thread that the workers' lives hang on (they get a parent-death signal from
//              it), the main thread when they are forked.
// Owns         the launcher, the inbound segment, the workers (ended with the object), the epoll descriptor.
// Fails with   open, resize: usage or system errors. sleep: when workers cannot be started any more.
// Call order   open (kick | sleep | replace-on-death inside sleep | resize | dismiss)* close
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
  // The worker on `seat` has gone because so many are not wanted any more; one that died was buried before. Who is wanted there again
  // by now is being started.
  virtual void left(std::uint32_t /*seat*/) {}
  // Nobody could be brought to take requests on `seat`, of those that resize() added: it and those above it are not wanted any more.
  virtual void given_up(std::uint32_t /*seat*/, const std::string& /*why*/) {}
};

class ProcessCrew {
 public:
  ProcessCrew(const ProcessOptions& options, Registry& registry, CrewOwner& owner)
      : options_(options), registry_(registry), owner_(owner) {}
  ~ProcessCrew();

  // Returns when all workers are ready. One that dies meanwhile is replaced like any other.
  [[nodiscard]] Result<void> open();
  [[nodiscard]] std::string description() const;

  // So many seats are to be taken from now on. More: workers are started for them, and seated when they are ready. Fewer: nobody is
  // started any more on those above; who sits there works on until the owner dismisses them. What each is bound to follows the plan
  // for that number. Where not so many can be started, there are as many as could be (wanted()); where one that was started never
  // takes requests, its seat is given up later, and no more than that: the others had work before it was asked for.
  [[nodiscard]] Result<void> resize(std::uint32_t procs);
  [[nodiscard]] std::uint32_t wanted() const { return options_.procs; }
  // The worker on a seat that is not wanted has nothing in hand, and is to go: left() follows, at once where there is none.
  void dismiss(std::uint32_t seat);

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(seats_.size()); }
  [[nodiscard]] WorkerProcess& worker(std::uint32_t seat) { return *seats_[seat].worker; }
  [[nodiscard]] const WorkerProcess& worker(std::uint32_t seat) const { return *seats_[seat].worker; }
  // -1: nobody sits there, because nobody could be started.
  [[nodiscard]] pid_t pid(std::uint32_t seat) const { return seats_[seat].worker ? seats_[seat].worker->pid() : -1; }
  [[nodiscard]] bool ready(std::uint32_t seat) const { return seats_[seat].worker && seats_[seat].worker->greeted(); }

  // The processor that the worker on `seat` is bound to; -1: none.
  [[nodiscard]] int core_of(std::uint32_t seat) const {
    return seat >= placement_.seats.size() || placement_.seats[seat].size() != 1 ? -1 : placement_.seats[seat].front();
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
    int writing = -1;      // the pipe that epoll watches until it takes more
    Processors bound;      // where its worker is bound to; empty: nowhere
    bool leaving = false;  // it was dismissed: its end is no death
    bool added = false;    // by resize(), and nobody has taken requests here yet
  };
  enum class Watch : std::uint32_t { control, doorbell, pidfd, writable, wake, nudge, helper };
  // What an event of epoll speaks of.
  struct Watched {
    Watch what;
    std::uint32_t seat;  // below 2^24
    std::uint32_t incarnation;
    [[nodiscard]] std::uint64_t packed() const;
    [[nodiscard]] static Watched unpacked(std::uint64_t bits);
  };

  // Whether there can be `all` these workers, `more` of which are still to be started.
  [[nodiscard]] Result<void> room(std::uint32_t more, std::uint32_t all) const;
  void place_again();
  void bind(std::uint32_t seat);
  [[nodiscard]] Result<void> start(std::uint32_t seat);
  [[nodiscard]] Result<void> greeted(std::uint32_t seat);
  [[nodiscard]] Result<void> bury(std::uint32_t seat);
  void give_up(std::uint32_t seat, const std::string& why);
  // Takes its descriptors out of epoll.
  void forget(Seat& at);
  [[nodiscard]] std::uint32_t incarnation(Watch what, std::uint32_t seat) const;
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
