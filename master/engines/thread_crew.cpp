#include "master/engines/thread_crew.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "master/engines/last_words.hpp"

namespace runner::master {

namespace {

constexpr Duration kStartLimit = std::chrono::seconds(10);
constexpr Duration kNap = std::chrono::microseconds(50);

TimePoint now() { return std::chrono::steady_clock::now(); }

}  // namespace

ThreadCrew::ThreadCrew(std::uint32_t procs)
    : procs_(procs),
      // The limit counts the calling thread, which runs nothing; the arena must not keep a place for it.
      limit_(tbb::global_control::max_allowed_parallelism, procs + 1),
      arena_(static_cast<int>(procs), 0) {}

Result<void> ThreadCrew::open() {
  if (Result<void> opened = completions_.open(); !opened) return opened;
  // Every thread takes one of these and stays with it until all are taken.
  struct Gathering {
    std::atomic<std::uint32_t> here{0};
    std::atomic<bool> over{false};
  };
  const auto gathering = std::make_shared<Gathering>();
  for (std::uint32_t i = 0; i < procs_; ++i) {
    arena_.enqueue([gathering] {
      gathering->here.fetch_add(1, std::memory_order_relaxed);
      gathering->over.wait(false, std::memory_order_relaxed);
    });
  }
  const TimePoint limit = now() + kStartLimit;
  while (gathering->here.load(std::memory_order_relaxed) < procs_ && now() < limit) std::this_thread::sleep_for(kNap);
  gathering->over.store(true, std::memory_order_relaxed);
  gathering->over.notify_all();
  const std::uint32_t here = gathering->here.load(std::memory_order_relaxed);
  if (here == procs_) return {};
  return fail(ErrorCode::system, "only " + std::to_string(here) + " of " + std::to_string(procs_) +
                                     " oneTBB threads could be started; ask for fewer with --procs");
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
  const auto index = static_cast<std::uint32_t>(std::max(0, tbb::this_task_arena::current_thread_index()));
  while (Task* task = next()) {
    task->worker = std::min(index, procs_ - 1);
    task->entered = now();
    task->running.store(true, std::memory_order_release);
    {
      const JobNote note(*task->job);
      task->ran = run_here(task->kind, *task->job, task->attempt, task->stop);
    }
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
