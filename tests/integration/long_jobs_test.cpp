// A job that turns out to be long among many short ones of its kind: nobody waits behind it, and nobody runs twice.
//
// The long one ends only when all others have been in their code, so that one of them behind it would be a wait for ever. Its
// timeout, which only that can meet, fails the test then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

using Model = std::vector<std::string>;

class LongJob : public testing::TestWithParam<Model> {
 protected:
  // `all` jobs, each of which visits once.
  void run(const std::string& procs, const std::string& jobs, std::size_t all) {
    folder_.write("jobs.yaml", "version: 1\nplugins: [" RUNNER_SHARING_PLUGIN
                               "]\nshared: {visits: {counter: 0}}\ndefaults: {timeout: 100s}\njobs:\n" +
                                   jobs);
    Model arguments{"--procs", procs, "--progress", "none", "--results", "r.jsonl", "jobs.yaml"};
    arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
    const Ended ended = folder_.run(arguments);
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("visits = " + std::to_string(all) + "\n")) << "some ran twice, or not at all";
    std::set<std::string> names;
    std::istringstream lines(folder_.read("r.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto record = nlohmann::json::parse(line);
      EXPECT_TRUE(names.insert(record["job"]).second) << line;
      EXPECT_EQ(record["attempts"], 1) << line;
    }
    EXPECT_EQ(names.size(), all);
  }
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }
  Folder folder_;
};

INSTANTIATE_TEST_SUITE_P(Over, LongJob,
                         testing::Values(Model{"--transport", "shm"}, Model{"--transport", "pipe"},
                                         Model{"--transport", "shm", "--start", "fork"},
                                         Model{"--transport", "pipe", "--start", "fork"}),
                         [](const auto& model) { return model.param[1] + (model.param.size() > 2 ? model.param.back() : ""); });

std::string shorts(const std::string& name, int many) {
  return "  - {name: " + name + ", kind: visit, args: {counter: visits}, matrix: {i: 1.." + std::to_string(many) + "}}\n";
}
std::string one(const std::string& name, int until) {
  return "  - {name: " + name + ", kind: visit, args: {counter: visits, until: " + std::to_string(until) + "}}\n";
}

TEST_P(LongJob, InTheMiddleOfAThousandShortOnesHasNobodyBehindIt) {
  for (const int before : {1, 20, 200, 500, 999}) {
    SCOPED_TRACE(before);
    run("2", shorts("a", before) + one("long", 1001) + shorts("b", 1000 - before), 1001);
  }
}

TEST_P(LongJob, InFrontOfAThousandShortOnesHasNobodyBehindIt) { run("2", one("long", 1001) + shorts("b", 1000), 1001); }

TEST_P(LongJob, OnEveryWorkerButOneLeavesThatOneEverythingElse) {
  std::string jobs = shorts("a", 300);
  for (int i = 0; i < 3; ++i) jobs += one("long" + std::to_string(i), 1003) + shorts("b" + std::to_string(i), 10);
  run("4", jobs + shorts("c", 670), 1003);
}

// Each is long until the next one has begun, so that each is taken back from behind the one before it.
TEST_P(LongJob, AfterLongJobNeedsOnlyTwoWorkers) {
  std::string jobs = shorts("a", 200);
  for (int i = 1; i <= 20; ++i) jobs += one("long-" + std::to_string(i), 200 + std::min(i + 1, 20));
  run("2", jobs, 220);
}

}  // namespace
}  // namespace runner::integration
