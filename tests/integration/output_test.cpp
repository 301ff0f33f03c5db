// What reaches standard output and the results file, and what happens when it cannot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Output, OfACommandIsKeptTogether) {
  const Folder folder;
  folder.write(
      "jobs.yaml",
      "version: 1\njobs: [{name: c, shell: \"for i in 1 2 3 4 5; do echo ${{ i }}; sleep 0.01; done\", matrix: {i: 1..8}}]\n");
  const Ended ended = folder.run({"--procs", "4", "--progress", "none", "jobs.yaml"});
  ASSERT_EQ(ended.status, 0) << ended.err;
  std::istringstream lines(ended.out);
  std::string line, last;
  int changes = 0;
  while (std::getline(lines, line)) {
    changes += line != last;
    last = line;
  }
  EXPECT_EQ(changes, 8);
}

TEST(Output, OfACommandGoesToTheStreamItCameFrom) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: \"echo to-out; echo to-err >&2\"}]\n");
  const Ended ended = folder.run({"--progress", "none", "jobs.yaml"});
  EXPECT_EQ(ended.out, "to-out\n");
  EXPECT_THAT(ended.err, HasSubstr("to-err\n"));
}

TEST(Output, OfALeftBehindProcessIsNotWaitedFor) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: \"sleep 1000 & echo mine\"}]\n");
  for (const char* mode : {"processes", "threads", "async", "serial"}) {
    const Ended ended = folder.run({"--mode", mode, "--progress", "none", "jobs.yaml"});
    EXPECT_EQ(ended.status, 0) << mode << ended.err;
    EXPECT_EQ(ended.out, "mine\n");
    EXPECT_THAT(leftovers(), IsEmpty()) << mode;
  }
}

TEST(Output, BeyondAMebibyteIsKeptWholeInAFileOfItsOwn) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: big, shell: \"head -c 3000000 /dev/zero | tr '\\\\0' x; echo end\"}]\n");
  for (const char* mode : {"processes", "threads", "async", "serial"}) {
    const Ended ended = folder.run({"--mode", mode, "--progress", "none", "--results", "r.jsonl", "jobs.yaml"});
    ASSERT_EQ(ended.status, 0) << ended.err;
    EXPECT_EQ(ended.out.size(), 3'000'004U);
    const auto record = nlohmann::json::parse(folder.read("r.jsonl"));
    EXPECT_EQ(record["stdout"].get<std::string>().size(), 65'536U);
    EXPECT_TRUE(record["stdout"].get<std::string>().ends_with("xxend\n"));
    EXPECT_EQ(folder.read(record["stdout_file"].get<std::string>()), ended.out);
  }
}

TEST(Output, ThatIsNotTextIsBase64InTheResults) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: \"printf '\\\\377\\\\000a'\"}]\n");
  const Ended ended = folder.run({"--progress", "none", "--results", "r.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.out, std::string("\xff\0a", 3));
  const auto record = nlohmann::json::parse(folder.read("r.jsonl"));
  EXPECT_EQ(record["stdout_base64"], "/wBh");
  EXPECT_FALSE(record.contains("stdout"));
}

TEST(Output, KeepsTheOrderOfTheBatchWhenAsked) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: s, shell: \"sleep 0.${{ t }}; echo ${{ t }}\", matrix: {t: [4, 1, 3, 2]}}]\n");
  const Ended ended = folder.run({"--procs", "4", "--keep-order", "--progress", "none", "--results", "r.csv", "jobs.yaml"});
  EXPECT_EQ(ended.out, "4\n1\n3\n2\n");
  const std::string table = folder.read("r.csv");
  EXPECT_LT(table.find("s-1,"), table.find("s-2,"));
  EXPECT_LT(table.find("s-2,"), table.find("s-3,"));
  EXPECT_LT(table.find("s-3,"), table.find("s-4,"));
}

