#include "master/engines/watchdog.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "master/engines/run_here.hpp"
#include "master/scheduler.hpp"

namespace runner::master {

namespace {

using std::chrono::steady_clock;

constexpr Duration kShortestInterval = std::chrono::milliseconds(1);
// Beyond this a deadline is none, and adding it to the clock could overflow.
constexpr Duration kFarAway = std::chrono::hours(24 * 365);

}  // namespace

Result<std::unique_ptr<Watchdog>> Watchdog::start(Ears ears) {
  std::unique_ptr<Watchdog> watchdog(new Watchdog(std::move(ears)));
  try {
    watchdog->thread_ = std::thread([raw = watchdog.get()] { raw->watch(); });
  } catch (const std::system_error& error) {
    return fail(ErrorCode::system, std::string("the thread that watches deadlines cannot be started: ") + error.what());
  }
  return watchdog;
}

Watchdog::~Watchdog() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Watchdog::enter(const JobSpec& job, StopSwitch& stop, TimePoint now) {
  const std::lock_guard lock(mutex_);
  job_ = &job;
  stop_ = &stop;
  asked_.reset();
  deadline_ = job.timeout == Duration::zero() || job.timeout > kFarAway ? TimePoint::max() : now + job.timeout;
  if (job.timeout != Duration::zero() && job.timeout < interval_ && interval_ > kShortestInterval) {
    interval_ = std::max(job.timeout, kShortestInterval);
    wake_.notify_one();  // it must not sleep past deadlines that are this short
  }
}

std::optional<StopReason> Watchdog::leave() {
  const std::lock_guard lock(mutex_);
  job_ = nullptr;
  return asked_;
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!leaving_) {
    const TimePoint now = steady_clock::now();
    if (job_ != nullptr) look(now);
    wake_.wait_until(
        lock, job_ != nullptr ? std::min(now + interval_, std::max(deadline_, now + kShortestInterval)) : now + interval_);
  }
}

void Watchdog::look(TimePoint now) {
  const unsigned interrupted = ears_.interrupts != nullptr ? ears_.interrupts->so_far() : 0;
  if (!asked_ && (now >= deadline_ || interrupted >= 2)) {
    asked_ = now >= deadline_ ? StopReason::deadline : StopReason::interrupt;
    deadline_ = is_command(*job_) ? TimePoint::max() : now + Scheduler::kGrace;
    stop_->press();
  }
  if (is_command(*job_) && interrupted >= 3) stop_->insist();
  // With the lock held, as below: the loop's thread stays in leave().
  if (const unsigned told = std::exchange(told_, interrupted); told < interrupted && ears_.heard) ears_.heard(interrupted);
  if (!asked_ || is_command(*job_) || given_up_) return;
  if (now >= deadline_ || interrupted >= 3) {
    given_up_ = true;
    // With the lock held: the loop's thread, should the job return now, stays in leave(), out of the sinks.
    ears_.stuck(*job_, interrupted >= 3 ? StopReason::interrupt : *asked_);
  }
}

}  // namespace runner::master
