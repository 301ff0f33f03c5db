// The threads engine: oneTBB threads run the jobs (thread_crew.hpp), the loop's thread only hands them out and collects.
#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "ipc/clock.hpp"
#include "master/engines/in_process.hpp"
#include "master/engines/last_words.hpp"
#include "master/engines/prefetch.hpp"
#include "master/engines/sleep.hpp"
#include "master/engines/thread_crew.hpp"
#include "master/ledger.hpp"
#include "master/meter.hpp"
#include "master/scheduler.hpp"

namespace runner::master {

namespace {

using std::chrono::steady_clock;

// How long close() waits for a typed job that was told to stop.
constexpr Duration kLastLook = std::chrono::milliseconds(100);

class ThreadsEngine final : public Engine {
 public:
  ThreadsEngine(std::uint32_t procs, InProcess here) : procs_(procs), here_(std::move(here)), idle_since_(procs) {}
  ~ThreadsEngine() override {
    if (crew_) static_cast<void>(close());
  }

  Result<void> open() override {
    ledger_.open(procs_, now());
    crew_ = std::make_unique<ThreadCrew>(procs_, here_.around);
    if (Result<void> opened = crew_->open(); !opened) return opened;
    const TimePoint ready = now();
    std::fill(idle_since_.begin(), idle_since_.end(), ready);
    ledger_.all_there(ready);
    for (std::uint32_t i = 0; i < procs_; ++i) ledger_.arrived(i, ready);
    return {};
  }

  std::string_view mode() const override { return "threads"; }
  std::string description() const override {
    return std::to_string(procs_) + (procs_ == 1 ? " oneTBB thread" : " oneTBB threads") + " in this process";
  }
  std::uint32_t procs() const override { return procs_; }
  Result<void> resize(std::uint32_t procs) override;
  bool can_end_jobs() const override { return false; }

  std::uint32_t room() const override;
  void start(const JobSpec& job, Attempt attempt) override;
  void stop(JobId id, Attempt attempt, StopReason reason) override;
  void take_back() override;
  Result<void> wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) override;
  std::vector<WorkerView> view() const override;
  const Costs* so_far() const override { return ledger_.keeps() ? &ledger_.so_far() : nullptr; }
  Costs close() override;

 private:
  void collect(std::vector<EngineEvent>& events);
  // JobStarted of those that began; answers when the next one that is not seen to have begun could be late.
  [[nodiscard]] TimePoint tell_starts(std::vector<EngineEvent>& events, TimePoint at);
  void leave_hand(Task& task);
  void look_who_left();

