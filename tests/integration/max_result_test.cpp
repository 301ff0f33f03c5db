// A result larger than `max_result`: its job fails and says so, alike in every mode, and no other job notices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Large, small, asynchronous in the async mode, and a command, whose output is no result.
constexpr const char* kJobs =
    "jobs:\n  - {name: before, kind: echo, args: {bytes: 1kB}}\n  - {name: large, kind: echo, args: {bytes: 2MiB}}\n"
    "  - {name: just, kind: echo, args: {bytes: 1MB}}\n  - {name: waits, kind: sleep, args: {duration: 1ms}}\n"
    "  - {name: command, shell: \"head -c 3000000 /dev/zero | tr '\\\\0' x\"}\n"
    "  - {name: after, kind: echo, args: {bytes: 1kB}, matrix: {i: 1..50}}\n";
constexpr const char* kSentence =
    "its result takes 2.00 MiB, more than max_result allows (1.00 MiB): raise that, or write the result to a file";

using Model = std::vector<std::string>;

class TooLarge : public testing::TestWithParam<Model> {
 protected:
  Ended run(const std::string& yaml, std::vector<std::string> more = {}) {
    folder_.write("jobs.yaml", yaml);
    std::vector<std::string> arguments{"--procs", "2", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"};
    arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return folder_.run(arguments);
  }
  std::map<std::string, nlohmann::json> results() {
    std::map<std::string, nlohmann::json> all;
    std::istringstream lines(folder_.read("r.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      auto record = nlohmann::json::parse(line);
      all[record["job"]] = record;
    }
    return all;
  }
  void TearDown() override { EXPECT_THAT(leftovers(), IsEmpty()); }
  Folder folder_;
};

INSTANTIATE_TEST_SUITE_P(In, TooLarge,
                         testing::Values(Model{"--mode", "serial"}, Model{"--mode", "threads"}, Model{"--mode", "async"},
                                         Model{"--transport", "shm"}, Model{"--transport", "pipe"}),
                         [](const auto& model) { return model.param.back(); });

TEST_P(TooLarge, FailsItsJobWithOneSentenceAndNoOther) {
  const Ended ended = run(std::string("version: 1\nmax_result: 1MiB\n") + kJobs);
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr(std::string("large: ") + kSentence));
  auto all = results();
  ASSERT_EQ(all.size(), 55U);
  EXPECT_EQ(all["large"]["status"], "failed");
  EXPECT_EQ(all["large"]["error"], kSentence);
  EXPECT_FALSE(all["large"].contains("result"));
  all.erase("large");
  for (const auto& [name, record] : all) EXPECT_EQ(record["status"], "ok") << name;
}

TEST_P(TooLarge, IsWhatTheCommandLineSaysWhereItSaysSomething) {
  const Ended raised = run(std::string("version: 1\nmax_result: 1kB\n") + kJobs, {"--max-result", "3MiB"});
  EXPECT_EQ(raised.status, 0) << raised.err;
  const Ended lowered = run(std::string("version: 1\nmax_result: 3MiB\n") + kJobs, {"--max-result", "1MiB"});
  EXPECT_EQ(lowered.status, 1);
  EXPECT_EQ(results()["large"]["error"], kSentence);
}

TEST_P(TooLarge, IsNoneOfThemWhenNobodySaysSomething) {
  const Ended ended = run(std::string("version: 1\n") + kJobs);
  EXPECT_EQ(ended.status, 0) << ended.err;
}

}  // namespace
}  // namespace runner::integration
