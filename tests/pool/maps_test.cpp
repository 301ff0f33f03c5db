// map: results in the order of the items, whatever the range, the function and the number of workers.
#include <gmock/gmock.h>

#include <array>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <deque>
#include <numeric>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/letters.hpp"
#include "tests/pool/pools.hpp"

namespace runner {
namespace {

class Maps : public PoolTest {};
INSTANTIATE_TEST_SUITE_P(With, Maps, all_pools(), over_name);

std::int64_t squared(std::int64_t x) { return x * x; }

TEST_P(Maps, GiveResultsInTheOrderOfTheItems) {
  std::vector<std::int64_t> items(20'000);
  std::iota(items.begin(), items.end(), -5'000);
  const std::vector<std::int64_t> results = pool().map(squared, items);
  ASSERT_EQ(results.size(), items.size());
  for (std::size_t i = 0; i < items.size(); ++i) ASSERT_EQ(results[i], items[i] * items[i]);
}

TEST_P(Maps, TakeAnyRangeWithRandomAccess) {
  const std::deque<std::int64_t> deque{3, 1, 2};
  EXPECT_THAT(pool().map(squared, deque), testing::ElementsAre(9, 1, 4));
  const std::array<std::int64_t, 3> array{4, 5, 6};
  EXPECT_THAT(pool().map(squared, std::span(array).last(2)), testing::ElementsAre(25, 36));
  EXPECT_THAT(pool().map(squared, std::views::iota(1, 4)), testing::ElementsAre(1, 4, 9)) << "of a type that converts";
  EXPECT_THAT(pool().map(squared, std::views::iota(std::int64_t{1}, std::int64_t{4})), testing::ElementsAre(1, 4, 9));
  EXPECT_THAT(pool().map(squared, array | std::views::reverse), testing::ElementsAre(36, 25, 16));
  EXPECT_THAT(pool().map([](bool set) { return !set; }, std::vector<bool>{true, false}), testing::ElementsAre(false, true));
}

TEST_P(Maps, OfNothingGiveNothing) {
  EXPECT_TRUE(pool().map(squared, std::vector<std::int64_t>{}).empty());
  EXPECT_TRUE(pool().map_outcomes(squared, std::vector<std::int64_t>{}).empty());
}

TEST_P(Maps, OfAFunctionWithoutAResultRunItForEach) {
  const SeenByAll<std::atomic<std::uint64_t>> sum;
  static std::atomic<std::uint64_t>* seen = nullptr;
  seen = &*sum;
  pool().map([](std::uint64_t x) { seen->fetch_add(x); }, std::views::iota(std::uint64_t{0}, std::uint64_t{5'000}));
  EXPECT_EQ(sum->load(), 4'999U * 5'000U / 2);
}

TEST_P(Maps, CarryResultsOfEverySizeAndOfNone) {
  std::vector<std::size_t> sizes(3'000);
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = i % 7 == 0 ? 0 : i * 37 % 3'000;
  const std::vector<std::string> results = pool().map(letters, sizes);
  for (std::size_t i = 0; i < sizes.size(); ++i) ASSERT_EQ(results[i], letters(sizes[i])) << i;
}

TEST_P(Maps, SurviveAnItemWhoseResultIsAThousandTimesTheUsual) {
  std::vector<std::size_t> sizes(2'000, 3);
  for (const std::size_t large : {0U, 700U, 701U, 1'500U, 1'999U}) sizes[large] = 300'000;
  const std::vector<std::string> results = pool().map(letters, sizes);
  for (std::size_t i = 0; i < sizes.size(); ++i) ASSERT_TRUE(results[i] == letters(sizes[i])) << i;
}

TEST_P(Maps, TakeItemsThatAreSerialized) {
  std::vector<std::vector<std::string>> items;
  for (std::size_t i = 0; i < 1'000; ++i) items.emplace_back(i % 5, std::string(i % 90, 'x'));
  const auto total = [](const std::vector<std::string>& words) {
    std::size_t sum = 0;
    for (const std::string& word : words) sum += word.size();
    return sum;
  };
  const std::vector<std::size_t> results = pool().map(total, items);
  for (std::size_t i = 0; i < items.size(); ++i) ASSERT_EQ(results[i], i % 5 * (i % 90)) << i;
}

// What serialize leaves alone for one item must not be what it set for the item before.
struct Maybe {
  bool has{};
  int value{-1};
  std::string note;
  template <class A>
  void serialize(A& a) {
    a(has, note);
    if (has) a(value);
  }
};

TEST_P(Maps, GiveEachItemArgumentsOfItsOwn) {
  std::vector<Maybe> items(2'000);
  for (std::size_t i = 0; i < items.size(); i += 2) items[i] = {true, static_cast<int>(i), {}};
  const std::vector<int> results = pool().map([](const Maybe& maybe) { return maybe.value; }, items);
  for (std::size_t i = 0; i < items.size(); ++i) ASSERT_EQ(results[i], i % 2 == 0 ? static_cast<int>(i) : -1) << i;
}

struct Secretive {
  std::string text;
  template <class A>
  void save(A& a) const {
    if (text == "secret") throw std::runtime_error("it is a secret");
    a(text);
  }
  template <class A>
  void load(A& a) {
    a(text);
  }
};

TEST_P(Maps, FailOnlyTheItemThatCannotBeWritten) {
  std::vector<Secretive> items(2'000, Secretive{"open"});
  const auto length = [](const Secretive& item) { return item.text.size(); };
  static_cast<void>(pool().map(length, items));
  items[3].text = items[1'200].text = items[1'999].text = "secret";
  const auto outcomes = pool().map_outcomes(length, items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    ASSERT_EQ(ended_as<Failed>(outcomes[i]), items[i].text == "secret") << i;
  }
}

std::int64_t picky(std::int64_t x) {
  if (x % 100 == 17) throw std::out_of_range("not " + std::to_string(x));
  return x;
}

TEST_P(Maps, ThrowWhatBecameOfTheFirstItemWithoutAResult) {
  try {
    static_cast<void>(pool().map(picky, std::views::iota(std::int64_t{0}, std::int64_t{1'000})));
    FAIL() << "it should have thrown";
  } catch (const JobError& error) {
    EXPECT_EQ(error.item(), 17U);
    EXPECT_STREQ(error.what(), "not 17");
  }
}

TEST_P(Maps, OfOutcomesTellOfEachItem) {
  const auto outcomes = pool().map_outcomes(picky, std::views::iota(std::int64_t{0}, std::int64_t{1'000}));
  ASSERT_EQ(outcomes.size(), 1'000U);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    ASSERT_EQ(outcomes[i].has_value(), i % 100 != 17) << i;
    if (outcomes[i]) {
      EXPECT_EQ(*outcomes[i], static_cast<std::int64_t>(i));
    } else {
      EXPECT_EQ(outcomes[i].error().item(), i);
    }
  }
  const auto nothing = pool().map_outcomes(
      [](int x) {
        if (x == 1) throw std::runtime_error("one");
      },
      std::views::iota(0, 3));
  EXPECT_TRUE(nothing[0].has_value() && !nothing[1].has_value() && nothing[2].has_value());
}

TEST_P(Maps, AndCallsGoSideBySide) {
  Future<std::int64_t> before = pool().submit(squared, 11);
  const auto results = pool().map(squared, std::views::iota(std::int64_t{0}, std::int64_t{500}));
  EXPECT_EQ(results[499], 499 * 499);
  EXPECT_EQ(before.get(), 121);
  EXPECT_EQ(pool().submit(squared, 12).get(), 144);
}

// Short texts with a long one now and then: a chunk whose last result does not fit fills the arena, while what lay there before is
// given back. Only what was collected may be.
std::string now_and_then_long(int item) {
  const auto bytes = item % 37 == 0 ? std::size_t{20'000} + static_cast<std::size_t>(item * 997 % 50'000) : std::size_t{24};
  std::string text;
  while (text.size() < bytes) text += std::to_string(item) + ",";
  return text;
}

TEST_P(Maps, OfShortResultsWithALongOneNowAndThenGiveEachItemItsOwn) {
  for (int round = 0; round < 5; ++round) {
    const std::vector<std::string> texts = pool().map(&now_and_then_long, std::views::iota(0, 10'000));
    for (int i = 0; i < 10'000; ++i) ASSERT_EQ(texts[static_cast<std::size_t>(i)], now_and_then_long(i)) << "round " << round;
  }
}

}  // namespace
}  // namespace runner
