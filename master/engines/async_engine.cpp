// The async engine: one event loop on the run loop's thread, run inside wait().
//
// A job has one of three ways: a kind with an asynchronous body is a coroutine, a command is watched by the loop, and any other
// kind waits its turn in `blocking_` and then has the loop for itself. What a coroutine computes is not told apart from what
// the others do on the same thread: its processor time counts as zero.
#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <deque>
#include <iterator>
#include <optional>
#include <runner/async_job.hpp>
#include <span>
#include <utility>
#include <vector>

#include "ipc/clock.hpp"
#include "master/engines/in_process.hpp"
#include "master/engines/last_words.hpp"
#include "master/engines/loop_command.hpp"
#include "master/engines/prefetch.hpp"
#include "master/engines/run_here.hpp"
#include "master/engines/watchdog.hpp"
#include "master/ledger.hpp"
#include "master/meter.hpp"
#include "worker/executor.hpp"

namespace runner::master {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::steady_clock;

// When a coroutine's own code was entered and left.
class CoroutineBounds final : public CodeBounds {
 public:
  void entered() override { began_ = now(); }
  void left() override {
    if (ended_ == TimePoint{}) ended_ = now();
    if (began_ == TimePoint{}) began_ = ended_;
  }
  [[nodiscard]] TimePoint began() const { return began_; }
  [[nodiscard]] Duration wall() const { return ended_ - began_; }

 private:
  TimePoint began_{}, ended_{};
};

// One of `procs` places for a job that is under way, or waits to block the loop.
struct Seat {
  WorkerId id{};
  const JobSpec* job = nullptr;  // null: free
  const Kind* kind = nullptr;
  Attempt attempt{};
  TimePoint since{};
  TimePoint offered{}, handed{};  // handed: the loop was free for it
  bool begun = false;
  std::optional<StopReason> stopping;
  StopSwitch stop;
  JobContext context;                // a coroutine's
  CoroutineBounds bounds;            // the same
  asio::cancellation_signal cancel;  // a coroutine's
  std::shared_ptr<LoopCommand> command;
};

// Asio's objects, in the order in which they may be destroyed.
struct IoLoop {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  asio::posix::stream_descriptor wake{io};  // the run loop's, watched and never closed
  ~IoLoop() {
    if (wake.is_open()) wake.release();
  }
};

class AsyncEngine final : public Engine {
 public:
  AsyncEngine(std::uint32_t procs, InProcess here) : here_(std::move(here)), procs_(procs), seats_(procs) {}
  ~AsyncEngine() override { static_cast<void>(close()); }

  Result<void> open() override;
  std::string_view mode() const override { return "async"; }
  std::string description() const override {
    return "one event loop in this process, up to " + std::to_string(procs_) +
           (procs_ == 1 ? " job under way" : " jobs under way");
  }
  std::uint32_t procs() const override { return procs_; }
  Result<void> resize(std::uint32_t procs) override;
  bool can_end_jobs() const override { return false; }
  std::uint32_t room() const override { return static_cast<std::uint32_t>(free_.size()); }

  void start(const JobSpec& job, Attempt attempt) override;
  void stop(JobId id, Attempt attempt, StopReason reason) override;
  void take_back() override;
  Result<void> wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) override;
  std::vector<WorkerView> view() const override;
  const Costs* so_far() const override { return ledger_.keeps() ? &ledger_.so_far() : nullptr; }
  Costs close() override;

 private:
  void begin_coroutine(Seat& seat, const AsyncBody& body);
  void begin_command(Seat& seat, const CommandWork& work);
  void run_blocking(TimePoint until);
  void run_one_blocking(Seat& seat);
  void watch(int wake_fd);
  // Runs what is ready; with `until`: waits for something to be.
  void turn(std::optional<TimePoint> until);
  void finish(Seat& seat, RanHere ran);
  void leave(Seat& seat);

