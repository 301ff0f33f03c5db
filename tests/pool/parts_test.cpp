// The small deciding parts of the pool: how many items go into a request, how long to look before sleeping, how functions are named.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "ipc/modules.hpp"
#include "ipc/spin_budget.hpp"
#include "master/pool/chunking.hpp"

namespace runner {
namespace {

using master::Chunking;

constexpr std::size_t kMany = 10'000'000, kPlenty = std::size_t{1} << 20;

TEST(Chunks, AreOfOneItemWhileNothingIsKnown) { EXPECT_EQ(Chunking::next(kMany, 8, std::nullopt, 0, kPlenty), 1U); }

TEST(Chunks, AreWorthARequest) {
  for (const double mean : {20.0, 100.0, 1'000.0}) {
    const double work = mean * Chunking::next(kMany, 2, mean, 0, kPlenty);
    EXPECT_LE(work, static_cast<double>(Chunking::kWorth.count()));
    EXPECT_GT(work, static_cast<double>(Chunking::kWorth.count()) - mean - 1);
  }
}

TEST(Chunks, OfLongItemsAreOfOneItem) {
  EXPECT_EQ(Chunking::next(kMany, 2, 20'001.0, 0, kPlenty), 1U);
  EXPECT_EQ(Chunking::next(kMany, 2, 1e12, 0, kPlenty), 1U);
}

TEST(Chunks, HaveALimitHoweverShortTheItemsAre) {
  EXPECT_EQ(Chunking::next(kMany, 2, 0.0, 0, kPlenty), Chunking::kMostItems);
  EXPECT_EQ(Chunking::next(kMany, 2, -5.0, 0, kPlenty), Chunking::kMostItems) << "whatever a liar's clock gave";
}

TEST(Chunks, ShrinkTowardTheEndButNotBelowWhatIsWorthIt) {
  const double mean = 50;
  std::uint32_t before = Chunking::next(kMany, 4, mean, 0, kPlenty);
  std::size_t left = 4'000;
  while (left != 0) {
    const std::uint32_t items = Chunking::next(left, 4, mean, 0, kPlenty);
    ASSERT_GE(items, 1U);
    ASSERT_LE(items, left);
    EXPECT_LE(items, before);
    if (left >= 40) {
      EXPECT_GE(items, 40U) << "two microseconds";
    }
    before = items;
    left -= items;
  }
}

TEST(Chunks, GiveResultsNoMoreRoomThanThereIs) {
  EXPECT_EQ(Chunking::next(kMany, 2, 1.0, 1'024, 64 * 1'024), 64U);
  EXPECT_EQ(Chunking::next(kMany, 2, 1.0, 1'000'000, 64 * 1'024), 1U);
  EXPECT_EQ(Chunking::next(kMany, 2, 1.0, SIZE_MAX, 64 * 1'024), 1U);
}

TEST(Spinning, IsAllowedTwiceWhatTheLastWaitsTook) {
  ipc::SpinBudget budget;
  for (int i = 0; i < 200; ++i) budget.met(1'000);
  EXPECT_NEAR(static_cast<double>(budget.next_ns(10'000)), 2'000, 20);
}

TEST(Spinning, IsNeverLongerThanAllowedAndNeverShorterThanOneLook) {
  ipc::SpinBudget budget;
  for (int i = 0; i < 200; ++i) budget.met(1'000'000);
  EXPECT_EQ(budget.next_ns(10'000), 10'000);
  EXPECT_EQ(budget.next_ns(0), 0);
  for (int i = 0; i < 200; ++i) budget.met(0);
  EXPECT_EQ(budget.next_ns(10'000), ipc::SpinBudget::kLeastNs);
}

TEST(Spinning, InVainDoesNotForbidItForEver) {
  ipc::SpinBudget budget;
  for (int i = 0; i < 200; ++i) budget.missed(10'000);
  for (int i = 0; i < 40; ++i) budget.met(100);
  EXPECT_LT(budget.next_ns(10'000), 1'000);
}

int some_function(int x) { return x + 1; }
void (*any(int (*function)(int)))() { return reinterpret_cast<void (*)()>(function); }

TEST(Modules, NameAFunctionSoThatItIsFoundAgain) {
  const ipc::Modules modules = ipc::Modules::take();
  const std::optional<ipc::FunctionName> name = modules.name_of(any(some_function));
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(modules.find(*name), any(some_function));
  const auto of_the_library = reinterpret_cast<void (*)()>(::dlsym(RTLD_DEFAULT, "getpid"));
  const std::optional<ipc::FunctionName> another = modules.name_of(of_the_library);
  ASSERT_TRUE(another.has_value());
  EXPECT_EQ(modules.find(*another), of_the_library);
}

TEST(Modules, NameNothingThatIsNoCode) {
  const ipc::Modules modules = ipc::Modules::take();
  static int data = 0;
  EXPECT_FALSE(modules.name_of(nullptr).has_value());
  EXPECT_FALSE(modules.name_of(reinterpret_cast<void (*)()>(&data)).has_value());
  EXPECT_FALSE(modules.name_of(reinterpret_cast<void (*)()>(UINTPTR_MAX)).has_value());
}

TEST(Modules, FindNothingOutsideTheCodeTheyKnow) {
  const ipc::Modules modules = ipc::Modules::take();
  const ipc::FunctionName name = modules.name_of(any(some_function)).value();
  constexpr ipc::FunctionName module = ipc::FunctionName{1} << 48;
  EXPECT_EQ(modules.find(name | (module - 1)), nullptr) << "an offset beyond its end";
  EXPECT_EQ(modules.find(name + 60'000 * module), nullptr) << "a module that is not there";
  EXPECT_EQ(modules.find(UINT64_MAX), nullptr);
  EXPECT_EQ(ipc::Modules().find(name), nullptr);
}

TEST(Modules, DoNotKnowWhatIsLoadedLater) {
  const ipc::Modules before = ipc::Modules::take();
  void* library = ::dlopen(RUNNER_FOREIGN_LIBRARY, RTLD_NOW);
  ASSERT_NE(library, nullptr) << ::dlerror();
  const auto answer = reinterpret_cast<void (*)()>(::dlsym(library, "foreign_answer"));
  EXPECT_FALSE(before.name_of(answer).has_value());
  EXPECT_TRUE(ipc::Modules::take().name_of(answer).has_value());
  ::dlclose(library);
}

}  // namespace
}  // namespace runner
