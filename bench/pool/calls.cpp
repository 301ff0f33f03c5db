#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <vector>

#include "bench/pool/sections.hpp"
#include "bench/pool/work.hpp"

namespace runner::bench {

namespace {

constexpr int kThreads = 2;

Seconds parallel_for_noop(tbb::task_arena& arena, const std::vector<int>& numbers) {
  std::vector<int> results(numbers.size());
  const Seconds took = seconds_of([&] {
    arena.execute([&] {
      tbb::parallel_for(
          tbb::blocked_range<std::size_t>(0, numbers.size(), 1),
          [&](const tbb::blocked_range<std::size_t>& range) {
            for (std::size_t i = range.begin(); i != range.end(); ++i) results[i] = noop(numbers[i]);
          },
          tbb::simple_partitioner{});
    });
  });
  expect_sum(results, "parallel_for");
  return took / static_cast<double>(numbers.size());
}

Seconds task_group_noop(tbb::task_arena& arena, const std::vector<int>& numbers) {
  std::vector<int> results(numbers.size());
  const Seconds took = seconds_of([&] {
    arena.execute([&] {
      tbb::task_group group;
      for (std::size_t done = 0; done < numbers.size(); done += kInFlight) {
        for (std::size_t i = done; i < done + kInFlight; ++i) group.run([&, i] { results[i] = noop(numbers[i]); });
        group.wait();
      }
    });
  });
  expect_sum(results, "task_group");
  return took / static_cast<double>(numbers.size());
}

}  // namespace

void calls(Table& table, const Scale& scale) {
  ProcessPool pool({.procs = kThreads}), pipes({.procs = kThreads, .transport = PoolTransport::pipe});
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism, kThreads);
  tbb::task_arena arena(kThreads);
  const std::vector<int> many = first_numbers(2'000'000 / scale.less);
  const std::vector<int> some = first_numbers(200 * kInFlight / scale.less);
  const std::size_t through_pipes = 20 * kInFlight / scale.less;

  table.compare({.what = "no-op, map : parallel_for, grain 1",
                 .ours = [&] { return map_noop(pool, many); },
                 .theirs = [&] { return parallel_for_noop(arena, many); },
                 .budget = at_most(1.0, 0.5)});
  table.compare({.what = "no-op, submit, 1 000 in flight : task_group",
                 .ours = [&] { return submit_noop(pool, some.size(), kInFlight); },
                 .theirs = [&] { return task_group_noop(arena, some); },
                 .budget = at_most(1.0, 0.7)});
  table.compare({.what = "  one for each that is back : task_group",
                 .ours = [&] { return submit_noop_in_window(pool, some.size(), kInFlight); },
                 .theirs = [&] { return task_group_noop(arena, some); }});
  table.compare({.what = "no-op, map : the same through pipes",
                 .ours = [&] { return map_noop(pool, many); },
                 .theirs = [&] { return map_noop(pipes, many); }});
  table.compare({.what = "no-op, submit : the same through pipes",
                 .ours = [&] { return submit_noop(pool, some.size(), kInFlight); },
                 .theirs = [&] { return submit_noop(pipes, through_pipes, kInFlight); }});
}

}  // namespace runner::bench
