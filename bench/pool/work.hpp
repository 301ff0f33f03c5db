// work.hpp - what is called, in workers and in threads: nothing, or a computation of a known length; and how often.
//
// Called from  any process and thread.
// Fails with   expect: WrongAnswer.
#pragma once

#include <cstdint>
#include <runner/process_pool.hpp>
#include <span>
#include <vector>

#include "bench/ipc/trial.hpp"

namespace runner::bench {

// Gives `number` + 1. Not to be inlined: a call is a call on both sides.
[[nodiscard]] int noop(int number);

// Computes that many rounds, one after another; what comes out depends on each of them.
enum class Rounds : std::uint64_t {};
[[nodiscard]] std::uint64_t compute(Rounds rounds);
// So many that a call takes that long, by the processor time of this thread.
[[nodiscard]] Rounds rounds_of(Seconds length);

// The numbers 0, 1, 2, ... and what noop makes of all of them together.
[[nodiscard]] std::vector<int> first_numbers(std::size_t count);
void expect_sum(std::span<const int> results, const char* who);
void expect(bool right, const char* who);

// Seconds per call, wall time.
[[nodiscard]] Seconds map_noop(ProcessPool& pool, std::span<const int> numbers);
// All submitted, then all waited for; then the next so many.
[[nodiscard]] Seconds submit_noop(ProcessPool& pool, std::size_t calls, std::size_t in_flight);
// One submitted for each that was waited for, so many in flight all the time.
[[nodiscard]] Seconds submit_noop_in_window(ProcessPool& pool, std::size_t calls, std::size_t in_flight);
[[nodiscard]] Seconds map_compute(ProcessPool& pool, std::size_t calls, Rounds rounds);
[[nodiscard]] Seconds submit_compute(ProcessPool& pool, std::size_t calls, std::size_t in_flight, Rounds rounds);

template <class Work>
[[nodiscard]] Seconds seconds_of(Work&& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::steady_clock::now() - began;
}

}  // namespace runner::bench
