// Nobody waits behind somebody else's long call while a worker is idle; no test looks at a clock.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <ranges>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/pool/pools.hpp"

namespace runner {
namespace {

bool sleeps(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  return stat.find(") S ") != std::string::npos;
}

class Fairness : public PoolTest {
 protected:
  Fairness() { ended = &*ended_; }
  SeenByAll<std::atomic<int>> ended_;
  static std::atomic<int>* ended;
};
std::atomic<int>* Fairness::ended = nullptr;
INSTANTIATE_TEST_SUITE_P(With, Fairness, pools_of_some(), over_name);

struct Shared : Fairness {
  // Ends when `others` calls have ended, and answers how many had: fewer when it lost patience.
  static int long_call(int others) {
    static_cast<void>(comes_true([&] { return *ended >= others; }));
    return *ended;
  }
  static int short_call(int x) {
    ++*ended;
    return x;
  }
  // Long for the items that say so, so that one function is both.
  static int either(int others) { return others < 0 ? short_call(0) : long_call(others); }
};

TEST_P(Fairness, AThousandShortCallsAllEndBeforeTheLongOneThatCameFirst) {
  Future<int> slow = pool().submit(&Shared::long_call, 1'000);
  std::vector<Future<int>> quick;
  for (int i = 0; i < 1'000; ++i) quick.push_back(pool().submit(&Shared::short_call, i));
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(quick[static_cast<std::size_t>(i)].get(), i);
  EXPECT_EQ(slow.get(), 1'000);
}

TEST_P(Fairness, WhatOtherThreadsAskForEndsWhileOneWaitsForALongCall) {
  ProcessPool& shared = pool();
  Future<int> slow = shared.submit(&Shared::long_call, 30);
  std::thread waits([&] { EXPECT_EQ(slow.get(), 30); });
  // Sleeping for the pool, and for as long as it takes.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(shared.map(&Shared::short_call, std::views::iota(0, 10)).size(), 10U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(shared.submit(&Shared::short_call, i).get(), i);
  std::vector<Future<int>> several;
  for (int i = 0; i < 10; ++i) several.push_back(shared.submit(&Shared::short_call, i));
  for (int i = 9; i >= 0; --i) EXPECT_EQ(several[static_cast<std::size_t>(i)].get(), i);
  waits.join();
}

TEST_P(Fairness, WhatNobodyWaitsForIsDoneWhileOneWaitsForALongCall) {
  ProcessPool& shared = pool();
  Future<int> slow = shared.submit(&Shared::long_call, 100);
  std::thread waits([&] { EXPECT_EQ(slow.get(), 100); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::vector<Future<int>> later;
  for (int i = 0; i < 100; ++i) later.push_back(shared.submit(&Shared::short_call, i));
  waits.join();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(later[static_cast<std::size_t>(i)].get(), i);
}

TEST_P(Fairness, TheyDoAlsoWhenTheLongOneLooksLikeAllOthers) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pool().submit(&Shared::either, -1).get(), 0);
  *ended_ = 0;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 1'000; ++i) futures.push_back(pool().submit(&Shared::either, i == 400 ? 999 : -1));
  for (int i = 999; i >= 0; --i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), i == 400 ? 999 : 0);
}

TEST_P(Fairness, AFewShortCallsDoNotStayBehindALongOneEither) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pool().submit(&Shared::either, -1).get(), 0);
  *ended_ = 0;
  Future<int> slow = pool().submit(&Shared::either, 3);
  std::vector<Future<int>> quick;
  for (int i = 0; i < 3; ++i) quick.push_back(pool().submit(&Shared::either, -1));
  EXPECT_EQ(slow.get(), 3);
  for (Future<int>& one : quick) EXPECT_EQ(one.get(), 0);
}

// Calls of some length that nobody waits for are spread, also after a burst of short ones that all went to one worker.
TEST_P(Fairness, AfterABurstCallsAreSpreadAsBefore) {
  const auto where = [](int microseconds) {
    if (microseconds != 0) ::usleep(static_cast<useconds_t>(microseconds));
    ++*ended;
    return static_cast<int>(::getpid());
  };
  for (int i = 0; i < 50; ++i) static_cast<void>(pool().submit(where, 200).get());
  for (int burst = 0; burst < 3; ++burst) {
    std::vector<Future<int>> many;
    for (int i = 0; i < 400; ++i) many.push_back(pool().submit(where, 200));
    for (Future<int>& one : many) static_cast<void>(one.get());
    *ended_ = 0;
    std::vector<Future<int>> few;
    for (int i = 0; i < 40; ++i) few.push_back(pool().submit(where, 200));
    // Nobody collects or gives back meanwhile, so each was run by whom it was given to.
    ASSERT_TRUE(comes_true([&] { return *ended_ == 40; }));
    std::map<int, int> by;
    for (Future<int>& one : few) ++by[one.get()];
    EXPECT_EQ(by.size(), GetParam().procs);
    for (const auto& [pid, count] : by) EXPECT_LE(count, 30) << "of 40, on one of " << by.size() << " workers";
  }
}

TEST_P(Fairness, AWorkerThatWasIdleLastGetsTheNextCall) {
  struct Doors {
    std::atomic<int> open[4];
  };
  const SeenByAll<Doors> doors;
  static const Doors* seen = nullptr;
  seen = &*doors;
  const auto behind = [](int door) {
    ::usleep(1'000);  // so that nobody who sleeps costs more to wake than the calls take
    static_cast<void>(comes_true([&] { return seen->open[door] != 0; }));
    return static_cast<int>(::getpid());
  };
  make({.procs = 3, .transport = GetParam().transport, .bind = PoolBind::none});
  doors->open[3] = 1;
  for (int last = 0; last < 3; ++last) {
    for (int door = 0; door < 3; ++door) doors->open[door] = 0;
    std::vector<Future<int>> calls;
    for (int door = 0; door < 3; ++door) calls.push_back(pool().submit(behind, door));
    const auto end = [&](int door) {
      doors->open[door] = 1;
      return calls[static_cast<std::size_t>(door)].get();
    };
    std::set<int> pids{end((last + 1) % 3), end((last + 2) % 3)};
    const int pid = end(last);
    pids.insert(pid);
    EXPECT_EQ(pids.size(), 3U) << "three calls at a time have three workers";
    // One that is still on its way to sleep would rightly be preferred.
    ASSERT_TRUE(comes_true([&] { return std::all_of(pids.begin(), pids.end(), sleeps); }));
    EXPECT_EQ(pool().submit(behind, 3).get(), pid);
  }
}

TEST_P(Fairness, ALongCallDoesNotHoldUpAMap) {
  Future<int> slow = pool().submit(&Shared::long_call, 2'000);
  const std::vector<int> results = pool().map(&Shared::short_call, std::views::iota(0, 2'000));
  EXPECT_EQ(results[1'999], 1'999);
  EXPECT_EQ(slow.get(), 2'000);
}

TEST_P(Fairness, FiveThousandCallsThatSleepFillEveryPlaceAndStillEnd) {
  const auto nap = [](int x) {
    ::usleep(100);
    return x;
  };
  std::vector<Future<int>> futures;
  for (int i = 0; i < 5'000; ++i) futures.push_back(pool().submit(nap, i));
  for (int i = 0; i < 5'000; ++i) ASSERT_EQ(futures[static_cast<std::size_t>(i)].get(), i);
}

TEST_P(Fairness, TakingBackAgainAndAgainFromOneThatRunsLongLosesNoCall) {
  // With few places: what was taken back must not use them up, or push out the call that runs.
  PoolOptions small = options();
  small.depth = 16;
  make(small);
  Future<int> slow = pool().submit(&Shared::either, 3'000);
  for (int round = 0; round < 300; ++round) {
    std::vector<Future<int>> quick;
    for (int i = 0; i < 10; ++i) quick.push_back(pool().submit(&Shared::either, -1));
    for (Future<int>& one : quick) ASSERT_EQ(one.get(), 0);
  }
  EXPECT_EQ(slow.get(), 3'000);
}

}  // namespace
}  // namespace runner
