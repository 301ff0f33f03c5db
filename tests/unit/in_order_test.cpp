// --keep-order: the same records, in the order of the batch.
#include <numeric>
#include <random>
#include <vector>

#include "ipc/os.hpp"
#include "report/in_order.hpp"
#include "tests/unit/records.hpp"

namespace runner::report {
namespace {

using test::command;
using test::Ended;
using test::typed;

// Notes what it is told.
struct Notes final : master::Sink {
  Result<void> ended(const master::JobRecord& record) override {
    ids.push_back(number(record.job.id));
    text += record.job.name + "/" + std::string(kind_of(record.job)) + "/" + describe(record.outcome) + "/" +
            std::string(record.outcome.result.text()) + record.outcome.out.text + "/" + std::to_string(number(record.attempts));
    if (record.outcome.peak_memory) text += "/" + std::to_string(record.outcome.peak_memory->count);
    text += "/" + record.outcome.core;
    for (const std::string& left : record.outcome.left_behind) text += "/" + left;
    text += "\n";
    if (record.outcome.out.spill) {
      std::string all(record.outcome.out.bytes + 1, '\0');
      all.resize(static_cast<std::size_t>(::pread(record.outcome.out.spill.get(), all.data(), all.size(), 0)));
      spilled.push_back(std::move(all));
    }
    return {};
  }
  Result<void> finished(const master::RunTotals&) override {
    over = true;
    return {};
  }
  std::vector<std::uint64_t> ids;
  std::vector<std::string> spilled;
  std::string text;
  bool over = false;
};

std::vector<std::uint64_t> upto(std::uint64_t count) {
  std::vector<std::uint64_t> ids(count);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

Ended job(std::uint64_t id) {
  Ended ended = id % 3 == 0
                    ? command(id, "c" + std::to_string(id), "output " + std::to_string(id), "", static_cast<int>(id % 2))
                    : typed(id, "t" + std::to_string(id), "kind", "result " + std::to_string(id));
  if (id % 7 == 1) ended.outcome.ending = Crashed{11, "evidence"};
  if (id % 7 == 2) ended.outcome.ending = TimedOut{std::chrono::seconds(id), "ended by SIGTERM"};
  if (id % 7 == 4) ended.outcome.ending = Cancelled{"halt"};
  if (id % 7 == 5) ended.outcome.ending = OutOfMemory{"1 GiB"};
  if (id % 5 == 0) ended.outcome.peak_memory = Bytes{id};
  if (id % 5 == 1) ended.outcome.core = "core." + std::to_string(id);
  if (id % 5 == 2) ended.outcome.left_behind = {"sleep (pid " + std::to_string(id) + ")", "sh (pid 1)"};
  ended.attempts = Attempt{static_cast<std::uint32_t>(id % 4 + 1)};
  return ended;
}

class Shuffled : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Shuffled, JobsComeOutInOrderAndUnchanged) {
  const std::size_t files = test::open_files();
  {
    Notes wanted, got;
    for (std::uint64_t id = 0; id < 500; ++id) ASSERT_TRUE(wanted.ended(job(id).record()));
    InOrder sink(got, GetParam());
    std::vector<std::uint64_t> order = upto(500);
    std::shuffle(order.begin(), order.end(), std::mt19937(7));
    for (const std::uint64_t id : order) ASSERT_TRUE(sink.ended(job(id).record()));
    EXPECT_EQ(sink.waiting(), 0U);
    EXPECT_EQ(got.text, wanted.text);
    ASSERT_TRUE(sink.finished({}));
    EXPECT_TRUE(got.over);
  }
  EXPECT_EQ(test::open_files(), files);
}
INSTANTIATE_TEST_SUITE_P(InMemoryAndOnDisk, Shuffled, ::testing::Values(InOrder::kInMemory, 1000, 0));

TEST(InOrder, KeepsLongOutputs) {
  const std::size_t files = test::open_files();
  {
    const std::string first((std::size_t{1} << 20) + 5, 'a'), second((std::size_t{2} << 20) + 1, 'b');
    Notes got;
    InOrder sink(got);
    Ended late = command(2, "two");
    late.outcome.out = test::spilled(second);
    ASSERT_TRUE(sink.ended(late.record()));
    Ended early = command(1, "one");
    early.outcome.out = test::spilled(first);
    ASSERT_TRUE(sink.ended(early.record()));
    EXPECT_EQ(sink.waiting(), 2U);
    ASSERT_TRUE(sink.ended(command(0, "zero").record()));
    EXPECT_EQ(got.ids, upto(3));
    ASSERT_EQ(got.spilled.size(), 2U);
    EXPECT_TRUE(got.spilled[0] == first && got.spilled[1] == second);
  }
  EXPECT_EQ(test::open_files(), files);
}

TEST(InOrder, TellsWhatThereIsWhenSomeNeverCome) {
  Notes got;
  InOrder sink(got);
  for (const std::uint64_t id : {4U, 1U, 0U, 9U}) ASSERT_TRUE(sink.ended(job(id).record()));
  EXPECT_EQ(got.ids, (std::vector<std::uint64_t>{0, 1}));
  EXPECT_EQ(sink.waiting(), 2U);
  ASSERT_TRUE(sink.finished({}));
  EXPECT_EQ(got.ids, (std::vector<std::uint64_t>{0, 1, 4, 9}));
}

TEST(InOrder, LosesNothingWhenItsFileCannotBeWritten) {
  Notes got;
  InOrder sink(got, 0);
  ASSERT_TRUE(sink.ended(job(3).record()));
  os::faults::arm({.nth = 1, .error = ENOSPC, .only = "write"});
  EXPECT_TRUE(sink.ended(job(2).record()));
  os::faults::disarm();
  EXPECT_TRUE(sink.ended(job(0).record()));
  EXPECT_TRUE(sink.ended(job(1).record()));
  EXPECT_EQ(got.ids, (std::vector<std::uint64_t>{3, 2, 0, 1}));
  const Result<void> finished = sink.finished({});
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::unwritable);
  EXPECT_NE(finished.error().text.find("--keep-order could not be kept"), std::string::npos) << finished.error().text;
  EXPECT_TRUE(got.over);
}

}  // namespace
}  // namespace runner::report
