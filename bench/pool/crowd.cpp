#include "bench/pool/sections.hpp"
#include "bench/pool/work.hpp"

namespace runner::bench {

namespace {

// Per call, of `rounds` times the same: a thousand calls alone are over in no time.
template <class Once>
Seconds repeated(std::size_t rounds, const Once& once) {
  Seconds sum{};
  for (std::size_t round = 0; round < rounds; ++round) sum += once();
  return sum / static_cast<double>(rounds);
}

}  // namespace

void crowd(Table& table, const Scale& scale) {
  ProcessPool two({.procs = 2}), eight({.procs = 8});
  const std::vector<int> thousand = first_numbers(1000);
  const std::size_t rounds = 60 / scale.less, long_calls = 600 / scale.less;
  const Rounds length = rounds_of(std::chrono::microseconds(200));

  const auto compare = [&](const char* what, const Budget& budget, const std::function<Seconds(ProcessPool&)>& side) {
    table.compare({.what = what, .ours = [&] { return side(eight); }, .theirs = [&] { return side(two); }, .budget = budget});
  };
  compare("map of 1 000 no-ops, 8 workers : 2", at_most(1.5),
          [&](ProcessPool& pool) { return repeated(rounds, [&] { return map_noop(pool, thousand); }); });
  compare("1 000 no-op submits, 8 workers : 2", at_most(1.5),
          [&](ProcessPool& pool) { return repeated(rounds, [&] { return submit_noop(pool, 1000, 1000); }); });
  compare("map of 200 us calls, 8 workers : 2", at_least(0.9),
          [&](ProcessPool& pool) { return map_compute(pool, long_calls, length); });
  compare("submits of 200 us calls, 8 workers : 2", at_least(0.9),
          [&](ProcessPool& pool) { return submit_compute(pool, long_calls, long_calls, length); });
}

}  // namespace runner::bench
