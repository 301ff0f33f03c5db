// What can be called, with what, and what comes back.
#include <gmock/gmock.h>

#include <unistd.h>
#include <array>
#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/pool/pools.hpp"

namespace runner {
namespace {

class Calls : public PoolTest {};
INSTANTIATE_TEST_SUITE_P(With, Calls, all_pools(), over_name);

std::string joined(const std::string& a, const std::string& b, char between) { return a + between + b; }

struct Point {  // lies in memory as it travels
  double x{}, y{};
  bool operator==(const Point&) const = default;
};
Point mirrored(Point point) { return {point.y, point.x}; }

struct Parcel {  // travels as it is serialized
  std::string name;
  std::vector<Point> path;
  std::map<std::string, int> counts;
  bool fragile{};
  bool operator==(const Parcel&) const = default;
  template <class A>
  void serialize(A& a) {
    a(name, path_of_numbers(a), counts, fragile);
  }
  // cereal knows no Point; its numbers do.
  struct Numbers {
    std::vector<Point>& path;
    template <class A>
    void save(A& a) const {
      a(static_cast<std::uint32_t>(path.size()));
      for (const Point& point : path) a(point.x, point.y);
    }
    template <class A>
    void load(A& a) {
      std::uint32_t count = 0;
      a(count);
      path.resize(count);
      for (Point& point : path) a(point.x, point.y);
    }
  };
  template <class A>
  Numbers path_of_numbers(A&) {
    return {path};
  }
};
Parcel reversed(Parcel parcel) {
  for (Point& point : parcel.path) point = mirrored(point);
  ++parcel.counts["handled"];
  parcel.fragile = !parcel.fragile;
  return parcel;
}

// What only refers to something does not compile as an argument or result.
static_assert(kRefers<const char*> && kRefers<std::string_view> && kRefers<std::span<const int>> && kRefers<int (*)()> &&
              kRefers<std::reference_wrapper<int>>);
static_assert(!kRefers<int> && !kRefers<std::string> && !kRefers<std::vector<int>> && !kRefers<std::array<int, 3>>);

TEST_P(Calls, GiveBackWhatTheFunctionReturns) {
  Future<int> future = pool().submit(twice, 21);
  EXPECT_TRUE(future.valid());
  EXPECT_EQ(future.get(), 42);
  EXPECT_FALSE(future.valid()) << "a result is given once";
}

TEST_P(Calls, TakeTextsNumbersAndContainers) {
  EXPECT_EQ(pool().submit(joined, "ab", std::string(100, 'c'), '-').get(), "ab-" + std::string(100, 'c'));
  EXPECT_EQ(pool().submit([](const std::vector<int>& all) { return all.size(); }, std::vector<int>{1, 2, 3}).get(), 3U);
  EXPECT_THAT(pool().submit([](int n) { return std::vector<std::string>(static_cast<std::size_t>(n), "x"); }, 3).get(),
              testing::ElementsAre("x", "x", "x"));
}

TEST_P(Calls, TakeStructsThatLieInMemoryAndStructsThatAreSerialized) {
  EXPECT_EQ(pool().submit(mirrored, Point{1, 2}).get(), (Point{2, 1}));
  const Parcel parcel{"vase", {{1, 2}, {3, 4}}, {{"seen", 7}}, true};
  const Parcel expected{"vase", {{2, 1}, {4, 3}}, {{"handled", 1}, {"seen", 7}}, false};
  EXPECT_TRUE(pool().submit(reversed, parcel).get() == expected);
}

TEST_P(Calls, MayReturnNothing) {
  Future<void> future = pool().submit([](int) {}, 1);
  future.get();
  EXPECT_TRUE(pool().submit([] {}).outcome().has_value());
}

TEST_P(Calls, MayReturnATruthValue) {
  const auto even = [](int x) { return x % 2 == 0; };
  EXPECT_TRUE(pool().submit(even, 4).get());
  EXPECT_FALSE(pool().submit(even, 5).get());
}

TEST_P(Calls, RunInAnotherProcess) {
  EXPECT_NE(pool().submit(::getpid).get(), ::getpid());
  static int changed_by_call = 0;
  pool().submit([] { changed_by_call = 1; }).get();
  EXPECT_EQ(changed_by_call, 0);
}

TEST_P(Calls, MayTakeTheContextOfAJob) {
  const auto asked = [](int x, JobContext& context) { return context.stop_requested() ? -1 : x; };
  EXPECT_EQ(pool().submit(asked, 5).get(), 5);
}

TEST_P(Calls, OwnWhatTheyTakeByValue) {
  const auto longer = [](std::string text) {
    text += "!";
    return text;
  };
  std::string mine = "mine";
  EXPECT_EQ(pool().submit(longer, mine).get(), "mine!");
  EXPECT_EQ(mine, "mine");
  EXPECT_EQ(pool().submit(longer, std::move(mine)).get(), "mine!");
}

TEST_P(Calls, ThatThrowFailWithTheTextOfTheException) {
  const auto thrower = [](int what) -> int {
    if (what == 0) throw std::invalid_argument("no such option: 7");
    if (what == 1) throw 5;
    return what;
  };
  try {
    static_cast<void>(pool().submit(thrower, 0).get());
    FAIL() << "it should have thrown";
  } catch (const JobError& error) {
    EXPECT_TRUE(std::holds_alternative<Failed>(error.ending()));
    EXPECT_STREQ(error.what(), "no such option: 7");
    EXPECT_EQ(error.item(), 0U);
  }
  EXPECT_TRUE(ended_as<Failed>(pool().submit(thrower, 1).outcome()));
  EXPECT_EQ(pool().submit(thrower, 2).get(), 2) << "the worker lives on";
}

TEST_P(Calls, ManyAtOnceAllEndWithTheirOwnResult) {
  std::vector<Future<int>> futures;
  for (int i = 0; i < 3000; ++i) futures.push_back(pool().submit(twice, i));
  for (int i = 2999; i >= 0; --i) ASSERT_EQ(futures[static_cast<std::size_t>(i)].get(), 2 * i);
}

TEST_P(Calls, NeedNoBodyWhoWantsTheirResult) {
  for (int i = 0; i < 100; ++i) static_cast<void>(pool().submit(twice, i));
  EXPECT_EQ(pool().submit(twice, 1).get(), 2);
}

TEST_P(Calls, OfSeveralFunctionsAreNotMixedUp) {
  std::vector<Future<int>> twos;
  std::vector<Future<std::string>> texts;
  for (int i = 0; i < 200; ++i) {
    twos.push_back(pool().submit(twice, i));
    texts.push_back(pool().submit([](int x, const std::string& unit) { return std::to_string(x) + unit; }, i, "km"));
  }
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(twos[static_cast<std::size_t>(i)].get(), 2 * i);
    EXPECT_EQ(texts[static_cast<std::size_t>(i)].get(), std::to_string(i) + "km");
  }
}

TEST_P(Calls, AFutureMayBeMovedAndAssigned) {
  Future<int> first = pool().submit(twice, 1);
  Future<int> second = std::move(first);
  second = pool().submit(twice, 2);
  EXPECT_EQ(second.get(), 4);
  EXPECT_FALSE(Future<int>().valid());
}

struct Unwritable {
  std::string secret;
  template <class A>
  void save(A&) const {
    throw std::runtime_error("it is a secret");
  }
  template <class A>
  void load(A&) {}
};

// What is thrown in the caller's process by its own serialize functions, and is no std::exception.
struct Odd {
  int value = 0;
  std::string text;  // so that it does not lie in memory as it is sent
  template <class Archive>
  void save(Archive& archive) const {
    if (value == 13) throw value;
    archive(value);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(value);
    if (value == 14 && *here == ::getpid()) throw value;
  }
  static inline pid_t* here = nullptr;  // the process whose reading fails
};
Odd odd(Odd given) { return given; }

TEST_P(Calls, WhoseArgumentsThrowWhatIsNoExceptionFailAlone) {
  pid_t me = 0;
  Odd::here = &me;
  Future<Odd> before = pool().submit(odd, Odd{1, {}}), bad = pool().submit(odd, Odd{13, {}}),
              after = pool().submit(odd, Odd{2, {}});
  EXPECT_EQ(before.get().value, 1);
  EXPECT_TRUE(std::holds_alternative<Failed>(bad.outcome().error().ending()));
  EXPECT_EQ(after.get().value, 2);
  const auto outcomes = pool().map_outcomes(odd, std::vector<Odd>{{1, {}}, {13, {}}, {3, {}}, {13, {}}, {5, {}}});
  ASSERT_EQ(outcomes.size(), 5U);
  for (const std::size_t i : {0U, 2U, 4U}) EXPECT_EQ(outcomes[i]->value, static_cast<int>(i) + 1);
  for (const std::size_t i : {1U, 3U}) EXPECT_TRUE(std::holds_alternative<Failed>(outcomes[i].error().ending()));
}

TEST_P(Calls, WhoseResultsThrowWhatIsNoExceptionSpoilNoOthers) {
  pid_t me = 0;
  Odd::here = &me;
  static_cast<void>(pool());
  me = ::getpid();  // of this process only: the workers were forked before
  Future<Odd> bad = pool().submit(odd, Odd{14, {}});
  const auto outcome = bad.outcome();
  ASSERT_TRUE(ended_as<Failed>(outcome));
  EXPECT_THAT(outcome.error().what(), testing::HasSubstr("its result cannot be read: "));
  for (int i = 1; i < 10; ++i) EXPECT_EQ(pool().submit(odd, Odd{i, {}}).get().value, i);
  const auto outcomes = pool().map_outcomes(odd, std::vector<Odd>{{1, {}}, {2, {}}, {14, {}}, {4, {}}});
  for (const std::size_t i : {0U, 1U}) EXPECT_EQ(outcomes[i]->value, static_cast<int>(i) + 1);
  ASSERT_TRUE(ended_as<Failed>(outcomes[2]));
  EXPECT_TRUE(outcomes[3] ? outcomes[3]->value == 4 : ended_as<Failed>(outcomes[3])) << "it lay behind in the same chunk";
  for (const PoolWorker& worker : pool().workers()) EXPECT_EQ(worker.replaced, 0U) << "a worker was taken for a liar";
}

// Its second member is written, and not read.
struct Lopsided {
  std::string value;  // or it would travel as it lies in memory
  template <class A>
  void save(A& a) const {
    a(value, value);
  }
  template <class A>
  void load(A& a) {
    a(value);
  }
};

TEST_P(Calls, WhoseResultsAreNotReadAsTheyWereWrittenFailAndChargeNobodyElse) {
  std::vector<Future<Lopsided>> bad;
  std::vector<Future<int>> good;
  for (int i = 0; i < 100; ++i) {
    bad.push_back(pool().submit([](int value) { return Lopsided{std::to_string(value)}; }, i));
    good.push_back(pool().submit(twice, i));
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(ended_as<Failed>(bad[static_cast<std::size_t>(i)].outcome()));
    EXPECT_EQ(good[static_cast<std::size_t>(i)].get(), 2 * i);
  }
  for (const PoolWorker& worker : pool().workers()) EXPECT_EQ(worker.replaced, 0U);
}

TEST_P(Calls, ThatThrowAnExceptionWithoutWordsFailWithWordsOfOurs) {
  struct Wordless : std::exception {
    [[nodiscard]] const char* what() const noexcept override { return nullptr; }
  };
  const auto outcome = pool().submit([](int) -> int { throw Wordless(); }, 1).outcome();
  ASSERT_TRUE(ended_as<Failed>(outcome));
  EXPECT_THAT(outcome.error().what(), testing::HasSubstr("an exception that says nothing"));
}

struct Movable {
  std::unique_ptr<int> value;
  template <class A>
  void save(A& a) const {
    a(*value);
  }
  template <class A>
  void load(A& a) {
    value = std::make_unique<int>();
    a(*value);
  }
};

TEST_P(Calls, GiveResultsThatCanOnlyBeMoved) {
  const auto make = [](int value) { return Movable{std::make_unique<int>(value)}; };
  EXPECT_EQ(*pool().submit(make, 7).get().value, 7);
  const auto outcomes = pool().map_outcomes(make, std::vector<int>{1, 2, 3});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*outcomes[static_cast<std::size_t>(i)]->value, i + 1);
}

TEST_P(Calls, HaveOneResultToGive) {
  Future<int> once = pool().submit(twice, 2);
  EXPECT_EQ(once.get(), 4);
  EXPECT_THROW(once.get(), std::logic_error);
  EXPECT_THROW(static_cast<void>(once.outcome()), std::logic_error);
  EXPECT_THROW(static_cast<void>(Future<int>().ready()), std::logic_error);
}

TEST_P(Calls, WhoseArgumentsCannotBeWrittenFailAlone) {
  Future<int> bad = pool().submit([](const Unwritable&) { return 1; }, Unwritable{});
  Future<int> good = pool().submit(twice, 3);
  EXPECT_TRUE(ended_as<Failed>(bad.outcome()));
  EXPECT_EQ(good.get(), 6);
}

}  // namespace
}  // namespace runner
