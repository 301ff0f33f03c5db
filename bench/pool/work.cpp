#include "bench/pool/work.hpp"

#include <time.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <string>

namespace runner::bench {

namespace {

double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Each call gets its number; `check` is given what each of them gave, in their order.
template <class Function, class Argument, class Check>
Seconds submit_in_batches(ProcessPool& pool, std::size_t calls, std::size_t in_flight, Function function,
                          const Argument& argument, const Check& check) {
  using Result = typename TraitsOf<Function>::Returned;
  std::vector<Future<Result>> futures;
  futures.reserve(in_flight);
  return seconds_of([&] {
           for (std::size_t done = 0; done < calls; done += futures.size()) {
             futures.clear();
             const std::size_t batch = std::min(in_flight, calls - done);
             for (std::size_t i = 0; i < batch; ++i) futures.push_back(pool.submit(function, argument(done + i)));
             for (Future<Result>& future : futures) check(future.get());
           }
         }) /
         static_cast<double>(calls);
}

// Of noop for the numbers from 0.
std::int64_t sum_of_noops(std::size_t calls) {
  const auto count = static_cast<std::int64_t>(calls);
  return count * (count + 1) / 2;
}

int number(std::size_t call) { return static_cast<int>(call); }

}  // namespace

[[gnu::noinline]] int noop(int number_given) {
  asm volatile("" : "+r"(number_given));
  return number_given + 1;
}

// A linear congruential generator (Knuth's MMIX): each round needs the one before it.
[[gnu::noinline]] std::uint64_t compute(Rounds rounds) {
  std::uint64_t state = 1;
  for (std::uint64_t left = static_cast<std::uint64_t>(rounds); left > 0; --left) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    asm volatile("" : "+r"(state));
  }
  return state;
}

Rounds rounds_of(Seconds length) {
  // The quickest of several: what disturbs a computation makes it longer.
  static const double each = [] {
    constexpr std::uint64_t rounds = 4'000'000;
    double least = 1;
    for (int trial = 0; trial < 9; ++trial) {
      const double began = processor_seconds();
      static_cast<void>(compute(Rounds{rounds}));
      least = std::min(least, (processor_seconds() - began) / rounds);
    }
    return least;
  }();
  return Rounds{std::max<std::uint64_t>(1, static_cast<std::uint64_t>(length.count() / each))};
}

std::vector<int> first_numbers(std::size_t count) {
  std::vector<int> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

void expect(bool right, const char* who) {
  if (!right) throw WrongAnswer(std::string(who) + ": the results are not those of the calls");
}

void expect_sum(std::span<const int> results, const char* who) {
  expect(std::accumulate(results.begin(), results.end(), std::int64_t{0}) == sum_of_noops(results.size()), who);
}

Seconds map_noop(ProcessPool& pool, std::span<const int> numbers) {
  std::vector<int> results;
  const Seconds took = seconds_of([&] { results = pool.map(noop, numbers); });
  expect(results.size() == numbers.size(), "map");
  expect_sum(results, "map");
  return took / static_cast<double>(numbers.size());
}

Seconds submit_noop(ProcessPool& pool, std::size_t calls, std::size_t in_flight) {
  std::int64_t sum = 0;
  const Seconds each = submit_in_batches(pool, calls, in_flight, noop, number, [&](int result) { sum += result; });
  expect(sum == sum_of_noops(calls), "submit");
  return each;
}

Seconds submit_noop_in_window(ProcessPool& pool, std::size_t calls, std::size_t in_flight) {
  std::int64_t sum = 0;
  std::deque<Future<int>> futures;
  const Seconds took = seconds_of([&] {
    for (std::size_t call = 0; call < calls; ++call) {
      futures.push_back(pool.submit(noop, number(call)));
      if (futures.size() < in_flight) continue;
      sum += futures.front().get();
      futures.pop_front();
    }
    for (; !futures.empty(); futures.pop_front()) sum += futures.front().get();
  });
  expect(sum == sum_of_noops(calls), "submit");
  return took / static_cast<double>(calls);
}

Seconds map_compute(ProcessPool& pool, std::size_t calls, Rounds rounds) {
  const std::vector<Rounds> lengths(calls, rounds);
  std::vector<std::uint64_t> results;
  const Seconds took = seconds_of([&] { results = pool.map(compute, lengths); });
  const std::uint64_t right = compute(rounds);
  expect(results.size() == calls && std::all_of(results.begin(), results.end(), [&](auto one) { return one == right; }), "map");
  return took / static_cast<double>(calls);
}

Seconds submit_compute(ProcessPool& pool, std::size_t calls, std::size_t in_flight, Rounds rounds) {
  const std::uint64_t right = compute(rounds);
  bool all_right = true;
  const Seconds each = submit_in_batches(
      pool, calls, in_flight, compute, [&](std::size_t) { return rounds; },
      [&](std::uint64_t result) { all_right = all_right && result == right; });
  expect(all_right, "submit");
  return each;
}

}  // namespace runner::bench
