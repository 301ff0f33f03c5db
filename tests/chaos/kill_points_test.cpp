// Workers that are killed at each edge of the protocol: every item ends exactly once, none is run twice, and nobody is charged but
// the one that the worker was in.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <numeric>
#include <runner/job.hpp>
#include <runner/process_pool.hpp>
#include <string>
#include <thread>
#include <vector>

#include "ipc/os.hpp"
#include "master/engines/processes.hpp"
#include "tests/chaos/batch_run.hpp"
#include "tests/chaos/marks.hpp"
#include "tests/silence.hpp"

namespace runner::chaos {
namespace {

// ---- user code ----

constexpr std::size_t kMemfdFrom = 256;

std::uint64_t square(std::uint32_t item) {
  ++marks().began[item];
  os::point("inside");
  ++marks().ended[item];
  return std::uint64_t{item} * item;
}
// Too long for anything but a memfd.
std::string lengthen(std::uint32_t item) {
  ++marks().began[item];
  std::string result(2 * kMemfdFrom, static_cast<char>('a' + item % 26));
  ++marks().ended[item];
  return result;
}
struct Item {
  std::uint32_t item = 0;
  template <class A>
  void serialize(A& a) {
    a(arg("item", item, "its place among the items"));
  }
};
struct Squared {
  std::uint64_t number = 0;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(number));
  }
};
struct Lengthened {
  std::string text;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(text));
  }
};
Squared square_job(const Item& args, JobContext&) { return {square(args.item)}; }
Lengthened lengthen_job(const Item& args, JobContext&) { return {lengthen(args.item)}; }
RUNNER_JOB("chaos_square", square_job, "The square of `item`.")
RUNNER_JOB("chaos_lengthen", lengthen_job, "A long text.")

// ---- ways to die ----

enum class Charged { nobody, one_each, some };
enum class Load { calls, long_calls, jobs, long_jobs, commands };
struct Way {
  PoolTransport transport;
  const char* point;
  Load load;
  Charged charged;  // with each death
};

std::string way_name(const testing::TestParamInfo<Way>& way) {
  const char* const loads[] = {"calls", "long_calls", "jobs", "long_jobs", "commands"};
  return std::string(way.param.transport == PoolTransport::shm ? "shm_" : "pipe_") +
         loads[static_cast<std::size_t>(way.param.load)] + "_" + way.param.point;
}

constexpr auto kShm = PoolTransport::shm, kPipe = PoolTransport::pipe;

class Killed : public testing::TestWithParam<Way> {
 protected:
  // Armed before the workers are forked. Each passes the point twice in peace, so that the whole comes to an end.
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    marks().clear();
    os::faults::arm({.nth = 3, .only = GetParam().point, .signal = SIGKILL});
  }
  void TearDown() override {
    os::faults::disarm();
    ::signal(SIGPIPE, SIG_DFL);
  }

  // Of an item that had a result: its code was run once. Of one that was charged: once at the most.
  static void expect_run_once(std::uint32_t item, bool has_result) {
    const std::uint32_t began = marks().began[item], ended = marks().ended[item];
    EXPECT_LE(began, 1U) << "item " << item << " was run again";
    if (has_result) {
      EXPECT_EQ(ended, 1U) << "item " << item << " has a result, and its code has not ended";
    }
  }
  static void expect_crash(const Ending& ending) {
    const auto* crashed = std::get_if<Crashed>(&ending);
    ASSERT_NE(crashed, nullptr);
    EXPECT_EQ(crashed->signal, SIGKILL);
  }
  static void expect_charges(std::uint64_t charged, std::uint64_t deaths) {
    EXPECT_GT(deaths, 0U) << "nobody died";
    switch (GetParam().charged) {
      case Charged::nobody: EXPECT_EQ(charged, 0U); break;
      case Charged::one_each: EXPECT_EQ(charged, deaths); break;
      case Charged::some: EXPECT_LE(charged, deaths); break;
    }
  }

  Silence silence_;
};

// ---- calls of a process pool ----