TEST(Output, TheResultsHaveTheDocumentedFieldsAndNoOthers) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: typed, kind: primes, args: {limit: 100}}, {name: cmd, command: [sh, -c, \"exit "
               "4\"]}, {name: none, command: [no-such-program]}]\n");
  const Ended ended = folder.run({"--procs", "1", "--keep-order", "--progress", "none", "--results", "r.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  std::vector<std::vector<std::string>> keys;
  std::vector<nlohmann::ordered_json> records;
  std::istringstream lines(folder.read("r.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    records.push_back(nlohmann::ordered_json::parse(line));
    keys.emplace_back();
    for (const auto& [key, value] : records.back().items()) keys.back().push_back(key);
  }
  ASSERT_EQ(records.size(), 3U);
  EXPECT_THAT(keys[0], ElementsAre("job", "kind", "status", "attempts", "worker", "seconds", "cpu_seconds", "result", "costs"));
  EXPECT_THAT(keys[1], ElementsAre("job", "kind", "status", "attempts", "worker", "seconds", "cpu_seconds", "exit_code",
                                   "stdout", "stderr", "error", "peak_memory", "costs"));
  EXPECT_THAT(keys[2], ElementsAre("job", "kind", "status", "attempts", "worker", "seconds", "cpu_seconds", "stdout", "stderr",
                                   "error", "costs"));
  EXPECT_EQ(records[0]["result"]["count"], 25);
  EXPECT_EQ(records[1]["exit_code"], 4);
  EXPECT_THAT(records[2]["error"].get<std::string>(), HasSubstr("`no-such-program` was not found in PATH"));
}

TEST(Output, ThatIsClosedStopsTheRunWithAMessage) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: n, kind: noop, matrix: {i: 1..200000}}]\n");
  for (const char* mode : {"processes", "threads", "async", "serial"}) {
    const Ended ended = folder.run_other(
        {"bash", "-c",
         std::string(RUNNER_PROGRAM) + " --progress none --mode " + mode + " jobs.yaml | head -1; exit ${PIPESTATUS[0]}"});
    EXPECT_EQ(ended.status, 1) << mode << ended.err;
    EXPECT_THAT(ended.err, AllOf(HasSubstr("standard output"), HasSubstr("the run was stopped"))) << mode;
    EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 1) << mode;
    EXPECT_THAT(leftovers(), IsEmpty()) << mode;
  }
}

TEST(Output, OnAFullDiskStopsTheRunAndSaysSo) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: n, kind: noop, matrix: {i: 1..200000}}]\n");
  const Ended ended = folder.run_other({"bash", "-c", std::string(RUNNER_PROGRAM) + " --progress none jobs.yaml > /dev/full"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("No space left"));
  std::filesystem::create_symlink("/dev/full", folder.path() / "full.jsonl");
  const Ended results = folder.run({"--progress", "none", "--results", "full.jsonl", "jobs.yaml"});
  EXPECT_EQ(results.status, 1);
  EXPECT_THAT(results.err, AllOf(HasSubstr("full.jsonl"), HasSubstr("No space left")));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Output, OfTwoRunsNeverMeetsInOneFileAndNothingIsEmptiedForNothing) {
  const Folder folder;
  folder.write("slow.yaml", "version: 1\njobs: [{shell: \"touch begun; while [ ! -e go ]; do sleep 0.02; done\"}]\n");
  folder.write("quick.yaml", "version: 1\njobs: [{kind: noop}]\n");
  folder.write("r.jsonl", "kept\n");
  EXPECT_EQ(folder.run({"--results", "r.jsonl", "--procs", "0", "quick.yaml"}).status, 2);
  EXPECT_EQ(folder.read("r.jsonl"), "kept\n");
  Running slow(folder, words({"--progress", "none", "--results", "r.jsonl", "slow.yaml"}));
  ASSERT_TRUE(eventually([&] { return folder.exists("begun"); }));
  const Ended second = folder.run({"--results", "r.jsonl", "quick.yaml"});
  EXPECT_EQ(second.status, 2);
  EXPECT_THAT(second.err, HasSubstr("`r.jsonl`: another run writes it"));
  folder.write("go", "");
  EXPECT_EQ(slow.wait().status, 0);
  EXPECT_THAT(folder.read("r.jsonl"), HasSubstr("\"status\":\"ok\""));
  folder.write("self.jsonl", "version: 1\njobs: [{kind: noop}]\n");
  EXPECT_THAT(folder.run({"--results", "self.jsonl", "self.jsonl"}).err, HasSubstr("is the batch file itself"));
  EXPECT_THAT(folder.read("self.jsonl"), testing::StartsWith("version: 1"));
}

TEST(Output, OfProgressIsOnStandardErrorAndNoneMeansNone) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: bad, command: [\"false\"], allow_failure: true}]\n");
  EXPECT_THAT(folder.run({"--progress", "lines", "jobs.yaml"}).err, HasSubstr("bad: exit status 1"));
  EXPECT_THAT(folder.run({"--progress", "none", "jobs.yaml"}).err, testing::StartsWith("1 job · 1 failed (1 allowed to fail)"));
}

}  // namespace
}  // namespace runner::integration
