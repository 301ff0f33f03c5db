// Nobody waits behind somebody else's long call while a worker is idle; no test looks at a clock.
#include <ranges>
#include <string>
#include <vector>

#include "tests/pool/pools.hpp"

namespace runner {
namespace {

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