class KilledInAPool : public Killed {
 protected:
  template <class R>
  void expect_outcome(std::uint32_t item, const tl::expected<R, JobError>& outcome, const R& wanted) {
    expect_run_once(item, outcome.has_value());
    if (outcome) {
      EXPECT_EQ(*outcome, wanted);
    } else {
      ++charged_;
      expect_crash(outcome.error().ending());
    }
  }
  // One at a time, then many at once, then as a map.
  template <class R>
  void call_all(R (*function)(std::uint32_t), R (*wanted)(std::uint32_t)) {
    const PoolOptions options{.procs = 2, .transport = GetParam().transport, .depth = 16, .memfd_from = {kMemfdFrom}};
    ProcessPool pool(options);
    const auto deaths = [&] {
      std::uint64_t sum = 0;
      for (const PoolWorker& worker : pool.workers()) sum += worker.replaced;
      return sum;
    };
    std::uint32_t next = 0;
    // Some points are passed only when a side fell asleep in time.
    for (; next < 12 || (next < 300 && deaths() == 0); ++next) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      expect_outcome(next, pool.submit(function, next).outcome(), wanted(next));
    }
    std::vector<Future<R>> futures;
    for (std::uint32_t item = next; item < next + 30; ++item) futures.push_back(pool.submit(function, item));
    for (Future<R>& future : futures) {
      expect_outcome(next, future.outcome(), wanted(next));
      ++next;
    }
    std::vector<std::uint32_t> items(200);
    std::iota(items.begin(), items.end(), next);
    const auto outcomes = pool.map_outcomes(function, items);
    for (std::size_t i = 0; i < items.size(); ++i) expect_outcome(items[i], outcomes[i], wanted(items[i]));
    expect_charges(charged_, deaths());
  }

 private:
  std::uint64_t charged_ = 0;
};

INSTANTIATE_TEST_SUITE_P(
    At, KilledInAPool,
    testing::Values(Way{kShm, "claimed", Load::calls, Charged::nobody}, Way{kShm, "entering", Load::calls, Charged::nobody},
                    Way{kShm, "entered", Load::calls, Charged::one_each}, Way{kShm, "inside", Load::calls, Charged::one_each},
                    Way{kShm, "answering", Load::calls, Charged::nobody}, Way{kShm, "done", Load::calls, Charged::nobody},
                    Way{kShm, "ringing", Load::calls, Charged::nobody}, Way{kShm, "sleeping", Load::calls, Charged::nobody},
                    Way{kShm, "woken", Load::calls, Charged::nobody}, Way{kShm, "sealing", Load::long_calls, Charged::one_each},
                    Way{kShm, "sealed", Load::long_calls, Charged::one_each},
                    Way{kShm, "sending", Load::long_calls, Charged::one_each},
                    Way{kShm, "sent", Load::long_calls, Charged::one_each},
                    Way{kShm, "answering", Load::long_calls, Charged::one_each},
                    Way{kShm, "done", Load::long_calls, Charged::nobody}, Way{kPipe, "claimed", Load::calls, Charged::nobody},
                    Way{kPipe, "entering", Load::calls, Charged::nobody}, Way{kPipe, "entered", Load::calls, Charged::one_each},
                    Way{kPipe, "inside", Load::calls, Charged::one_each}, Way{kPipe, "telling", Load::calls, Charged::one_each},
                    Way{kPipe, "told", Load::calls, Charged::some}, Way{kPipe, "answering", Load::calls, Charged::some},
                    Way{kPipe, "done", Load::calls, Charged::nobody}, Way{kPipe, "sleeping", Load::calls, Charged::nobody},
                    Way{kPipe, "woken", Load::calls, Charged::nobody}),
    way_name);

TEST_P(KilledInAPool, EndsEachItemOnceAndChargesOnlyTheOneInside) {
  if (GetParam().load == Load::calls) {
    call_all<std::uint64_t>(&square, [](std::uint32_t item) { return std::uint64_t{item} * item; });
  } else {
    call_all<std::string>(&lengthen,
                          [](std::uint32_t item) { return std::string(2 * kMemfdFrom, static_cast<char>('a' + item % 26)); });
  }
}

// ---- jobs of a batch ----

