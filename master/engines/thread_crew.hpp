// thread_crew.hpp - oneTBB threads that serve one queue of tasks, really `procs` of them at a time.
//
// oneTBB decides which threads run; what they run next is the oldest of our queue, so that jobs begin in the order in which
// they were handed out (oneTBB's own queue keeps none), nobody waits behind a long job while another thread is idle, and what
// has not begun can be taken back. A thread stays as long as there is something in the queue, so many short jobs cost oneTBB
// one task.
//
// Called from  the loop's thread, which never blocks inside oneTBB.
// Owns         the arena, the tasks, the queue. To be destroyed once deserted(); where a job never returns, to be leaked.
// Fails with   open: system.
// Call order   open (new_task | enqueue | take_back | completions)* deserted
#pragma once

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

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

  [[nodiscard]] Task& new_task() { return tasks_.emplace_back(); }
  void enqueue(Task& task);
  // False: it has begun.
  [[nodiscard]] bool take_back(const Task& task);
  [[nodiscard]] std::deque<Task*> take_back_all();
  [[nodiscard]] Completions<Task>& completions() { return completions_; }

  // Whether all threads left before `until`.
  [[nodiscard]] bool deserted(TimePoint until) const;

 private:
  void arrive() noexcept;
  void serve() noexcept;
  [[nodiscard]] Task* next();

  std::uint32_t procs_;
  Surroundings around_;
  tbb::global_control limit_;
  tbb::task_arena arena_;
  Completions<Task> completions_;
  std::deque<Task> tasks_;  // fixed addresses
  std::mutex mutex_;        // guards the next three
  std::deque<Task*> queue_;
  std::uint32_t threads_ = 0;  // that look into the queue again before they leave
  std::uint32_t arrived_ = 0;  // of the first tasks; `procs_` lets all of them go
  std::condition_variable arrival_;
  std::atomic<std::uint64_t> inside_{0};  // calls of arrive() and serve() that are to come, or under way
};

}  // namespace runner::master
