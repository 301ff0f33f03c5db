// Waiting without work: what an event loop does best, so it has a second body for one.
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <runner/async_job.hpp>

#include "jobs/kinds/nothing.hpp"
#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct SleepArgs {
  Duration duration{};
  template <class A>
  void serialize(A& a) {
    a(arg("duration", duration, "how long").range(Duration{0}, std::chrono::days(365)));
  }
};

// A condition that never comes true, so that only time or the stop token ends the wait: both at once, without polling.
Nothing sleep(const SleepArgs& args, JobContext& context) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, context.stop_token(), args.duration, [] { return false; });
  leave_when_stopped(context);
  return {};
}

boost::asio::awaitable<Nothing> sleep_async(const SleepArgs& args, JobContext&) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, args.duration);
  boost::system::error_code cancelled;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
  if (cancelled) throw_stopped();
  co_return Nothing{};
}

RUNNER_ASYNC_JOB("sleep", sleep, sleep_async, "Waits for `duration` without using a core.")

}  // namespace
}  // namespace runner
