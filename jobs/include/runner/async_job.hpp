// async_job.hpp - a kind's second body, for the event loop: a coroutine that waits instead of blocking.
//
//   Rested rest(const RestArgs&, runner::JobContext&);
//   boost::asio::awaitable<Rested> rest_async(const RestArgs&, runner::JobContext&);
//   RUNNER_ASYNC_JOB("rest", rest, rest_async, "Rests.")
//
// Both bodies must give the same result for the same arguments: who runs them chooses by the engine, not by the answer.
// Called from  the async engine's only thread. Apart from kind.hpp and job.hpp so that kinds without one need no Boost.Asio.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "runner/job.hpp"
#include "runner/job_context.hpp"

namespace runner {

struct AsyncBody {
  // Wire bytes of the arguments -> wire bytes of the result. `args` lives until the coroutine ends. Cancellation reaches it
  // through Asio's cancellation slot; throws as `Kind::call` does.
  boost::asio::awaitable<std::string> (*call)(std::span<const std::byte> args, JobContext& context) = nullptr;
};

// The arguments live in this coroutine's frame, so that `Coroutine` may refer to them across every co_await.
template <class Args, auto Coroutine>
boost::asio::awaitable<std::string> call_async(std::span<const std::byte> wire, JobContext& context) {
  const Args args = from_wire<Args>(wire);
  context.entered();
  const auto result = co_await Coroutine(args, context);
  context.left();
  co_return to_wire(result);
}

template <auto Function, auto Coroutine>
[[nodiscard]] Kind make_async_kind(const char* name, const char* description) {
  using Signature = JobSignature<decltype(Function)>;
  static_assert(std::is_same_v<decltype(Coroutine), boost::asio::awaitable<typename Signature::Returned> (*)(
                                                        const typename Signature::Args&, JobContext&)>,
                "the coroutine of a kind takes what its function takes, and awaits what its function returns");
  Kind kind = make_kind<Function>(name, description);
  kind.async = std::make_shared<const AsyncBody>(AsyncBody{&call_async<typename Signature::Args, Coroutine>});
  return kind;
}

}  // namespace runner

// RUNNER_ASYNC_JOB(name, function, coroutine, description): RUNNER_JOB with a body for the event loop. At namespace scope.
#define RUNNER_ASYNC_JOB(name, function, coroutine, description)            \
  namespace {                                                               \
  const ::runner::KindRegistration RUNNER_JOB_NAME_(__COUNTER__){           \
      ::runner::make_async_kind<&function, &coroutine>(name, description)}; \
  }
