#include "report/comparison.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace runner::report {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Sample sample(Duration wall, std::uint32_t procs, Duration wake_up = {}) {
  Sample sample;
  sample.wall = wall;
  sample.start = milliseconds(2);
  sample.execute = milliseconds(2000);
  sample.worker_seconds = wall * procs;
  sample.workers[master::Use::execute] = milliseconds(2000);
  sample.workers[master::Use::start] = milliseconds(2) * procs;
  sample.workers[master::Use::wake_up] = wake_up * procs;
  sample.jobs = 100;
  sample.costs = R"({"worker_seconds":2})";
  return sample;
}

Model model(std::string mode, std::uint32_t procs, const std::vector<int>& walls, Duration wake_up = {}) {
  Model model{.mode = std::move(mode), .procs = procs, .samples = {}, .left_out = {}};
  for (const int wall : walls) model.samples.push_back(sample(milliseconds(wall), procs, wake_up));
  return model;
}

Curve curve(std::string mode, const std::vector<double>& efficiencies) {
  Curve curve{.mode = std::move(mode), .procs = 2, .points = {}};
  Duration length = microseconds(1);
  for (const double efficiency : efficiencies) {
    curve.points.push_back({length, {efficiency - 0.01, efficiency, efficiency + 0.01}});
    length *= 10;
  }
  return curve;
}

TEST(Rising, PoolsWhatFalls) {
  EXPECT_THAT(rising({1, 2, 3}), ElementsAre(1, 2, 3));
  EXPECT_THAT(rising({3, 1, 2}), ElementsAre(2, 2, 2));
  EXPECT_THAT(rising({1, 5, 4, 3, 6}), ElementsAre(1, 4, 4, 4, 6));
  EXPECT_TRUE(rising({}).empty());
}

TEST(Crossing, LiesBetweenTwoPointsByTheLogarithmOfTheLength) {
  const std::vector<Duration> lengths{microseconds(1), microseconds(10), microseconds(100)};
  EXPECT_NEAR(seconds(*crossing(lengths, {0.2, 0.8, 0.9}, 0.5)), 3.162e-6, 1e-8) << "half way between 1 and 10 us";
  EXPECT_EQ(*crossing(lengths, {0.6, 0.8, 0.9}, 0.5), microseconds(1));
  EXPECT_FALSE(crossing(lengths, {0.1, 0.2, 0.3}, 0.5).has_value());
  EXPECT_NEAR(seconds(*crossing(lengths, {0.0, 1.0, 0.98}, 0.95)), 9.1e-6, 2e-7) << "a little less later is noise";
  EXPECT_FALSE(crossing({}, {}, 0.5).has_value());
}

class Compared : public testing::Test {
 protected:
  Compared() {
    comparison.batch = "b";
    comparison.cpus = 2;
    comparison.models = {model("serial", 1, {2000, 2010, 2100}), model("threads", 2, {1000, 1010, 1020}),
                         model("processes/shm", 2, {1100, 1102, 1150}, milliseconds(30))};
    comparison.sweep = {curve("threads", {0.5, 0.9, 0.99}), curve("processes/shm", {0.1, 0.85, 0.98})};
  }
  Comparison comparison;
};

TEST_F(Compared, TakesTheRunInTheMiddle) {
  EXPECT_EQ(comparison.models[0].median().wall, milliseconds(2010));
  EXPECT_EQ(comparison.models[0].least(), milliseconds(2000));
  EXPECT_EQ(comparison.models[0].most(), milliseconds(2100));
  EXPECT_THAT(comparison.speed_up(comparison.models[1]), DoubleNear(2010.0 / 1010, 1e-9));
  EXPECT_THAT(comparison.efficiency(comparison.models[1]), DoubleNear(2010.0 / 1010 / 2, 1e-9));
  EXPECT_THAT(comparison.speed_up(comparison.models[0]), DoubleNear(1, 1e-9));
}

TEST_F(Compared, WithoutASerialRunTakesTheJobsOwnTime) {
  comparison.models.erase(comparison.models.begin());
  EXPECT_THAT(comparison.speed_up(comparison.models[0]), DoubleNear(2000.0 / 1010, 1e-9));
}

TEST_F(Compared, SaysHowMuchSlowerAndWhy) {
  EXPECT_THAT(comparison.verdict(),
              HasSubstr("processes/shm is 9.1 % slower than threads (1.10 s against 1.01 s): 30.0 ms of wake-ups."));
  EXPECT_THAT(comparison.verdict(), HasSubstr("a job threads win; from there processes reach 95 % of them."));
}

TEST_F(Compared, SaysWhenADifferenceIsWithinTheSpread) {
  comparison.models[2] = model("processes/shm", 2, {1005, 1015, 1030});
  EXPECT_THAT(comparison.verdict(), HasSubstr("which is within the spread of the runs"));
  comparison.models[2] = model("processes/shm", 2, {900, 905, 910});
  EXPECT_THAT(comparison.verdict(), AllOf(HasSubstr("% faster than threads"), Not(HasSubstr("spread"))));
}

TEST_F(Compared, TellsBreakEvenAndMetg) {
  ASSERT_TRUE(comparison.break_even().has_value());
  EXPECT_GT(*comparison.break_even(), microseconds(10));
  EXPECT_LT(*comparison.break_even(), microseconds(100));
  EXPECT_EQ(*comparison.metg(comparison.sweep[0]), microseconds(1));
  comparison.sweep[1] = curve("processes/shm", {0.1, 0.2, 0.3});
  EXPECT_FALSE(comparison.break_even().has_value());
  EXPECT_THAT(comparison.verdict(), HasSubstr("Up to 100 us a job processes do not reach 95 % of threads."));
  comparison.sweep[1] = curve("processes/shm", {0.5, 0.9, 0.99});
  EXPECT_THAT(comparison.verdict(), HasSubstr("At every job length from 1.00 us processes reach 95 % of threads."));
}

TEST_F(Compared, WithoutThreadsOrAnythingSaysWhatCanBeSaid) {
  comparison.sweep.clear();
  comparison.models.erase(comparison.models.begin() + 1);
  EXPECT_EQ(comparison.verdict(), "processes/shm × 2 is the fastest of what was run (1.10 s).");
  for (Model& one : comparison.models) one.samples.clear();
  EXPECT_EQ(comparison.verdict(), "No model could run this batch.");
}

TEST_F(Compared, IsADocumentWithTheKeysThatWerePromised) {
  comparison.models.push_back({.mode = "async", .procs = 2, .samples = {}, .left_out = "because"});
  const nlohmann::json document = nlohmann::json::parse(json_of(comparison));
  for (const char* key : {"machine", "batch", "break_even_seconds", "metg50_seconds", "verdict", "models"})
    EXPECT_TRUE(document.contains(key)) << key;
  ASSERT_EQ(document["models"].size(), 3U);
  const nlohmann::json& threads = document["models"][1];
  for (const char* key : {"mode", "procs", "wall_seconds", "speedup", "efficiency", "cpu_seconds", "peak_rss_bytes", "costs"})
    EXPECT_TRUE(threads.contains(key)) << key;
  EXPECT_EQ(threads["wall_seconds"], nlohmann::json::parse(R"({"median":1.01,"min":1.0,"max":1.02})"));
  EXPECT_EQ(document["left_out"][0]["why"], "because");
  EXPECT_EQ(document["sweep"].size(), 6U);
  EXPECT_THAT(text_of(comparison), AllOf(HasSubstr("left out: async × 2: because\n"), HasSubstr("METG(50 %)")));
}

}  // namespace
}  // namespace runner::report