class KilledInABatch : public Killed {
 protected:
  static std::vector<JobSpec> batch() {
    constexpr std::uint32_t count = 60;
    std::vector<JobSpec> jobs;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::string name = std::to_string(i);
      switch (GetParam().load) {
        case Load::jobs: add(jobs, name, TypedWork{"chaos_square", to_wire(Item{i})}); break;
        case Load::long_jobs: add(jobs, name, TypedWork{"chaos_lengthen", to_wire(Item{i})}); break;
        // Too much output for a pipe: it comes in a file of its own.
        default: add(jobs, name, CommandWork{{"/bin/sh", "-c", "head -c 1200000 /dev/zero"}, "", "", {}}); break;
      }
    }
    return jobs;
  }
  static std::string result_of(std::uint32_t item) {
    if (GetParam().load == Load::jobs) return to_wire(std::uint64_t{item} * item);
    return to_wire(std::string(2 * kMemfdFrom, static_cast<char>('a' + item % 26)));
  }
};

INSTANTIATE_TEST_SUITE_P(
    At, KilledInABatch,
    testing::Values(Way{kShm, "claimed", Load::jobs, Charged::nobody}, Way{kShm, "entering", Load::jobs, Charged::nobody},
                    Way{kShm, "entered", Load::jobs, Charged::one_each}, Way{kShm, "inside", Load::jobs, Charged::one_each},
                    Way{kShm, "answering", Load::jobs, Charged::one_each}, Way{kShm, "done", Load::jobs, Charged::nobody},
                    Way{kShm, "sealing", Load::long_jobs, Charged::one_each},
                    Way{kShm, "sealed", Load::long_jobs, Charged::one_each},
                    Way{kShm, "sending", Load::long_jobs, Charged::one_each},
                    Way{kShm, "sent", Load::long_jobs, Charged::one_each}, Way{kShm, "done", Load::long_jobs, Charged::nobody},
                    Way{kShm, "sending", Load::commands, Charged::one_each},
                    Way{kShm, "sent", Load::commands, Charged::one_each}, Way{kPipe, "claimed", Load::jobs, Charged::nobody},
                    Way{kPipe, "entering", Load::jobs, Charged::nobody}, Way{kPipe, "entered", Load::jobs, Charged::one_each},
                    Way{kPipe, "inside", Load::jobs, Charged::one_each}, Way{kPipe, "answering", Load::jobs, Charged::one_each},
                    Way{kPipe, "done", Load::jobs, Charged::nobody}, Way{kPipe, "sending", Load::commands, Charged::one_each},
                    Way{kPipe, "sent", Load::commands, Charged::one_each}),
    way_name);

TEST_P(KilledInABatch, EndsEachJobOnceAndChargesOnlyTheOneInside) {
  const std::vector<JobSpec> jobs = batch();
  Endings endings(jobs.size());
  Registry registry;
  const auto engine =
      master::make_process_engine({.procs = 2,
                                   .transport = GetParam().transport == kShm ? ipc::Transport::shm : ipc::Transport::pipe,
                                   .start = master::StartMethod::fork,
                                   .bind = master::Bind::none,
                                   .worker_program = {},
                                   .geometry = {.depth = 16, .out_bytes = 64 * 1024, .memfd_from = kMemfdFrom}},
                                  registry);
  const Result<master::RunAnswer> answer = run_all(jobs, *engine, endings);
  ASSERT_TRUE(answer.has_value()) << answer.error().text;
  EXPECT_FALSE(answer->trouble) << answer->trouble->text;
  std::uint64_t charged = 0;
  for (std::uint32_t i = 0; i < jobs.size(); ++i) {
    const Ended& job = endings.jobs[i];
    const bool succeeded = std::holds_alternative<Succeeded>(job.ending);
    EXPECT_EQ(job.times, 1) << "job " << i;
    if (!succeeded) {
      ++charged;
      expect_crash(job.ending);
    }
    if (GetParam().load == Load::commands) continue;
    expect_run_once(i, succeeded);
    if (succeeded) {
      EXPECT_EQ(job.result, result_of(i));
    }
  }
  expect_charges(charged, endings.lost_workers.size());
}

}  // namespace
}  // namespace runner::chaos