  std::uint32_t procs_;
  InProcess here_;
  std::unique_ptr<ThreadCrew> crew_;
  std::vector<Task*> free_;
  std::vector<Task*> under_way_;  // handed over, not taken back, not ended
  Duration queued_{};             // expected length of those
  Prefetch prefetch_;
  bool last_was_command_ = false;
  Duration last_expected_ = Prefetch::kWindow;
  std::vector<EngineEvent> pending_;   // told by the next wait()
  std::vector<TimePoint> idle_since_;  // by thread
  // Threads that are not wanted and still run something, or that is not noted yet; and when they ceased to be wanted.
  struct Leaving {
    std::uint32_t worker;
    TimePoint since;
  };
  std::vector<Leaving> leaving_;
  bool patient_ = true;  // the ring may wait for half of a short queue
  Ledger ledger_{here_.measure};
  Meter meter_;
};

// ---- more threads, or fewer ----

Result<void> ThreadsEngine::resize(std::uint32_t procs) {
  if (procs == 0) return fail(ErrorCode::usage, "one thread is the least");
  look_who_left();
  const TimePoint at = now();
  if (Result<void> resized = crew_->resize(procs); !resized) return resized;
  const TimePoint ready = now();
  idle_since_.resize(std::max<std::size_t>(idle_since_.size(), procs));
  for (std::uint32_t i = procs_; i < procs; ++i) {
    if (std::erase_if(leaving_, [&](const Leaving& one) { return one.worker == i; }) != 0) continue;  // it stays
    idle_since_[i] = ready;
    ledger_.joined(i, at);
    ledger_.arrived(i, ready);
  }
  for (std::uint32_t i = procs; i < procs_; ++i) leaving_.push_back({i, at});
  procs_ = procs;
  look_who_left();
  return {};
}

void ThreadsEngine::look_who_left() {
  std::vector<std::pair<Leaving, TimePoint>> left;
  std::erase_if(leaving_, [&](const Leaving& one) {
    const std::optional<TimePoint> at = crew_->left(one.worker);
    if (at) left.emplace_back(one, *at);
    return at.has_value();
  });
  if (left.empty()) return;
  collect(pending_);  // what they were in
  for (const auto& [one, at] : left) ledger_.left(one.worker, one.since, std::max(one.since, at));
}

// ---- handing out ----

std::uint32_t ThreadsEngine::room() const {
  const auto held = static_cast<std::uint32_t>(under_way_.size());
  // One more command for each thread, so that no wake-up lies between two commands.
  // Threads that are to go have what they run, and take nothing more.
  const std::uint32_t places = (last_was_command_ ? 2 * procs_ : procs_) + static_cast<std::uint32_t>(leaving_.size());
  const std::uint32_t idle = places > held ? places - held : 0;
  const Duration window = procs_ * Prefetch::kWindow;
  const Duration left = queued_ < window ? window - queued_ : Duration::zero();
  return std::max(idle, static_cast<std::uint32_t>(left / std::max(last_expected_, Duration(1))));
}

void ThreadsEngine::start(const JobSpec& job, Attempt attempt) {
  if (free_.empty()) free_.push_back(&crew_->new_task());
  Task& task = *free_.back();
  last_was_command_ = is_command(job);
  if (Result<void> ready = task.stop.make_ready(last_was_command_); !ready) {
    Outcome outcome;
    outcome.ending = Failed{ready.error().text};
    pending_.emplace_back(JobEnded{job.id, attempt, WorkerId{0}, std::move(outcome)});
    return;
  }
  free_.pop_back();
  task.job = &job;
  task.kind = kind_for(job, here_.registry);
  task.attempt = attempt;
  task.expected = last_expected_ = prefetch_.expected(kind_of(job));
  task.offered = now();
  task.announced = false;
  task.stopping.reset();
  task.place = under_way_.size();
  under_way_.push_back(&task);
  queued_ += task.expected;
  crew_->enqueue(task);
}

void ThreadsEngine::leave_hand(Task& task) {
  under_way_[task.place] = under_way_.back();
  under_way_[task.place]->place = task.place;
  under_way_.pop_back();
  queued_ -= task.expected;
}

// ---- ending jobs ----

void ThreadsEngine::stop(JobId id, Attempt attempt, StopReason reason) {
  const auto found = std::find_if(under_way_.begin(), under_way_.end(),
                                  [&](const Task* task) { return task->job->id == id && task->attempt == attempt; });
  if (found == under_way_.end() || (*found)->stopping) return;
  Task& task = **found;
  if (crew_->take_back(task)) {
    Outcome outcome;
    outcome.ending = Cancelled{"interrupted before it began"};
    pending_.emplace_back(JobEnded{id, attempt, WorkerId{0}, std::move(outcome)});
    leave_hand(task);
    free_.push_back(&task);
    return;
  }
  task.stopping = reason;
  task.stop.press();
}

void ThreadsEngine::take_back() {
  for (Task* task : crew_->take_back_all()) {
    pending_.emplace_back(JobReturned{task->job->id, task->attempt});
    leave_hand(*task);
    free_.push_back(task);
  }
}

// ---- collecting ----

void ThreadsEngine::collect(std::vector<EngineEvent>& events) {
  const TimePoint at = now();
  for (Task* next = crew_->completions().take(); next != nullptr;) {
    Task& task = *std::exchange(next, next->next);
    free_.push_back(&task);
    leave_hand(task);
    Outcome& outcome = task.ran.outcome;
    prefetch_.learn(kind_of(*task.job), outcome.wall);
    idle_since_[task.worker] = task.answered;
    AttemptCosts costs;
    if (ledger_.keeps()) {
      Stamps stamps =
          stamps_here(*task.job, task.offered, task.entered, task.ran, task.answered, ledger_.sample(task.expected));
      if (task.woke) stamps.woken = task.entered;
      stamps.collected = at;
      ledger_.ended(task.worker, stamps, costs);
    }
    if (task.ran.stopped && task.stopping) outcome.ending = stopped_ending(*task.job, *task.stopping, outcome);
    events.emplace_back(JobEnded{task.job->id, task.attempt, WorkerId{task.worker}, std::move(outcome), false, costs});
  }
}

TimePoint ThreadsEngine::tell_starts(std::vector<EngineEvent>& events, TimePoint at) {
  TimePoint look = TimePoint::max();
  for (Task* task : under_way_) {
    const Duration timeout = task->job->timeout;
    if (task->announced || timeout == Duration::zero()) continue;
    if (task->running.load(std::memory_order_acquire)) {
      task->announced = true;
      events.emplace_back(JobStarted{task->job->id, task->attempt, WorkerId{task->worker}, task->entered});
    } else {
      look = std::min(look, at + std::min<Duration>(timeout, std::chrono::hours(24)));
    }
  }
  return look;
}

Result<void> ThreadsEngine::wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) {
  const LoopAtRest rest;
  for (;;) {
    if (!leaving_.empty()) look_who_left();
    events.insert(events.end(), std::make_move_iterator(pending_.begin()), std::make_move_iterator(pending_.end()));
    pending_.clear();
    collect(events);
    if (!events.empty()) {
      patient_ = true;
      return {};
    }
    if (until == TimePoint::min()) return {};
    const TimePoint at = now();
    if (at >= until) return {};
    TimePoint look = std::min(until, tell_starts(events, at));
    if (!events.empty()) return {};

    // A short queue: one ring when half of it is done, instead of one for each job.
    const std::uint64_t held = under_way_.size();
    const bool lazy = patient_ && held > 2 * std::uint64_t{procs_} && queued_ <= procs_ * Prefetch::kWindow;
    if (lazy) look = std::min(look, at + kPatience);
    std::array<pollfd, 2> fds{{{crew_->completions().bell(), POLLIN, 0}, {wake_fd, POLLIN, 0}}};
    Result<void> slept;
    if (crew_->completions().fall_asleep(lazy ? held / 2 : 1)) {
      slept = sleep(fds, look);
      if (lazy && fds[0].revents == 0) patient_ = false;  // nobody rang for a short queue: it is not short
    }
    crew_->completions().wake_up();
    if (!slept) return slept;
    if (fds[1].revents != 0) {
      collect(events);
      return {};
    }
  }
}

