#include "master/engines/thread_crew.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "master/engines/last_words.hpp"
#include "worker/executor.hpp"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace runner::master {

namespace {

constexpr Duration kStartLimit = std::chrono::seconds(10);
constexpr Duration kNap = std::chrono::microseconds(50);

TimePoint now() { return std::chrono::steady_clock::now(); }

// oneTBB's library is not instrumented: ThreadSanitizer must be told that handing a task over to it orders memory.
void hands_over([[maybe_unused]] void* crew) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(crew);
#endif
}
void takes_over([[maybe_unused]] void* crew) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(crew);
#endif
}

}  // namespace

ThreadCrew::ThreadCrew(std::uint32_t procs, const Surroundings& around)
    : procs_(procs),
      around_(around),
      // The limit counts the calling thread, which runs nothing; the arena must not keep a place for it.
      limit_(tbb::global_control::max_allowed_parallelism, procs + 1),
      arena_(static_cast<int>(procs), 0) {}

// oneTBB ends the program when it cannot make a thread, so it is tried out first.
Result<void> try_threads(std::uint32_t procs) {
  std::vector<std::thread> all;
  std::mutex gate;
  std::unique_lock closed(gate);
  std::string refused;
  try {
    while (all.size() < procs) all.emplace_back([&gate] { const std::lock_guard passed(gate); });
  } catch (const std::exception& error) {
    refused = error.what();
  }
  closed.unlock();
  for (std::thread& one : all) one.join();
  if (refused.empty()) return {};
  return fail(ErrorCode::system, "only " + std::to_string(all.size()) + " of " + std::to_string(procs) +
                                     " threads could be started (" + refused + "); ask for fewer with --procs");
}

Result<void> ThreadCrew::open() {
  if (Result<void> opened = completions_.open(); !opened) return opened;
  if (Result<void> possible = try_threads(procs_); !possible) return possible;
  for (std::uint32_t i = 0; i < procs_; ++i) {
    inside_.fetch_add(1, std::memory_order_relaxed);
    hands_over(this);
    arena_.enqueue([this] { arrive(); });
  }
  std::uint32_t here = 0;
  {
    std::unique_lock lock(mutex_);
    arrival_.wait_for(lock, kStartLimit, [&] { return arrived_ == procs_; });
    here = std::exchange(arrived_, procs_);
  }
  arrival_.notify_all();
  if (here == procs_) return {};
  return fail(ErrorCode::system, "only " + std::to_string(here) + " of " + std::to_string(procs_) +
                                     " oneTBB threads could be started; ask for fewer with --procs");
}

// Every thread takes one of these and stays with it until all are taken.
void ThreadCrew::arrive() noexcept {
  takes_over(this);
  {
    std::unique_lock lock(mutex_);
    if (++arrived_ >= procs_) arrival_.notify_all();
    arrival_.wait(lock, [&] { return arrived_ >= procs_; });
  }
  inside_.fetch_sub(1, std::memory_order_release);
}

void ThreadCrew::enqueue(Task& task) {
  task.running.store(false, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(&task);
    if (threads_ == procs_) return;  // one of them will come to it
    ++threads_;
  }
  inside_.fetch_add(1, std::memory_order_relaxed);
  hands_over(this);
  arena_.enqueue([this] { serve(); });
}

Task* ThreadCrew::next() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    --threads_;
    return nullptr;
  }
  Task* task = queue_.front();
  queue_.pop_front();
  return task;
}

void ThreadCrew::serve() noexcept {
  takes_over(this);
  const auto place = static_cast<std::uint32_t>(std::max(0, tbb::this_task_arena::current_thread_index()));
  worker::use_slot(std::min(place, procs_ - 1) + 1);
  bool woke = true;
  while (Task* task = next()) {
    task->woke = std::exchange(woke, false);
    task->worker = std::min(place, procs_ - 1);
    task->entered = now();
    task->running.store(true, std::memory_order_release);
    {
      const JobNote note(*task->job);
      task->ran = run_here(task->kind, *task->job, task->attempt, task->stop, around_);
    }
    task->answered = now();
    completions_.push(*task);
  }
  inside_.fetch_sub(1, std::memory_order_release);  // after this nothing of ours is touched
}

bool ThreadCrew::take_back(const Task& task) {
  const std::lock_guard lock(mutex_);
  return std::erase(queue_, &task) != 0;
}

std::deque<Task*> ThreadCrew::take_back_all() {
  const std::lock_guard lock(mutex_);
  return std::exchange(queue_, {});
}

bool ThreadCrew::deserted(TimePoint until) const {
  // acquire: pairs with the last thing that serve() does.
  while (inside_.load(std::memory_order_acquire) != 0) {
    if (now() >= until) return false;
    std::this_thread::sleep_for(kNap);
  }
  return true;
}

}  // namespace runner::master
