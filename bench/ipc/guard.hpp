// guard.hpp - runs the measurement in a process of its own and cleans up after it, however it ends.
//
// A mechanism that is measured may hang for good (a Boost queue whose receiver died does), and code that cleans up in a signal
// handler cannot be trusted; so the process that was started by the person only waits: for the end of the measuring process,
// for SIGINT, SIGTERM and SIGHUP, or for the time to be up. Then it kills what is left by pid, waits for it, and removes the
// brief name.
//
// Called from  main, with one thread; once after another, as often as there is something to measure.
// Owns         the measuring process, and what that leaves behind: this process is its subreaper.
// Survives     its own SIGKILL: the measuring process dies with it, and the children with that.
#pragma once

#include <chrono>
#include <functional>

namespace runner::bench {

// The exit status: that of `measure`, 2 when it crashed or took longer than `at_most`, 128 + n after signal n. `program` begins
// what is complained of.
[[nodiscard]] int guarded(const char* program, const std::function<int()>& measure, std::chrono::seconds at_most);

}  // namespace runner::bench
