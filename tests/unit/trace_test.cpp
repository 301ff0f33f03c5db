// --trace: from attempts to events, and what is left out when there are too many.
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "report/trace.hpp"
#include "tests/unit/records.hpp"

namespace runner::report {
namespace {

using master::Span;
using nlohmann::json;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using test::content;
using test::typed;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const TimePoint kBegan = TimePoint{} + std::chrono::hours(1);

// Each span is one microsecond longer than the one before it, from 1 on.
TracedAttempt attempt(Duration seen) {
  TracedAttempt one{JobId{7}, "job", Attempt{2}, WorkerId{3}, "ok", {}, {}, false};
  for (std::size_t i = 0; i < master::kSpans; ++i) one.costs.spans[static_cast<Span>(i)] = microseconds(i + 1);
  one.costs.seen = kBegan + seen;
  one.costs.sampled = 1;
  one.costs.measured = true;
  return one;
}

// "X 4 execute 110 6"
std::vector<std::string> brief(const std::vector<TraceEvent>& events) {
  std::vector<std::string> all;
  for (const TraceEvent& event : events) {
    all.push_back(std::string(1, static_cast<char>(event.phase)) + " " +
                  std::to_string(static_cast<std::uint32_t>(event.lane)) + " " + std::string(event.name) + " " +
                  std::to_string(event.at.count()) + " " + std::to_string(event.length.count()));
  }
  return all;
}

TEST(TraceEvents, OfAnAttemptLieOneAfterTheOtherOnItsWorkersLane) {
  EXPECT_THAT(
      brief(events_of(attempt(microseconds(100)), 0, kBegan)),
      ElementsAre("X 4 job 93000 25000", "f 4 request 93000 0", "X 4 wake_up 93000 4000", "X 4 transport 97000 3000",
                  "X 4 deserialize 100000 5000", "X 4 execute 105000 6000", "X 4 answer 111000 7000", "s 4 reply 117999 0"));
}

TEST(TraceEvents, OfTheMasterAreSerializeBeforeTheWaitAndCollectAfterTheAnswer) {
  const TracedAttempt one = attempt(microseconds(100));
  std::vector<MasterSlice> slices;
  slices_of(one, 0, kBegan, slices);
  ASSERT_THAT(slices, SizeIs(2));
  EXPECT_THAT(brief(events_of(slices[0], one)), ElementsAre("X 0 serialize 90000 2000", "s 0 request 90000 0"));
  EXPECT_THAT(brief(events_of(slices[1], one)), ElementsAre("X 0 collect 118000 8000", "f 0 reply 118000 0"));
}

TEST(TraceEvents, HaveTheSameNumberAtBothEndsOfAnArrowAndNoOtherHasIt) {
  std::vector<std::uint64_t> flows;
  for (std::uint64_t id = 0; id < 3; ++id) {
    const TracedAttempt one = attempt(microseconds(100));
    std::vector<MasterSlice> slices;
    slices_of(one, id, kBegan, slices);
    std::vector<TraceEvent> events = events_of(one, id, kBegan);
    for (const MasterSlice& slice : slices) {
      for (TraceEvent& event : events_of(slice, one)) events.push_back(std::move(event));
    }
    for (const TraceEvent& event : events) {
      if (event.flow != 0) flows.push_back(event.flow);
    }
  }
  std::sort(flows.begin(), flows.end());
  EXPECT_THAT(flows, ElementsAre(1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6));
}

TEST(TraceEvents, HaveNoArrowsWithoutAllStamps) {
  TracedAttempt one = attempt(microseconds(100));
  one.costs.sampled = 0;
  std::vector<MasterSlice> slices;
  slices_of(one, 0, kBegan, slices);
  EXPECT_THAT(slices, IsEmpty());
  for (const TraceEvent& event : events_of(one, 0, kBegan)) {
    EXPECT_EQ(event.phase, Phase::complete);
    EXPECT_THAT(event.args, testing::Not(HasSubstr("costs")));
  }
}

TEST(TraceEvents, OfAnUnmeasuredAttemptAreOneInstantOnTheMastersLane) {
  TracedAttempt one = attempt({});
  one.costs = {};
  one.status = "cancelled";
  one.told = milliseconds(5);
  EXPECT_THAT(brief(events_of(one, 0, kBegan)), ElementsAre("i 0 job 5000000 0"));
}

TEST(TraceEvents, MarkAnAttemptThatIsTriedAgain) {
  TracedAttempt one = attempt(microseconds(100));
  one.retried = true;
  EXPECT_EQ(brief(events_of(one, 0, kBegan)).back(), "i 4 retry 118000 0");
}

TEST(TraceEvents, NeverLieBeforeTheRun) {
  for (const TraceEvent& event : events_of(attempt(microseconds(2)), 0, kBegan)) {
    EXPECT_GE(event.at, Duration::zero());
    EXPECT_GE(event.length, Duration::zero());
  }
}

// As of a whole trace, but for arrows and marks; and of what there was room for no byte is asked for.
TEST(TraceEvents, OfADyingProgramAreTheSameSlices) {
  TracedAttempt one = attempt(microseconds(100));
  one.retried = true;
  one.name = std::string(Trace::kMostOfName, '\x01');
  std::string whole, outline;
  for (const TraceEvent& event : events_of(one, 0, kBegan)) {
    if (event.phase != Phase::complete) continue;
    if (!whole.empty()) whole += ",\n";
    append_event(whole, event);
  }
  outline.reserve(4096);
  const char* const there = outline.data();
  append_outline(outline, one, kBegan);
  EXPECT_EQ(outline, whole);
  EXPECT_EQ(outline.data(), there);
  outline.clear();
  one.costs = {};
  append_outline(outline, one, kBegan);
  whole.clear();
  append_event(whole, events_of(one, 0, kBegan).at(0));
  EXPECT_EQ(outline, whole);
}

TEST(TraceEvents, AreJsonWithNanosecondsAsFractions) {
  TraceEvent event{Phase::complete, Lane{1}, "job", "a \"b\"\n", Duration(1'234'567), Duration(50), 0, R"({"x":1})"};
  std::string out;
  append_event(out, event);
  EXPECT_EQ(out, R"({"ph":"X","pid":1,"tid":1,"ts":1234.567,"dur":0.050,"cat":"job","name":"a \"b\"\n","args":{"x":1}})");
}

// ---- the master's lane ----

using Pairs = std::vector<std::pair<int, int>>;
Pairs nested(const Pairs& pairs) {
  std::vector<MasterSlice> slices;
  for (const auto& [begin, end] : pairs) slices.push_back({Duration(begin), Duration(end), slices.size(), true});
  nest(slices);
  Pairs out;
  for (const MasterSlice& slice : slices) out.emplace_back(slice.begin.count(), slice.end.count());
  return out;
}

TEST(MasterSlices, StayWhereTheyAreWhenTheyNest) {
  EXPECT_EQ(nested({{20, 30}, {3, 4}, {1, 10}}), (Pairs{{1, 10}, {3, 4}, {20, 30}}));
  EXPECT_EQ(nested({{2, 10}, {1, 10}}), (Pairs{{1, 10}, {2, 10}}));
}

TEST(MasterSlices, BeginWhereTheOneEndsThatTheyWouldOverlapInPart) {
  EXPECT_EQ(nested({{1, 10}, {5, 12}}), (Pairs{{1, 10}, {10, 12}}));
  EXPECT_EQ(nested({{1, 10}, {2, 5}, {4, 8}, {4, 15}, {12, 20}}), (Pairs{{1, 10}, {2, 5}, {5, 8}, {10, 15}, {15, 20}}));
}

TEST(MasterSlices, BeginAfterTheOneThatTheyLieIn) {
  EXPECT_EQ(nested({{1, 10}, {1, 10}, {1, 10}, {1, 5}}), (Pairs{{1, 10}, {2, 10}, {3, 10}, {4, 5}}));
  EXPECT_EQ(nested({{1, 10}, {5, 12}, {6, 12}, {7, 12}}), (Pairs{{1, 10}, {10, 12}, {11, 12}, {11, 12}}))
      << "as far as there is room";
  EXPECT_EQ(nested({{1, 2}, {1, 2}}), (Pairs{{1, 2}, {1, 2}}));
  Pairs burst;
  for (int i = 0; i < 100'000; ++i) burst.emplace_back(1000, 1'000'000);
  EXPECT_EQ(nested(burst).back(), (std::pair{1000 + 99'999, 1'000'000}));
}

// ---- bounds ----

std::vector<int> thinned(int offered, std::size_t most) {
  Thinned<int> all(most);
  for (int i = 0; i < offered; ++i) {
    if (all.next()) all.keep(i);
  }
  EXPECT_EQ(all.offered(), static_cast<std::uint64_t>(offered));
  return all.kept();
}

TEST(Thinned, KeepsAllThatFit) { EXPECT_THAT(thinned(4, 4), ElementsAre(0, 1, 2, 3)); }

TEST(Thinned, KeepsEverySecondThenEveryFourth) {
  EXPECT_THAT(thinned(5, 4), ElementsAre(0, 2, 4));
  EXPECT_THAT(thinned(8, 4), ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(thinned(9, 4), ElementsAre(0, 4, 8));
  EXPECT_THAT(thinned(17, 4), ElementsAre(0, 8, 16));
}

TEST(Thinned, IsEvenAndWithinItsBoundHoweverManyThereAre) {
  for (const std::size_t most : {2U, 3U, 7U, 64U}) {
    for (int offered = 0; offered < 1000; ++offered) {
      const std::vector<int> kept = thinned(offered, most);
      ASSERT_LE(kept.size(), most);
      ASSERT_GE(kept.size(), std::min<std::size_t>(static_cast<std::size_t>(offered), most / 2));
      for (std::size_t i = 2; i < kept.size(); ++i) ASSERT_EQ(kept[i] - kept[i - 1], kept[1] - kept[0]);
    }
  }
}

TEST(LoadProfile, HasTheSameSumHoweverLongTheRunBecomes) {
  LoadProfile load;
  Duration all{};
  for (int i = 0; i < 3000; ++i) {
    const Duration from = microseconds(37) * i, to = from + microseconds(55) + Duration(i);
    load.add(from, to);
    all += to - from;
  }
  EXPECT_GT(load.width(), LoadProfile::kFirstWidth);
  EXPECT_LE(load.parts(), LoadProfile::kParts);
  double sum = 0;
  for (std::size_t part = 0; part < load.parts(); ++part) sum += load.mean(part) * static_cast<double>(load.width().count());
  EXPECT_NEAR(sum, static_cast<double>(all.count()), 1);
}

TEST(LoadProfile, CountsThoseThatAreThereAtTheSameTime) {
  LoadProfile load;
  load.add(microseconds(0), microseconds(20));
  load.add(microseconds(10), microseconds(20));
  load.add(microseconds(20), microseconds(25));
  load.add(microseconds(5), microseconds(5));
  ASSERT_EQ(load.parts(), 3);
  EXPECT_DOUBLE_EQ(load.mean(0), 1);
  EXPECT_DOUBLE_EQ(load.mean(1), 2);
  EXPECT_DOUBLE_EQ(load.mean(2), 0.5);
}

// ---- the file ----

json trace_of(int jobs, std::size_t most, std::vector<std::string>& notices) {
  const test::TempFolder folder;
  const std::string path = folder.file("trace.json");
  const std::unique_ptr<Trace> trace =
      Trace::open(path, [&](const std::string& text) { notices.push_back(text); }, most).value();
  EXPECT_TRUE(trace->started({.batch = "b", .size = {}, .mode = "serial", .engine = "serial", .procs = 2, .started = kBegan}));
  for (int i = 0; i < jobs; ++i) {
    test::Ended ended = typed(static_cast<std::uint64_t>(i), "job-" + std::to_string(i), "noop");
    ended.costs = attempt(microseconds(100 + 30 * i)).costs;
    EXPECT_TRUE(trace->ended(ended.record()));
  }
  EXPECT_TRUE(trace->finished({}));
  return json::parse(content(path));
}

std::vector<std::string> jobs_in(const json& document) {
  std::vector<std::string> names;
  for (const json& event : document.at("traceEvents")) {
    if (event.at("ph") == "X" && event.at("cat") == "job") names.push_back(event.at("name"));
  }
  return names;
}

TEST(Trace, OfNothingHasLanesAndNoJobs) {
  std::vector<std::string> notices;
  const json document = trace_of(0, 4, notices);
  EXPECT_THAT(jobs_in(document), IsEmpty());
  EXPECT_EQ(document.at("otherData").at("attempts_with_all_stamps").at("all"), 0);
  EXPECT_THAT(notices, ElementsAre(HasSubstr("has lanes but no job, because none was begun")));
}

TEST(Trace, HasACounterOfBytesUpToEachMoment) {
  const test::TempFolder folder;
  const std::unique_ptr<Trace> trace = Trace::open(folder.file("trace.json"), [](const std::string&) {}).value();
  EXPECT_TRUE(trace->started({.batch = "b", .size = {}, .mode = "processes", .engine = "e", .procs = 1, .started = kBegan}));
  master::Costs costs;
  for (const std::uint64_t sent : {10U, 10U, 30U}) {
    costs.bytes_sent = sent;
    costs.bytes_received = 2 * sent;
    master::Snapshot snapshot;
    snapshot.now = kBegan + milliseconds(sent);
    snapshot.costs = &costs;
    EXPECT_TRUE(trace->tick(snapshot));
  }
  master::RunTotals totals;
  totals.costs.bytes_sent = 31;
  totals.costs.bytes_received = 62;
  EXPECT_TRUE(trace->finished(totals));
  std::vector<json> values;
  const json document = json::parse(content(folder.file("trace.json")));
  for (const json& event : document.at("traceEvents")) {
    if (event.at("name") == "bytes") values.push_back(event.at("args"));
  }
  EXPECT_THAT(values, ElementsAre(json({{"sent", 0}, {"received", 0}}), json({{"sent", 10}, {"received", 20}}),
                                  json({{"sent", 30}, {"received", 60}}), json({{"sent", 31}, {"received", 62}})));
}

TEST(Trace, ThatIsSalvagedIsWholeAndSalvagedOnce) {
  const test::TempFolder folder;
  const std::string path = folder.file("trace.json");
  const std::unique_ptr<Trace> trace = Trace::open(path, [](const std::string&) {}, 2000).value();
  trace->salvage();
  EXPECT_EQ(content(path), "") << "nothing has begun";
  EXPECT_TRUE(trace->started({.batch = "b", .size = {}, .mode = "serial", .engine = "serial", .procs = 1, .started = kBegan}));
  for (int i = 0; i < 3000; ++i) {
    test::Ended ended = typed(static_cast<std::uint64_t>(i), "job \"" + std::string(300, '\n') + std::to_string(i), "noop");
    ended.costs = attempt(microseconds(100 + 30 * i)).costs;
    EXPECT_TRUE(trace->ended(ended.record()));
  }
  trace->salvage();
  trace->salvage();
  const json document = json::parse(content(path));
  EXPECT_THAT(jobs_in(document), SizeIs(1500));
  EXPECT_THAT(document.at("otherData").at("incomplete").get<std::string>(), HasSubstr("what had not ended is missing"));
  EXPECT_EQ(document.at("otherData").at("attempts_with_all_stamps"), json({{"all", 3000}, {"in_trace", 1500}, {"one_in", 2}}));
}

TEST(Trace, HasAllAttemptsAndIsSilentAboutThatWhereTheyFit) {
  std::vector<std::string> notices;
  const json document = trace_of(4, 4, notices);
  EXPECT_THAT(jobs_in(document), ElementsAre("job-0", "job-1", "job-2", "job-3"));
  EXPECT_EQ(document.at("otherData").at("attempts_with_all_stamps").at("one_in"), 1);
  EXPECT_THAT(notices, IsEmpty());
}

TEST(Trace, LeavesOutEvenlyAndSaysSoInTheFileAndInOneLine) {
  std::vector<std::string> notices;
  const json document = trace_of(9, 4, notices);
  EXPECT_THAT(jobs_in(document), ElementsAre("job-0", "job-4", "job-8"));
  EXPECT_EQ(document.at("otherData").at("attempts_with_all_stamps"), json({{"all", 9}, {"in_trace", 3}, {"one_in", 4}}));
  EXPECT_THAT(notices, ElementsAre(HasSubstr("1 in 4 of 9 attempts with all their stamps and 1 in 1 of 0 others")));
}

TEST(Trace, CountsInItsLoadWhatItLeavesOut) {
  std::vector<std::string> notices;
  const auto busy = [&](const json& document) {  // the integral of `running`, in job-microseconds
    double sum = 0, at = 0, jobs = 0;
    for (const json& event : document.at("traceEvents")) {
      if (event.at("ph") != "C" || event.at("name") != "running") continue;
      sum += jobs * (event.at("ts").get<double>() - at);
      at = event.at("ts");
      jobs = event.at("args").at("jobs");
    }
    EXPECT_EQ(jobs, 0) << "nothing runs in the end";
    return sum;
  };
  EXPECT_NEAR(busy(trace_of(100, 4, notices)), 100 * 6, 1);
}

}  // namespace
}  // namespace runner::report
