#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <fmt/format.h>

#include <atomic>
#include <thread>
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

// The same, with a look at who runs the tasks: those that the thread runs which made them were handed to nobody.
double share_of_other_thread(tbb::task_arena& arena, const std::vector<int>& numbers) {
  std::atomic<std::size_t> by_other{0};
  arena.execute([&] {
    const std::thread::id maker = std::this_thread::get_id();
    tbb::task_group group;
    for (std::size_t done = 0; done < numbers.size(); done += kInFlight) {
      for (std::size_t i = done; i < done + kInFlight; ++i) {
        group.run([&, i] {
          if (noop(numbers[i]) > 0 && std::this_thread::get_id() != maker) by_other.fetch_add(1, std::memory_order_relaxed);
        });
      }
      group.wait();
    }
  });
  return static_cast<double>(by_other) / static_cast<double>(numbers.size());
}

// Tasks that one thread makes and the other runs, all of them.
Seconds enqueue_noop(tbb::task_arena& arena, const std::vector<int>& numbers) {
  std::vector<int> results(numbers.size());
  std::atomic<std::size_t> left{0};
  const Seconds took = seconds_of([&] {
    for (std::size_t done = 0; done < numbers.size(); done += kInFlight) {
      left.store(kInFlight, std::memory_order_relaxed);
      for (std::size_t i = done; i < done + kInFlight; ++i) {
        arena.enqueue([&, i] {
          results[i] = noop(numbers[i]);
          left.fetch_sub(1, std::memory_order_release);
        });
      }
      while (left.load(std::memory_order_acquire) != 0) std::this_thread::yield();
    }
  });
  expect_sum(results, "enqueue");
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
  Table::remark(
      fmt::format("task_group: {:.0f} % of the tasks went to the other thread; those that did not were handed to nobody",
                  100 * share_of_other_thread(arena, some)));
  table.compare({.what = "  the same : enqueue, all to the other thread",
                 .ours = [&] { return submit_noop(pool, some.size(), kInFlight); },
                 .theirs = [&] { return enqueue_noop(arena, some); }});
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
