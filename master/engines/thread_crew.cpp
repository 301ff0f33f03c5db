#include "master/engines/thread_crew.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "ipc/clock.hpp"
#include "ipc/layout.hpp"
#include "master/engines/last_words.hpp"
#include "worker/executor.hpp"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace runner::master {

namespace {

constexpr Duration kStartLimit = std::chrono::seconds(10);
constexpr Duration kNap = std::chrono::microseconds(50);
constexpr std::size_t kMost = ipc::kMaxWorkers;

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

// oneTBB settles when it makes its first arena how many threads there can ever be. The limit counts the calling thread, which runs
// nothing.
ThreadCrew::ThreadCrew(std::uint32_t procs, const Surroundings& around)
    : around_(around),
      limit_(std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism, kMost + 1)),
      wanted_(procs) {}

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
  return gather(wanted_);
}

Result<void> ThreadCrew::gather(std::uint32_t threads) {
  if (Result<void> possible = try_threads(threads); !possible) return possible;
  // The arena must not keep a place for the calling thread.
  tbb::task_arena& arena = arenas_.emplace_back(static_cast<int>(threads), 0);
  arena.initialize();
  const std::size_t all = seats_.size() + threads;
  // The new limit before the old one goes: between them there would be another.
  limit_ = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism, all + 1);
  const auto gate = std::make_shared<Gate>();
  gate->awaited = threads;
  for (std::uint32_t i = 0; i < threads; ++i) {
    inside_.fetch_add(1, std::memory_order_relaxed);
    hands_over(this);
    arena.enqueue([this, gate] { arrive(*gate); });
  }
  std::uint32_t here = 0;
  {
    std::unique_lock lock(gate->mutex);
    gate->all_here.wait_for(lock, kStartLimit, [&] { return gate->here == threads; });
    here = gate->here;
    gate->awaited = 0;
  }
  gate->all_here.notify_all();
  if (here != threads) {
    return fail(ErrorCode::system, "only " + std::to_string(here) + " of " + std::to_string(threads) +
                                       " oneTBB threads could be started; ask for fewer with --procs");
  }
  const std::lock_guard lock(mutex_);
  seats_.resize(all, Seat{&arena});
  return {};
}

// Every thread takes one of these and stays with it until all are taken.
void ThreadCrew::arrive(Gate& gate) noexcept {
  takes_over(this);
  {
    std::unique_lock lock(gate.mutex);
    if (++gate.here >= gate.awaited) gate.all_here.notify_all();
    gate.all_here.wait(lock, [&] { return gate.here >= gate.awaited; });
  }
  inside_.fetch_sub(1, std::memory_order_release);
}

Result<void> ThreadCrew::resize(std::uint32_t procs) {
  // Only this thread makes seats.
  if (procs > seats_.size()) {
    if (Result<void> more = gather(procs - static_cast<std::uint32_t>(seats_.size())); !more) return more;
  }
  std::vector<std::uint32_t> taken;
  {
    const std::lock_guard lock(mutex_);
    wanted_ = procs;
    serving_ = 0;
    for (std::uint32_t seat = 0; seat < procs; ++seat) serving_ += seats_[seat].held ? 1U : 0U;
    while (taken.size() < queue_.size()) {
      const std::optional<std::uint32_t> seat = take_seat();
      if (!seat) break;
      taken.push_back(*seat);
    }
  }
  for (const std::uint32_t seat : taken) send(seat);
  return {};
}

std::optional<TimePoint> ThreadCrew::left(std::uint32_t seat) {
  const std::lock_guard lock(mutex_);
  return seats_[seat].held ? std::nullopt : std::optional(seats_[seat].left);
}

std::optional<std::uint32_t> ThreadCrew::take_seat() {
  if (serving_ == wanted_) return std::nullopt;  // one of them will come to it
  std::uint32_t seat = 0;
  while (seats_[seat].held) ++seat;
  seats_[seat].held = true;
  ++serving_;
  return seat;
}

void ThreadCrew::send(std::uint32_t seat) {
  inside_.fetch_add(1, std::memory_order_relaxed);
  hands_over(this);
  seats_[seat].arena->enqueue([this, seat] { serve(seat); });
}

void ThreadCrew::enqueue(Task& task) {
  task.running.store(false, std::memory_order_relaxed);
  std::optional<std::uint32_t> seat;
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(&task);
    seat = take_seat();
  }
  if (seat) send(*seat);
}

Task* ThreadCrew::next(std::uint32_t seat) {
  const std::lock_guard lock(mutex_);
  const bool wanted = seat < wanted_;
  if (!wanted || queue_.empty()) {
    seats_[seat].held = false;
    if (wanted) {
      --serving_;
    } else {
      seats_[seat].left = now();
    }
    return nullptr;
  }
  Task* task = queue_.front();
  queue_.pop_front();
  return task;
}

void ThreadCrew::serve(std::uint32_t seat) noexcept {
  takes_over(this);
  worker::use_slot(seat + 1);
  bool woke = true;
  while (Task* task = next(seat)) {
    task->woke = std::exchange(woke, false);
    task->worker = seat;
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