  InProcess here_;
  std::uint32_t procs_;
  std::deque<Seat> seats_;  // that there ever were; Seat cannot move
  std::vector<Seat*> free_;
  std::deque<Seat*> blocking_;  // not begun; the oldest first
  std::uint32_t waiting_ = 0;   // coroutines and commands under way
  const JobSpec unknown_{};     // noted while the loop runs several coroutines
  std::unique_ptr<Watchdog> watchdog_;
  std::unique_ptr<IoLoop> loop_;
  bool watching_ = false;  // IoLoop::wake is waited for
  bool woken_ = false;
  Prefetch lengths_;
  Ledger ledger_{here_.measure};
  Meter meter_;
  Duration blocking_cpu_{};           // of jobs that had the loop for themselves
  TimePoint loop_free_{};             // the last of those was over
  std::vector<EngineEvent> pending_;  // told by the next wait()
};

Result<void> AsyncEngine::open() {
  ledger_.open(procs(), now());
  try {
    loop_ = std::make_unique<IoLoop>();
  } catch (const std::exception& error) {
    return fail(ErrorCode::system, std::string("the event loop cannot be set up: ") + error.what());
  }
  Result<std::unique_ptr<Watchdog>> watchdog = Watchdog::start({here_.interrupts, here_.stuck, here_.heard});
  if (!watchdog) return tl::unexpected(watchdog.error());
  watchdog_ = std::move(*watchdog);
  const TimePoint ready = now();
  for (std::size_t i = seats_.size(); i-- > 0;) {
    seats_[i].id = WorkerId{static_cast<std::uint32_t>(i)};
    seats_[i].since = ready;
    free_.push_back(&seats_[i]);
  }
  ledger_.all_there(ready);
  for (std::uint32_t i = 0; i < procs(); ++i) ledger_.arrived(i, ready);
  return {};
}

// ---- more places, or fewer ----

Result<void> AsyncEngine::resize(std::uint32_t procs) {
  if (procs == 0) return fail(ErrorCode::usage, "one job at a time is the least");
  const TimePoint at = now();
  const std::uint32_t before = std::exchange(procs_, procs);
  for (std::uint32_t i = before; i < procs; ++i) {
    if (i == seats_.size()) seats_.emplace_back().id = WorkerId{i};
    Seat& seat = seats_[i];
    if (seat.job != nullptr) continue;  // it has never gone
    seat.since = at;
    free_.push_back(&seat);
    ledger_.joined(i, at);
    ledger_.arrived(i, at);
  }
  const auto unwanted = [procs](const Seat* seat) { return number(seat->id) >= procs; };
  std::erase_if(free_, unwanted);
  for (std::uint32_t i = procs; i < before; ++i) {
    if (seats_[i].job == nullptr) ledger_.left(i, at, at);
  }
  std::vector<Seat*> unbegun;
  std::copy_if(blocking_.begin(), blocking_.end(), std::back_inserter(unbegun), unwanted);
  std::erase_if(blocking_, unwanted);
  for (Seat* seat : unbegun) {
    pending_.emplace_back(JobReturned{seat->job->id, seat->attempt});
    leave(*seat);
  }
  return {};
}

// ---- beginning ----

void AsyncEngine::start(const JobSpec& job, Attempt attempt) {
  Seat& seat = *free_.back();
  free_.pop_back();
  seat.job = &job;
  seat.kind = kind_for(job, here_.registry);
  seat.attempt = attempt;
  seat.stopping.reset();
  seat.offered = now();
  // The switch needs no descriptor: a command's end is the loop's own business.
  static_cast<void>(seat.stop.make_ready(false));
  const auto* command = std::get_if<CommandWork>(&job.work);
  if (command == nullptr && (seat.kind == nullptr || !seat.kind->async)) {
    seat.begun = false;
    blocking_.push_back(&seat);
    return;
  }
  seat.begun = true;
  seat.since = seat.handed = seat.offered;
  if (job.timeout != Duration::zero()) pending_.emplace_back(JobStarted{job.id, attempt, seat.id, seat.since});
  ++waiting_;
  if (command != nullptr) {
    begin_command(seat, *command);
  } else {
    begin_coroutine(seat, *seat.kind->async);
  }
}

