// Jobs that take too long are ended, whatever they are made of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(Timeout, EndsATypedJobWithItsWorkerAndSparesItsNeighbours) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n  - {name: hang, kind: misbehave, args: {how: hang}, timeout: 300ms}\n"
               "  - {name: ok, kind: noop, matrix: {i: 1..200}}\n");
  for (const char* transport : {"shm", "pipe"}) {
    const Ended ended =
        folder.run({"--procs", "1", "--progress", "none", "--transport", transport, "--results", "r.jsonl", "jobs.yaml"});
    EXPECT_EQ(ended.status, 1);
    EXPECT_THAT(ended.err, HasSubstr("hang: timed out after 300 ms (its worker was killed)"));
    EXPECT_THAT(ended.err, HasSubstr("200 ok"));
    EXPECT_THAT(folder.read("r.jsonl"), HasSubstr("\"job\":\"hang\",\"kind\":\"misbehave\",\"status\":\"timed_out\""));
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Timeout, TellsWhatATypedJobHadUsedOfTheProcessor) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n  - {name: few, kind: spin, args: {duration: 20ms}, matrix: {i: 1..5}}\n"
               "  - {name: busy, kind: spin, args: {duration: 1000s}, timeout: 500ms}\n");
  for (const char* transport : {"shm", "pipe"}) {
    static_cast<void>(
        folder.run({"--procs", "1", "--progress", "none", "--transport", transport, "--results", "r.jsonl", "jobs.yaml"}));
    std::istringstream lines(folder.read("r.jsonl"));
    bool told = false;
    for (std::string line; std::getline(lines, line);) {
      const auto record = nlohmann::json::parse(line);
      if (record["job"] != "busy") continue;
      told = true;
      EXPECT_GT(record["cpu_seconds"], 0.0);
      EXPECT_LE(record["cpu_seconds"], record["seconds"]);
    }
    EXPECT_TRUE(told);
  }
}

TEST(Timeout, EndsACommandWithItsWholeGroupInEveryModel) {
  const Folder folder;
  folder.write(
      "jobs.yaml",
      "version: 1\njobs:\n  - {name: slow, shell: \"echo begun; sleep 1000 & sleep 1000\", timeout: 300ms}\n"
      "  - {name: stubborn, shell: \"trap '' TERM; while :; do sleep 0.05; done\", timeout: 300ms, kill_after: 300ms}\n"
      "  - {name: tidy, shell: \"trap 'exit 7' TERM; while :; do sleep 0.05; done\", timeout: 300ms}\n  - {name: ok, "
      "command: [\"true\"]}\n");
  for (const std::vector<std::string>& model : std::vector<std::vector<std::string>>{
           {}, {"--transport", "pipe"}, {"--mode", "threads"}, {"--mode", "async"}, {"--mode", "serial"}}) {
    std::vector<std::string> arguments = model;
    for (const char* more : {"--progress", "none", "--results", "r.jsonl", "jobs.yaml"}) arguments.push_back(more);
    const Ended ended = folder.run(arguments);
    EXPECT_EQ(ended.status, 1) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("slow: timed out after 300 ms (ended by SIGTERM)"));
    EXPECT_THAT(ended.err, HasSubstr("stubborn: timed out after 300 ms (it did not end within 300 ms of SIGTERM: killed)"));
    EXPECT_THAT(ended.err, HasSubstr("tidy: timed out after 300 ms (it left with exit status 7 at SIGTERM)"));
    EXPECT_THAT(ended.err, HasSubstr("1 ok"));
    EXPECT_THAT(folder.read("r.jsonl"), HasSubstr("begun"));
    EXPECT_THAT(folder.read("r.jsonl"), HasSubstr("\"error\":\"timed out after 300 ms (ended by SIGTERM)\""));
    EXPECT_THAT(folder.run({"show", "stubborn"}).out, HasSubstr("within 300 ms of SIGTERM: killed)"));
    EXPECT_THAT(leftovers(), IsEmpty());
  }
}

TEST(Timeout, DoesNotCountTheTimeAJobWaits) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: s, kind: sleep, args: {duration: 200ms}, timeout: 20s, matrix: {i: 1..8}}]\n");
  EXPECT_EQ(folder.run({"--procs", "2", "--progress", "none", "jobs.yaml"}).status, 0);
}

TEST(Timeout, IsTriedAgain) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: s, kind: sleep, args: {duration: 1000s}, timeout: 100ms, retries: 1}]\n");
  const Ended ended = folder.run({"--procs", "2", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(nlohmann::json::parse(folder.read("r.jsonl"))["attempts"], 2);
}

}  // namespace
}  // namespace runner::integration
