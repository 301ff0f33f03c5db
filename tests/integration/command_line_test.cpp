// The pages that the program shows, and what it does without running anything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Help, TeachesWithExamplesAndFitsATerminal) {
  const Folder folder;
  const Ended ended = folder.run({"--help"});
  EXPECT_EQ(ended.status, 0);
  for (const char* word : {"--procs", "--mode", "--transport", "--start", "--bind", "--max-result", "--results", "--keep-order",
                           "--halt", "--dry-run", "--progress", "--plugin", "EXAMPLES", "EXIT STATUS", "130"}) {
    EXPECT_THAT(ended.out, HasSubstr(word));
  }
  std::istringstream lines(ended.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  EXPECT_EQ(folder.run({"run", "--help"}).out, ended.out);
  EXPECT_THAT(folder.run({"check", "--help"}).out, HasSubstr("runner check"));
  EXPECT_THAT(folder.run({"kinds", "--help"}).out, HasSubstr("runner kinds"));
}

TEST(Help, AndTheReadmeNameTheSameOptions) {
  const Folder folder;
  std::ifstream file(RUNNER_SOURCE_DIR "/README.md");
  std::ostringstream readme;
  readme << file.rdbuf();
  for (const char* word : {"--procs", "--mode", "--transport", "--start", "--bind", "--max-result", "--results", "--keep-order",
                           "--halt", "--dry-run", "--progress", "--plugin"}) {
    EXPECT_THAT(readme.str(), HasSubstr(word));
  }
}

TEST(Version, IsOneLine) {
  const Folder folder;
  const Ended ended = folder.run({"--version"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, testing::MatchesRegex("runner [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Check, SaysHowManyJobsThereAre) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..10000000}}, {shell: \"touch ran\"}]\n");
  const Ended ended = folder.run({"check", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "jobs.yaml: ok, 10000001 jobs from 2 entries\n");
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_EQ(folder.run({"check", "-"}, "version: 1\njobs: [{kind: noop}]\n").out, "<stdin>: ok, 1 job from 1 entry\n");
}

TEST(DryRun, PrintsWhatWouldRunSoThatAShellCouldRunIt) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n  - {name: p, kind: primes, args: {limit: 100}}\n"
               "  - {name: c, shell: \"touch 'it ran'; echo ${{ x }}\", matrix: {x: [\"a b\"]}, env: {A: \"1 2\"}, cwd: sub, "
               "stdin: in.txt}\n");
  const Ended ended = folder.run({"--dry-run", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out,
            "p: primes {\"limit\":100}\n"
            "c: (cd sub && A='1 2' /bin/sh -c 'touch '\\''it ran'\\''; echo '\\''a b'\\''') < in.txt\n");
  EXPECT_FALSE(folder.exists("it ran"));
}

TEST(Kinds, AreListedForPeopleAndAsJson) {
  const Folder folder;
  EXPECT_THAT(folder.run({"kinds"}).out, AllOf(HasSubstr("primes"), HasSubstr("mandelbrot"), HasSubstr("misbehave")));
  EXPECT_THAT(folder.run({"kinds", "misbehave"}).out, AllOf(HasSubstr("segfault"), HasSubstr("leak")));
  const auto all = nlohmann::json::parse(folder.run({"kinds", "--json"}).out);
  EXPECT_EQ(all.size(), 15U);
  const auto plugged = nlohmann::json::parse(folder.run({"kinds", "--json", "--plugin", RUNNER_TEST_PLUGIN}).out);
  EXPECT_EQ(plugged.size(), 17U);
}

TEST(Plugin, RunsInSpawnedAndForkedWorkersAndInProcess) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: s, kind: shout, args: {text: hello}}]\n");
  for (const std::vector<std::string>& model :
       std::vector<std::vector<std::string>>{{}, {"--start", "fork"}, {"--mode", "threads"}}) {
    std::vector<std::string> arguments{"--progress", "none", "--plugin", RUNNER_TEST_PLUGIN, "jobs.yaml"};
    arguments.insert(arguments.end(), model.begin(), model.end());
    const Ended ended = folder.run(arguments);
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_EQ(ended.out, "{\"job\":\"s\",\"result\":{\"loud\":\"HELLO\"}}\n");
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(StandardInput, CanBeTheBatch) {
  const Folder folder;
  const Ended ended = folder.run({"--progress", "none", "-"}, "version: 1\njobs: [{name: c, command: [echo, hi]}]\n");
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "hi\n");
}

TEST(WorkerProgram, SaysThatItIsNotForPeople) {
  const Folder folder;
  const Ended ended = folder.run_other({RUNNER_WORKER_PROGRAM});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("started by `runner`"));
}

}  // namespace
}  // namespace runner::integration
