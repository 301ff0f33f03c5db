// os.hpp - the one seam through which system calls pass, so that a test can make the Nth of them fail.
//
//   const int fd = os::call("open", ::open, path, O_RDONLY | O_CLOEXEC);      // -1 and errno, as the call itself
//   os::faults::arm({.nth = 3, .error = ENOSPC});                             // in a test: the third call from now fails
//   os::point("done");                                                        // a place in the code where a test can kill
//   os::faults::arm({.nth = 2, .only = "done", .signal = SIGKILL});           // in a test: the second time that it is passed
//
// Called from  any thread and any process of ours; a forked process inherits an armed plan and counts for itself.
// Owns         one process-wide fault plan, empty outside of tests.
// Fails with   what the system call fails with; describe() makes a sentence of errno.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "runner/result.hpp"

namespace runner::os {

namespace faults {

struct Plan {
  std::uint64_t nth = 0;       // 1: the next call that matches; 0: none
  int error = 0;               // errno it fails with
  std::string_view only = {};  // the name of a call, or of a point (a literal); empty: any call
  int signal = 0;              // not 0: no call fails; the process gets this signal at the nth passing of the point `only`
};

void arm(const Plan& plan);
void disarm();
// How many matching calls (or points) passed since arm(), in this process. At least `nth` means that the fault was delivered.
[[nodiscard]] std::uint64_t seen();

extern std::atomic<bool> armed;
// Counts the call; true when it is the one that fails. Sets errno then.
[[nodiscard]] bool strikes(const char* name);
// Counts the point; raises the signal when this is the passing that it is meant for.
void pass(const char* name);

}  // namespace faults

// A place in the code at which a test can have the process die. Costs a load.
inline void point(const char* name) {
  if (faults::armed.load(std::memory_order_relaxed)) [[unlikely]]
    faults::pass(name);
}

// Calls function(arguments...) unless the fault plan says that it fails: then -1 (as the type it returns) with errno set.
template <class Function, class... Arguments>
auto call(const char* name, Function&& function, Arguments&&... arguments) {
  using Returned = decltype(function(std::forward<Arguments>(arguments)...));
  if (faults::armed.load(std::memory_order_relaxed)) [[unlikely]] {
    if (faults::strikes(name)) return static_cast<Returned>(-1);
  }
  return function(std::forward<Arguments>(arguments)...);
}

// The same, again while it is interrupted by a signal.
template <class Function, class... Arguments>
auto retry(const char* name, Function&& function, Arguments... arguments) {
  for (;;) {
    auto returned = call(name, function, arguments...);
    if (returned != static_cast<decltype(returned)>(-1) || errno != EINTR) return returned;
  }
}

// A wait call on a child of ours. Only ECHILD says that there is nothing to wait for: after any other error it is tried again
// (not for ever: an old kernel may not know the call), or the child would stay a zombie.
template <class Function, class... Arguments>
auto reap(const char* name, Function&& function, Arguments... arguments) {
  auto returned = retry(name, function, arguments...);
  for (int tries = 1; tries < 3 && returned < 0 && errno != ECHILD; ++tries) returned = retry(name, function, arguments...);
  return returned;
}

// "cannot <doing>: <name of the call>: <what errno says>", and for what people run into (a limit, a full disk, a call that a
// sandbox forbids) which limit it is, how high it is, and what to do.
[[nodiscard]] std::string describe(std::string_view doing, std::string_view call, int error);
[[nodiscard]] tl::unexpected<Error> failure(std::string_view doing, std::string_view call, int error = errno);

}  // namespace runner::os
