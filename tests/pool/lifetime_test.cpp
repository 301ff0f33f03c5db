// When a pool can be made, who may use it, and what its end means for what was under way.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include "tests/pool/pools.hpp"

namespace runner {
namespace {

class Lifetime : public PoolTest {};
INSTANTIATE_TEST_SUITE_P(With, Lifetime, pools_of_some(), over_name);

TEST_P(Lifetime, APoolHasTheWorkersThatWereAskedFor) {
  EXPECT_EQ(pool().procs(), GetParam().procs);
  const std::vector<PoolWorker> workers = pool().workers();
  ASSERT_EQ(workers.size(), GetParam().procs);
  for (const PoolWorker& worker : workers) {
    EXPECT_EQ(::kill(worker.pid, 0), 0);
    EXPECT_EQ(worker.replaced, 0U);
  }
}

TEST_P(Lifetime, AFutureMayOutliveItsPool) {
  Future<int> ended = pool().submit(twice, 1);
  Future<int> taken = pool().submit(twice, 2);
  EXPECT_EQ(taken.get(), 4);
  Future<int> running = pool().submit(for_ever, 1);
  std::vector<Future<int>> behind;
  for (int i = 0; i < 2'000; ++i) behind.push_back(pool().submit(for_ever, i));
  destroy();
  const auto outcome = running.outcome();
  ASSERT_TRUE(ended_as<Cancelled>(outcome));
  EXPECT_THAT(outcome.error().what(), testing::HasSubstr("pool"));
  for (Future<int>& one : behind) EXPECT_TRUE(ended_as<Cancelled>(one.outcome()));
  const auto either = ended.outcome();
  EXPECT_TRUE(either.has_value() ? *either == 2 : ended_as<Cancelled>(either));
}

int die_or_stay(int x) {
  if (x == 0) ::raise(SIGKILL);
  return for_ever(x);
}
int zygote() {
  std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (int pid = 0; children >> pid;) {
    std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    if (std::getline(comm, name) && name == "runner-zygote") return pid;
  }
  return -1;
}

TEST_P(Lifetime, APoolThatCannotReplaceItsWorkersSaysSoToEverybodyAndEnds) {
  Future<int> waiting = pool().submit(for_ever, 1);
  const int from_which_workers_come = zygote();
  ASSERT_GT(from_which_workers_come, 0);
  ASSERT_EQ(::kill(from_which_workers_come, SIGKILL), 0);
  // One item's worker dies while others are still in theirs: they are the map's, and that is gone.
  EXPECT_THROW(static_cast<void>(pool().map(die_or_stay, std::views::iota(0, 20))), PoolError);
  EXPECT_THROW(static_cast<void>(pool().map(twice, std::views::iota(0, 20))), PoolError);
  EXPECT_THROW(static_cast<void>(pool().submit(twice, 1)), PoolError);
  EXPECT_THROW(static_cast<void>(pool().workers()), PoolError);
  EXPECT_THROW(waiting.get(), PoolError);
  destroy();
  EXPECT_TRUE(ended_as<Cancelled>(waiting.outcome()));
}

TEST_P(Lifetime, APoolThatIsDestroyedAtOnceLeavesNothing) {
  static_cast<void>(pool());
  destroy();
}

TEST_P(Lifetime, APoolThatIsDestroyedWithWorkNobodyWaitsForLeavesNothing) {
  for (int i = 0; i < 100; ++i) static_cast<void>(pool().submit(i % 2 == 0 ? twice : for_ever, i));
  destroy();
}

TEST_P(Lifetime, PoolsMayFollowEachOtherAndStandSideBySide) {
  for (int i = 0; i < 5; ++i) {
    make(options());
    EXPECT_EQ(pool().submit(twice, i).get(), 2 * i);
  }
  ProcessPool second(options());
  Future<int> here = pool().submit(twice, 1);
  EXPECT_EQ(second.submit(twice, 2).get(), 4);
  EXPECT_EQ(here.get(), 2);
}

TEST_P(Lifetime, SeveralThreadsMayUseOnePool) {
  ProcessPool& shared = pool();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&shared, t] {
      for (int round = 0; round < 20; ++round) {
        std::vector<Future<int>> futures;
        for (int i = 0; i < 50; ++i) futures.push_back(shared.submit(twice, 1'000 * t + i));
        const std::vector<int> mapped = shared.map(twice, std::views::iota(1'000 * t, 1'000 * t + 300));
        for (int i = 0; i < 300; ++i) ASSERT_EQ(mapped[static_cast<std::size_t>(i)], 2 * (1'000 * t + i));
        for (int i = 0; i < 50; ++i) ASSERT_EQ(futures[static_cast<std::size_t>(i)].get(), 2 * (1'000 * t + i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(Lifetime, AThreadMayWaitForACallWhileAnotherMaps) {
  ProcessPool& shared = pool();
  Future<int> slow = shared.submit([](int ms) { return ::usleep(static_cast<useconds_t>(ms) * 1'000); }, 100);
  std::thread waiting([&] { EXPECT_EQ(slow.get(), 0); });
  for (int round = 0; round < 50; ++round) EXPECT_EQ(shared.map(twice, std::views::iota(0, 100))[99], 198);
  waiting.join();
}

TEST(Pool, IsRefusedToAProgramWithASecondThread) {
  const Silence silence;
  std::atomic<bool> stop{false};
  std::thread second([&] {
    while (!stop) std::this_thread::yield();
  });
  EXPECT_THROW(ProcessPool({.procs = 1}), PoolError);
  stop = true;
  second.join();
}

TEST(Pool, IsNotRefusedBecauseOfAThreadThatWasJoinedAMomentAgo) {
  const Silence silence;
  for (int i = 0; i < 50; ++i) {
    std::thread([] {}).join();
    EXPECT_NO_THROW(ProcessPool({.procs = 1}));
  }
}

TEST(Pool, RefusesOptionsThatCannotBe) {
  const Silence silence;
  EXPECT_THROW(ProcessPool({.procs = 1, .depth = 0}), PoolError);
  EXPECT_THROW(ProcessPool({.procs = 1, .depth = 3}), PoolError);
  EXPECT_THROW(ProcessPool({.procs = 1'000'000}), PoolError);
}

TEST(Pool, HasAsManyWorkersAsThereAreProcessorsWhenNobodySays) {
  const Silence silence;
  const ProcessPool pool;
  EXPECT_GE(pool.procs(), 1U);
  EXPECT_EQ(pool.workers().size(), pool.procs());
}

TEST(Pool, RefusesAFunctionThatWasLoadedAfterIt) {
  const Silence silence;
  ProcessPool pool({.procs = 1});
  void* library = ::dlopen(RUNNER_FOREIGN_LIBRARY, RTLD_NOW);
  ASSERT_NE(library, nullptr) << ::dlerror();
  using Answer = int (*)();
  const auto answer = reinterpret_cast<Answer>(::dlsym(library, "foreign_answer"));
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer(), 42);
  EXPECT_THROW(static_cast<void>(pool.submit(answer)), PoolError);
  EXPECT_EQ(pool.submit(twice, 1).get(), 2) << "and goes on";
  ProcessPool later({.procs = 1});
  EXPECT_EQ(later.submit(answer).get(), 42);
  ::dlclose(library);
}

TEST(Pool, RefusesANullFunction) {
  const Silence silence;
  ProcessPool pool({.procs = 1});
  int (*nothing)(int) = nullptr;
  EXPECT_THROW(static_cast<void>(pool.submit(nothing, 1)), PoolError);
  EXPECT_THROW(static_cast<void>(pool.map(nothing, std::vector<int>{1})), PoolError);
}

}  // namespace
}  // namespace runner