std::vector<WorkerView> ThreadsEngine::view() const {
  std::vector<WorkerView> views(idle_since_.size());
  for (std::uint32_t i = 0; i < views.size(); ++i) views[i] = {WorkerId{i}, std::nullopt, idle_since_[i]};
  for (const Task* task : under_way_) {
    if (!task->running.load(std::memory_order_acquire)) continue;
    WorkerView& view = views[task->worker];
    // A task that ended and was not collected has the same thread as the one that runs now: the later is right.
    if (!view.job || view.since < task->entered) view = {view.worker, task->job->id, task->entered};
  }
  std::erase_if(views, [this](const WorkerView& view) { return number(view.worker) >= procs_ && !view.job; });
  return views;
}

// Normally nothing runs any more. After the last interrupt something may: commands get TERM, and KILL 2 s later, and are
// waited for; a typed job is not.
Costs ThreadsEngine::close() {
  if (!crew_) return {};
  const TimePoint over = now();
  take_back();
  bool commands = false;
  for (Task* task : under_way_) {
    task->stop.press();
    commands = commands || is_command(*task->job);
  }
  const TimePoint limit = now() + kLastLook + (commands ? Scheduler::kGrace : Duration::zero());
  const bool deserted = crew_->deserted(limit);
  look_who_left();
  std::vector<EngineEvent> unheard;
  collect(unheard);
  if (!under_way_.empty() && here_.stuck) here_.stuck(*under_way_.front()->job, StopReason::interrupt);
  // A thread that is still in a job's code keeps what it may yet touch.
  if (!deserted && !crew_->deserted(now() + kLastLook)) static_cast<void>(crew_.release());
  crew_.reset();
  Costs costs = ledger_.close(over, now());
  costs.usage = meter_.usage();
  costs.master_cpu = meter_.thread_cpu();
  return costs;
}

}  // namespace

std::unique_ptr<Engine> make_threads_engine(std::uint32_t procs, InProcess here) {
  return std::make_unique<ThreadsEngine>(procs, std::move(here));
}

}  // namespace runner::master