void AsyncEngine::begin_command(Seat& seat, const CommandWork& work) {
  const auto ended = [this, &seat](Outcome outcome) {
    --waiting_;
    seat.command.reset();
    finish(seat, {std::move(outcome), seat.stopping.has_value(), seat.since});
  };
  worker::use_slot(number(seat.id) + 1);
  Result<std::shared_ptr<LoopCommand>> command = LoopCommand::start(loop_->io, work, ended);
  if (command) {
    seat.command = std::move(*command);
    return;
  }
  Outcome outcome;
  outcome.ending = Failed{command.error().text};
  ended(std::move(outcome));
}

void AsyncEngine::begin_coroutine(Seat& seat, const AsyncBody& body) {
  const auto& typed = std::get<TypedWork>(seat.job->work);
  seat.context = JobContext(seat.job->id, seat.attempt, seat.stop.token(), here_.around.shared, typed.cpus);
  const std::span<const std::byte> args = std::as_bytes(std::span(typed.args));
  seat.bounds = {};
  seat.context.tell(&seat.bounds);
  const auto ended = [this, &seat](const std::exception_ptr& thrown, std::string result) {
    Outcome outcome;
    seat.bounds.left();  // where it threw
    outcome.wall = seat.bounds.wall();
    if (thrown) {
      outcome.ending = worker::failure_of(thrown);
    } else {
      outcome.result = std::move(result);
      worker::limit_result(outcome, here_.around.max_result.count);
    }
    --waiting_;
    finish(seat, {std::move(outcome), seat.stopping.has_value(), seat.bounds.began()});
  };
  // The body is called inside the coroutine, so that whatever it throws takes the same way.
  asio::co_spawn(
      loop_->io, [&seat, &body, args]() -> asio::awaitable<std::string> { return body.call(args, seat.context); },
      asio::bind_cancellation_slot(seat.cancel.slot(), ended));
}

// ---- ending ----

void AsyncEngine::finish(Seat& seat, RanHere ran) {
  Outcome& outcome = ran.outcome;
  const Duration expected = lengths_.expected(kind_of(*seat.job));
  lengths_.learn(kind_of(*seat.job), outcome.wall);
  AttemptCosts costs;
  if (ledger_.keeps()) {
    const TimePoint answered = now();
    Stamps stamps = stamps_here(*seat.job, seat.handed, seat.since, ran, answered, ledger_.sample(expected));
    stamps.ready = seat.offered;
    ledger_.ended(number(seat.id), stamps, costs);
  }
  if (ran.stopped && seat.stopping) outcome.ending = stopped_ending(*seat.job, *seat.stopping, outcome);
  pending_.emplace_back(JobEnded{seat.job->id, seat.attempt, seat.id, std::move(outcome), false, costs});
  leave(seat);
}

void AsyncEngine::leave(Seat& seat) {
  seat.job = nullptr;
  seat.since = now();
  if (number(seat.id) < procs_) {
    free_.push_back(&seat);
  } else {
    ledger_.left(number(seat.id), seat.since, seat.since);
  }
}

void AsyncEngine::stop(JobId id, Attempt attempt, StopReason reason) {
  for (Seat& seat : seats_) {
    if (seat.job == nullptr || seat.job->id != id || seat.attempt != attempt || seat.stopping) continue;
    if (!seat.begun) {
      Outcome outcome;
      outcome.ending = Cancelled{"interrupted before it began"};
      pending_.emplace_back(JobEnded{id, attempt, seat.id, std::move(outcome)});
      std::erase(blocking_, &seat);
      leave(seat);
      return;
    }
    seat.stopping = reason;
    if (seat.command) {
      seat.command->stop();
    } else {
      seat.stop.press();
      seat.cancel.emit(asio::cancellation_type::terminal);
    }
    return;
  }
}

void AsyncEngine::take_back() {
  for (Seat* seat : std::exchange(blocking_, {})) {
    pending_.emplace_back(JobReturned{seat->job->id, seat->attempt});
    leave(*seat);
  }
}

// ---- the loop ----

