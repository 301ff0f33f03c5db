// Arguments and results from nothing to megabytes, wherever they travel.
#include <gmock/gmock.h>

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "tests/letters.hpp"
#include "tests/pool/pools.hpp"

namespace runner {
namespace {

class Payloads : public PoolTest {};
INSTANTIATE_TEST_SUITE_P(With, Payloads, pools_of_some(), over_name);

constexpr std::size_t kMiB = std::size_t{1} << 20;
const std::vector<std::size_t> kSizes{0,      1,      63,      64,       65,   79,       80,       4'095,
                                      65'535, 65'536, 262'144, kMiB - 1, kMiB, kMiB + 1, 3 * kMiB, 5 * kMiB};

std::size_t count(const std::string& text) { return text == letters(text.size()) ? text.size() : SIZE_MAX; }
Blob blob_of(std::size_t bytes) { return letters(bytes); }
std::size_t blob_size(const Blob& blob) { return count(std::string(blob.text())); }

// Whether these bytes lie in a segment that another process wrote.
bool in_a_segment(std::span<const std::byte> bytes) {
  std::ifstream maps("/proc/self/maps");
  const auto at = reinterpret_cast<std::uintptr_t>(bytes.data());
  for (std::string line; std::getline(maps, line);) {
    std::size_t used = 0;
    const std::uintptr_t begin = std::stoull(line, &used, 16);
    const std::uintptr_t end = std::stoull(line.substr(used + 1), nullptr, 16);
    if (at >= begin && at + bytes.size() <= end) return line.find("memfd:runner") != std::string::npos;
  }
  return false;
}

TEST_P(Payloads, ResultsOfEverySizeComeBackAsTheyWere) {
  for (const std::size_t bytes : kSizes) EXPECT_TRUE(pool().submit(letters, bytes).get() == letters(bytes)) << bytes;
}

TEST_P(Payloads, ArgumentsOfEverySizeArriveAsTheyWere) {
  for (const std::size_t bytes : kSizes) EXPECT_EQ(pool().submit(count, letters(bytes)).get(), bytes);
}

TEST_P(Payloads, ManyLargeOnesAtOnceAllArrive) {
  std::vector<Future<std::size_t>> counted;
  std::vector<Future<std::string>> made;
  for (std::size_t i = 0; i < 24; ++i) {
    counted.push_back(pool().submit(count, letters(3 * kMiB + i)));
    made.push_back(pool().submit(letters, 2 * kMiB + i));
  }
  for (std::size_t i = 0; i < 24; ++i) {
    EXPECT_EQ(counted[i].get(), 3 * kMiB + i);
    EXPECT_TRUE(made[i].get() == letters(2 * kMiB + i));
  }
}

TEST_P(Payloads, AMapOfLargeItemsGivesLargeResults) {
  std::vector<std::string> items;
  for (std::size_t i = 0; i < 20; ++i) items.push_back(letters(i % 4 == 0 ? 3 * kMiB : 100 * i));
  const std::vector<std::string> results = pool().map([](const std::string& text) { return text + "!"; }, items);
  for (std::size_t i = 0; i < items.size(); ++i) EXPECT_TRUE(results[i] == items[i] + "!") << i;
}

TEST_P(Payloads, ABlobArrivesWithoutACopyWhereMemoryIsShared) {
  const Blob blob = pool().submit(blob_of, 5 * kMiB).get();
  EXPECT_TRUE(blob.text() == letters(5 * kMiB));
  EXPECT_EQ(in_a_segment(blob.bytes()), GetParam().transport == PoolTransport::shm);
  const auto seen = pool().submit([](const Blob& given) { return in_a_segment(given.bytes()); }, blob);
  EXPECT_EQ(pool().submit([](const Blob& given) { return in_a_segment(given.bytes()); }, blob).get(),
            GetParam().transport == PoolTransport::shm);
  EXPECT_EQ(pool().submit(blob_size, blob).get(), 5 * kMiB) << "and may be sent on";
  EXPECT_EQ(pool().submit(blob_size, Blob()).get(), 0U);
}

TEST_P(Payloads, ABlobOutlivesItsPool) {
  const Blob blob = pool().submit(blob_of, 3 * kMiB).get();
  const Blob small = pool().submit(blob_of, 30).get();
  destroy();
  EXPECT_TRUE(blob.text() == letters(3 * kMiB));
  EXPECT_TRUE(small.text() == letters(30));
}

TEST_P(Payloads, AResultAboveTheLimitFailsAndSaysSo) {
  PoolOptions limited = options();
  limited.max_result = Bytes{100'000};
  make(limited);
  const auto outcome = pool().submit(letters, 200'000).outcome();
  ASSERT_TRUE(ended_as<Failed>(outcome));
  EXPECT_THAT(outcome.error().what(), testing::HasSubstr("195 KiB"));
  EXPECT_THAT(outcome.error().what(), testing::HasSubstr("97.7 KiB"));
  EXPECT_EQ(pool().submit(letters, 90'000).get().size(), 90'000U);
  const auto outcomes = pool().map_outcomes(letters, std::vector<std::size_t>{10, 200'000, 20, 100'001, 30});
  for (const std::size_t i : {0U, 2U, 4U}) EXPECT_TRUE(outcomes[i].has_value()) << i;
  for (const std::size_t i : {1U, 3U}) EXPECT_TRUE(ended_as<Failed>(outcomes[i])) << i;
}

TEST_P(Payloads, FitThroughAPoolWithLittleMemory) {
  PoolOptions little = options();
  little.depth = 2;
  little.results = Bytes{4096};
  little.memfd_from = Bytes{8192};
  make(little);
  const std::vector<std::string> results =
      pool().map(letters, std::vector<std::size_t>{0, 100, 1'000, 5'000, 50'000, 500'000, 3, 900, 901, 902, 903, 904});
  EXPECT_EQ(results[5], letters(500'000));
  EXPECT_EQ(results[11], letters(904));
}

}  // namespace
}  // namespace runner
