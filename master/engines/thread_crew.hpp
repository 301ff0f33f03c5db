// thread_crew.hpp - oneTBB threads that serve one queue of tasks, really as many of them at a time as there are seats.
//
// oneTBB decides which threads run; what they run next is the oldest of our queue, so that jobs begin in the order in which
// they were handed out (oneTBB's own queue keeps none), nobody waits behind a long job while another thread is idle, and what
// has not begun can be taken back. A thread stays as long as there is something in the queue, so many short jobs cost oneTBB
// one task. Whoever serves the queue holds a seat, the lowest that is free; where there are to be fewer, who holds one of the others
// finishes what it runs and takes nothing more.
//
// Called from  the loop's thread, which never blocks inside oneTBB.
// Owns         the arenas, the tasks, the queue. To be destroyed once deserted(); where a job never returns, to be leaked.
// Fails with   open, resize: system.
// Call order   open (new_task | enqueue | take_back | completions | resize)* deserted
#pragma once

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <runner/kind.hpp>
#include "master/engine.hpp"
#include "master/engines/completions.hpp"
#include "master/engines/run_here.hpp"

namespace runner::master {

// A job on its way through the crew.
struct Task {
  // The loop's; constant while it is in the queue and while it runs.
  const JobSpec* job = nullptr;
  const Kind* kind = nullptr;
  Attempt attempt{};
  // The loop's alone.
  Duration expected{};
  TimePoint offered{};
  std::size_t place = 0;  // among those under way
  bool announced = false;
  std::optional<StopReason> stopping;
  // Shared. `running` is stored with release after `worker` and `entered` were written, and loaded with acquire before they are
  // read.
  StopSwitch stop;
  std::atomic<bool> running{false};
  // The running thread's; the first two may be read once `running`, the rest when the task came back.
  std::uint32_t worker = 0;
  TimePoint entered{};  // by its thread: before its arguments were read
  bool woke = false;    // its thread had left, and oneTBB brought one back for it
  RanHere ran;
  TimePoint answered{};
  Task* next = nullptr;
};

class ThreadCrew {
 public:
  ThreadCrew(std::uint32_t procs, const Surroundings& around);

  // Starts the threads and waits until all are there.
  [[nodiscard]] Result<void> open();
  // So many seats from now on; when it fails there are as many as before. Threads are started for seats that there never were before.
  [[nodiscard]] Result<void> resize(std::uint32_t procs);
  // When the seat, of those that are not wanted, was last held; none: somebody is still there. What ran on it is with completions().
  [[nodiscard]] std::optional<TimePoint> left(std::uint32_t seat);

  [[nodiscard]] Task& new_task() { return tasks_.emplace_back(); }
  void enqueue(Task& task);
  // False: it has begun.
  [[nodiscard]] bool take_back(const Task& task);
  [[nodiscard]] std::deque<Task*> take_back_all();
  [[nodiscard]] Completions<Task>& completions() { return completions_; }

  // Whether all threads left before `until`.
  [[nodiscard]] bool deserted(TimePoint until) const;

 private:
  // Threads that come one after the other, and go together.
  struct Gate {
    std::mutex mutex;
    std::condition_variable all_here;
    std::uint32_t here = 0, awaited = 0;  // the latter guarded too: less lets them go
  };
  struct Seat {
    tbb::task_arena* arena;
    bool held = false;
    TimePoint left{};  // when it was last given up while it was not wanted
  };
  // Makes an arena with that many threads; no thread is in it twice.
  [[nodiscard]] Result<void> gather(std::uint32_t threads);
  void arrive(Gate& gate) noexcept;
  void serve(std::uint32_t seat) noexcept;
  // Somebody sits down on the lowest seat that is free, if one is. To be called with the lock, and what it answers to be sent.
  [[nodiscard]] std::optional<std::uint32_t> take_seat();
  void send(std::uint32_t seat);
  // For who serves on that seat; null: it was given up.
  [[nodiscard]] Task* next(std::uint32_t seat);

  Surroundings around_;
  std::unique_ptr<tbb::global_control> limit_;
  std::deque<tbb::task_arena> arenas_;  // fixed addresses
  Completions<Task> completions_;
  std::deque<Task> tasks_;  // fixed addresses
  std::mutex mutex_;        // guards the next four
  std::deque<Task*> queue_;
  std::vector<Seat> seats_;               // that there ever were
  std::uint32_t wanted_;                  // of those
  std::uint32_t serving_ = 0;             // that are held and wanted: who looks into the queue again before it leaves
  std::atomic<std::uint64_t> inside_{0};  // calls of arrive() and serve() that are to come, or under way
};

}  // namespace runner::master
