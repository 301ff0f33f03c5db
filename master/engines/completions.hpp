// completions.hpp - tasks that threads have finished, on their way to the loop, and the one ring that wakes it for many.
//
// A stack of links that any thread pushes to and only the loop empties, all at once; a count of pushes; and the count at which
// the loop wants to be rung (never, while it is awake). Store of `ring_at_` then load of `pushed_` on the loop's side, add to
// `pushed_` then load of `ring_at_` on the other: sequentially consistent all four, so at least one side sees the other.
//
// Called from  push: any thread. The rest: the loop's thread.
// Owns         the eventfd; tasks only pass through (Task has a member `Task* next`).
// Fails with   open: system.
// Call order   open (take* fall_asleep wake_up)*
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <utility>

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>
#include "ipc/os.hpp"

namespace runner::master {

template <class Task>
class Completions {
 public:
  [[nodiscard]] Result<void> open() {
    bell_.reset(os::call("eventfd", ::eventfd, 0U, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!bell_) return os::failure("be told when a job has ended", "eventfd");
    return {};
  }

  // The last that this thread does with the task.
  void push(Task& task) {
    task.next = head_.load(std::memory_order_relaxed);
    // release: pairs with the exchange of take(), so that the loop sees what the thread wrote to the task.
    while (!head_.compare_exchange_weak(task.next, &task, std::memory_order_release, std::memory_order_relaxed)) {
    }
    const std::uint64_t pushed = pushed_.fetch_add(1, std::memory_order_seq_cst) + 1;
    if (pushed < ring_at_.load(std::memory_order_seq_cst)) return;
    if (ring_at_.exchange(kNever, std::memory_order_seq_cst) == kNever) return;  // somebody else rings
    const std::uint64_t one = 1;
    static_cast<void>(os::retry("write", ::write, bell_.get(), static_cast<const void*>(&one), sizeof one));
  }

  // All there are, linked by `next` in the order they were pushed; null: none.
  [[nodiscard]] Task* take() {
    if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    Task* newest = head_.exchange(nullptr, std::memory_order_acquire);
    Task* oldest = nullptr;
    while (newest != nullptr) {
      ++taken_;
      Task* older = std::exchange(newest->next, oldest);
      oldest = std::exchange(newest, older);
    }
    return oldest;
  }

  // Asks for a ring at the `nth` push from those taken. False: there are so many already, do not sleep.
  [[nodiscard]] bool fall_asleep(std::uint64_t nth) {
    ring_at_.store(taken_ + nth, std::memory_order_seq_cst);
    return pushed_.load(std::memory_order_seq_cst) < taken_ + nth;
  }
  void wake_up() {
    // Whoever took the word of us is about to ring, or has: that ring at most wakes us once for nothing.
    if (ring_at_.exchange(kNever, std::memory_order_seq_cst) != kNever) return;
    std::uint64_t rings = 0;
    static_cast<void>(os::retry("read", ::read, bell_.get(), static_cast<void*>(&rings), sizeof rings));
  }
  [[nodiscard]] int bell() const { return bell_.get(); }

 private:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  alignas(128) std::atomic<Task*> head_{nullptr};
  alignas(128) std::atomic<std::uint64_t> pushed_{0};
  alignas(128) std::atomic<std::uint64_t> ring_at_{kNever};
  std::uint64_t taken_ = 0;  // the loop's own
  UniqueFd bell_;
};

}  // namespace runner::master