// Blocks the loop for half a millisecond's worth of short jobs, or for one long job. As in the serial engine, one that may take
// long runs only when the run loop is ready to sleep.
void AsyncEngine::run_blocking(TimePoint until) {
  if (blocking_.empty()) return;
  const TimePoint began = now();
  do {
    Seat& seat = *blocking_.front();
    if (lengths_.expected(kind_of(*seat.job)) >= Prefetch::kWindow && (until <= began || !pending_.empty())) return;
    blocking_.pop_front();
    run_one_blocking(seat);
  } while (!blocking_.empty() && now() - began < Prefetch::kWindow);
}

void AsyncEngine::run_one_blocking(Seat& seat) {
  const JobSpec& job = *seat.job;
  seat.begun = true;
  seat.since = now();
  seat.handed = std::max(seat.offered, loop_free_);
  watchdog_->enter(job, seat.stop, seat.since);
  RanHere ran;
  {
    const JobNote note(job);
    ran = run_here(seat.kind, job, seat.attempt, seat.stop, here_.around);
  }
  seat.stopping = watchdog_->leave();
  blocking_cpu_ += ran.outcome.cpu;
  finish(seat, std::move(ran));
  loop_free_ = now();
}

void AsyncEngine::watch(int wake_fd) {
  if (watching_) return;
  asio::posix::stream_descriptor& wake = loop_->wake;
  error_code error;
  if (wake.is_open() && wake.native_handle() != wake_fd) wake.release();
  if (!wake.is_open()) wake.assign(wake_fd, error);
  if (error) return;  // interrupts are then heard between waits only
  watching_ = true;
  wake.async_wait(asio::posix::descriptor_base::wait_read, [this](const error_code& failed) {
    watching_ = false;
    woken_ = woken_ || !failed;
  });
}

void AsyncEngine::turn(std::optional<TimePoint> until) {
  const Seat* sole = nullptr;
  if (waiting_ == 1) {
    for (const Seat& seat : seats_) sole = seat.job != nullptr && seat.begun ? &seat : sole;
  }
  const JobNote note(sole != nullptr ? *sole->job : unknown_);
  loop_->io.restart();
  if (!until) {
    loop_->io.poll();
  } else if (*until == TimePoint::max()) {
    loop_->io.run_one();
  } else {
    loop_->io.run_one_until(*until);
  }
}

Result<void> AsyncEngine::wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) {
  const LoopAtRest rest;
  if (wake_fd >= 0) watch(wake_fd);
  for (;;) {
    if (waiting_ != 0 || watching_) turn(std::nullopt);
    run_blocking(until);
    // What became ready while the loop was blocked is in time: it must be heard before anybody looks at deadlines.
    if (waiting_ != 0) turn(std::nullopt);
    events.insert(events.end(), std::make_move_iterator(pending_.begin()), std::make_move_iterator(pending_.end()));
    pending_.clear();
    if (!events.empty() || std::exchange(woken_, false)) return {};
    if (until == TimePoint::min() || now() >= until) return {};
    if (blocking_.empty()) turn(until);
  }
}

std::vector<WorkerView> AsyncEngine::view() const {
  std::vector<WorkerView> views;
  for (const Seat& seat : seats_) {
    if (number(seat.id) >= procs_ && seat.job == nullptr) continue;
    WorkerView view{seat.id, std::nullopt, seat.since};
    if (seat.job != nullptr && seat.begun) view.job = seat.job->id;
    views.push_back(view);
  }
  return views;
}

// Coroutines and commands that are still under way end here and now: that much an event loop can do.
Costs AsyncEngine::close() {
  if (!loop_) return {};
  const TimePoint over = now();
  watchdog_.reset();
  for (Seat& seat : seats_) {
    if (seat.command) std::exchange(seat.command, nullptr)->abandon();
  }
  loop_.reset();  // and with it the frames of coroutines, which refer to seats
  Costs costs = ledger_.close(over, now());
  costs.usage = meter_.usage();
  costs.master_cpu = std::max(Duration::zero(), meter_.thread_cpu() - blocking_cpu_);
  return costs;
}

}  // namespace

std::unique_ptr<Engine> make_async_engine(std::uint32_t procs, InProcess here) {
  return std::make_unique<AsyncEngine>(procs, std::move(here));
}

}  // namespace runner::master
