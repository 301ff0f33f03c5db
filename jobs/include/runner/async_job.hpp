// async_job.hpp - a kind's second body, for the event loop: a coroutine that waits instead of blocking.
//
// Called from  the async engine's only thread. Apart from kind.hpp so that kinds without one need no Boost.Asio.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <span>
#include <string>

#include "runner/job_context.hpp"

namespace runner {

struct AsyncBody {
  // Wire bytes of the arguments -> wire bytes of the result. `args` lives until the coroutine ends. Cancellation reaches it
  // through Asio's cancellation slot; throws as `Kind::call` does.
  boost::asio::awaitable<std::string> (*call)(std::span<const std::byte> args, JobContext& context) = nullptr;
};

}  // namespace runner
