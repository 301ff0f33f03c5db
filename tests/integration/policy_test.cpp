// Retries, quarantine, halt, needs, priority and explain, as a person meets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

using Records = std::map<std::string, nlohmann::json>;

Records records(const Folder& folder) {
  Records all;
  std::istringstream lines(folder.read("out.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json record = nlohmann::json::parse(line);
    std::string name = record.at("job");
    EXPECT_TRUE(all.emplace(std::move(name), std::move(record)).second) << line;
  }
  return all;
}

std::string status(const Records& all, const std::string& job) {
  const auto found = all.find(job);
  return found == all.end() ? "missing" : found->second.at("status").get<std::string>();
}

class InEachMode : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Policies, InEachMode, testing::Values("processes", "threads", "async", "serial"),
                         [](const auto& mode) { return std::string(mode.param); });

// ---- retries ----

TEST_P(InEachMode, AJobIsTriedAgainAfterItsBackoff) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: third, shell: \"echo x >> tries; test $(wc -l < tries) = 3\", retries: 4,\n"
               "     backoff: {initial: 10ms, jitter: 1}}\n"
               "  - {name: never, shell: exit 7, retries: 4, retry_on: [crashed]}\n");
  const Ended ended = folder.run({"--procs", "2", "--mode", GetParam(), "--results", "out.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  const Records all = records(folder);
  EXPECT_EQ(all.at("third").at("attempts"), 3);
  EXPECT_EQ(status(all, "third"), "ok");
  EXPECT_EQ(all.at("never").at("attempts"), 1);
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Quarantine, EndsAJobThatKilledItsWorkersAndTheSummaryListsIt) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\ndefaults: {retries: 50}\njobs:\n"
               "  - {name: killer, kind: misbehave, args: {how: segfault}}\n"
               "  - {name: twice, kind: misbehave, args: {how: segfault}, crash_limit: 2}\n"
               "  - {name: once, kind: misbehave, args: {how: segfault}, retries: 0}\n"
               "  - {name: program, shell: \"kill -SEGV $$\", retries: 5}\n"
               "  - {name: good, kind: noop, matrix: {i: 1..50}}\n");
  const Ended ended = folder.run({"--procs", "2", "--results", "out.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  const Records all = records(folder);
  EXPECT_EQ(all.size(), 54U);
  EXPECT_EQ(all.at("killer").at("attempts"), 3);
  EXPECT_EQ(all.at("killer").at("quarantined"), true);
  EXPECT_EQ(all.at("killer").at("error"), "crashed: SIGSEGV; quarantined");
  EXPECT_EQ(all.at("twice").at("attempts"), 2);
  EXPECT_EQ(all.at("twice").at("quarantined"), true);
  EXPECT_FALSE(all.at("once").contains("quarantined"));
  // A program that crashes harms no worker.
  EXPECT_EQ(all.at("program").at("attempts"), 6);
  EXPECT_FALSE(all.at("program").contains("quarantined"));
  EXPECT_THAT(ended.err, HasSubstr("quarantined, because each has killed as many workers as crash_limit allows: "));
  EXPECT_THAT(leftovers(), IsEmpty());
}

// ---- halt ----

TEST_P(InEachMode, HaltNowEndsWhatRunsAndIsWellWhenItWasForASuccess) {
  if (std::string(GetParam()) == "serial") return;  // one at a time: nothing else runs
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: slow, shell: touch began; exec sleep 1000}\n"
               "  - {name: fast, shell: until test -e began; do sleep 0.01; done}\n"
               "  - {name: later, command: [sleep, 1000], matrix: {i: 1..20}}\n");
  const Ended ended =
      folder.run({"--procs", "2", "--mode", GetParam(), "--halt", "now,success=1", "--results", "out.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  const Records all = records(folder);
  EXPECT_EQ(status(all, "fast"), "ok");
  EXPECT_EQ(all.at("slow").at("error"), "cancelled: halted");
  EXPECT_THAT(ended.err, HasSubstr("halted by now,success=1: "));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_P(InEachMode, HaltSoonStartsNoMoreAndFails) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: may, shell: exit 1, allow_failure: true, matrix: {i: 1..3}}\n"
               "  - {name: bad, shell: exit 1, needs: [\"may-*\"], priority: 1}\n"
               "  - {name: rest, shell: sleep 0.01, matrix: {i: 1..1000}}\n");
  const Ended ended =
      folder.run({"--procs", "2", "--mode", GetParam(), "--halt", "soon,fail=1", "--results", "out.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  const Records all = records(folder);
  EXPECT_EQ(status(all, "may-3"), "failed");
  EXPECT_EQ(status(all, "bad"), "failed");
  EXPECT_LT(all.size(), 500U);
  EXPECT_THAT(ended.err, HasSubstr("halted by soon,fail=1: "));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Halt, AfterAShareOfAllJobsIsNoFailure) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..10000}}]\n");
  const Ended ended = folder.run({"--procs", "2", "--halt", "soon,done=10%", "--results", "out.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  const std::size_t done = records(folder).size();
  EXPECT_GE(done, 1000U);
  EXPECT_LT(done, 10000U);
}

TEST(Halt, ForSuccessesIsASuccessWhateverHadFailedBefore) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n  - {name: bad, shell: exit 1}\n"
               "  - {name: good, shell: \"true\", priority: -1, matrix: {i: 1..100}}\n");
  const Ended reached = folder.run({"--procs", "1", "--halt", "soon,success=2", "jobs.yaml"});
  EXPECT_EQ(reached.status, 0) << reached.err;
  EXPECT_THAT(reached.err, HasSubstr("halted by soon,success=2: "));
  EXPECT_EQ(folder.run({"--procs", "1", "--halt", "soon,success=101", "jobs.yaml"}).status, 1) << "there were not so many";
}

TEST(Halt, ThatIsNoRuleIsRefusedBeforeAnythingRuns) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: touch ran}]\n");
  const Ended ended = folder.run({"--halt", "now,fails=1", "jobs.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("--halt"), HasSubstr("`fails`")));
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_EQ(folder.run({"--halt", "never", "jobs.yaml"}).status, 0);
}

// ---- needs, priority ----

constexpr const char* kDiamond =
    "version: 1\njobs:\n"
    "  - {name: end, shell: \"test -e left-1 -a -e left-2 -a -e right && echo end\", needs: [\"left-*\", right]}\n"
    "  - {name: left, shell: \"test -e top && touch left-${{ i }} && echo left\", needs: [top], matrix: {i: 1..2}}\n"
    "  - {name: right, shell: test -e top && touch right && echo right, needs: [top]}\n"
    "  - {name: top, shell: sleep 0.05; touch top; echo top}\n";

TEST_P(InEachMode, JobsWaitForThoseThatTheyNeed) {
  const Folder folder;
  folder.write("jobs.yaml", kDiamond);
  const Ended ended = folder.run({"--procs", "4", "--mode", GetParam(), "--results", "out.jsonl", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(records(folder).size(), 5U);
  EXPECT_THAT(ended.out, testing::StartsWith("top\n"));
  EXPECT_THAT(ended.out, testing::EndsWith("end\n"));
}

TEST_P(InEachMode, KeepOrderKeepsTheOrderOfTheFileWhateverTheNeeds) {
  const Folder folder;
  folder.write("jobs.yaml", kDiamond);
  const Ended ended = folder.run({"--procs", "4", "--mode", GetParam(), "--keep-order", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "end\nleft\nleft\nright\ntop\n");
}

TEST_P(InEachMode, AFailedNeedSkipsAllBehindItAndTheOthersRun) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: bad, shell: exit 3}\n"
               "  - {name: may, shell: exit 3, allow_failure: true}\n"
               "  - {name: next, shell: touch ran, needs: [bad], matrix: {i: 1..2500}}\n"
               "  - {name: last, shell: touch ran, needs: [\"next-*\"]}\n"
               "  - {name: other, kind: noop, needs: [may]}\n");
  const Ended ended = folder.run({"--procs", "2", "--mode", GetParam(), "--results", "out.jsonl", "--keep-order", "jobs.yaml"});
  EXPECT_EQ(ended.status, 1);
  const Records all = records(folder);
  EXPECT_EQ(all.size(), 2504U);
  EXPECT_EQ(all.at("next-2500").at("error"), "cancelled: needs bad");
  EXPECT_EQ(all.at("next-1").at("attempts"), 0);
  EXPECT_EQ(all.at("last").at("error"), "cancelled: needs next-1 (for want of bad)");
  EXPECT_EQ(status(all, "other"), "ok");
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_THAT(ended.err, HasSubstr("2 501 cancelled"));
}

TEST_P(InEachMode, TheHighestPriorityGoesFirst) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: low, shell: echo low, priority: -1}\n"
               "  - {name: usual, shell: echo usual}\n"
               "  - {name: high, shell: echo high, priority: 7, needs: [first]}\n"
               "  - {name: first, shell: echo first, priority: 9}\n");
  const Ended ended = folder.run({"--procs", "1", "--mode", GetParam(), "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  // A worker has one job queued behind the one that runs, so `high` may find that place taken when `first` ends.
  EXPECT_THAT(ended.out, testing::StartsWith("first\n"));
  EXPECT_THAT(ended.out, testing::EndsWith("low\n"));
}

TEST(Needs, InACycleAreRefusedBeforeAnythingRuns) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: free, shell: touch ran}\n"
               "  - {name: a, shell: touch ran, needs: [b]}\n"
               "  - {name: b, shell: touch ran, needs: [a]}\n");
  const Ended ended = folder.run({"jobs.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("`a` needs `b` needs `a`"));
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_EQ(folder.run({"check", "jobs.yaml"}).status, 2);
}

TEST(Needs, MayBeOverTheLinesOfAFileButNotOverAnInputThatCannotBeKnownBefore) {
  const Folder folder;
  folder.write("names.txt", "ada\nbob\n");
  const std::string jobs =
      "  - {name: \"greet-${{ n }}\", shell: \"echo hello ${{ n }}\", matrix: {n: {lines: FILE}}}\n"
      "  - {name: first, shell: echo first, priority: 1}\n"
      "  - {name: bye, shell: echo bye, needs: [\"greet-*\", greet-bob]}\n";
  const auto with = [&](const std::string& file) {
    std::string text = "version: 1\njobs:\n" + jobs;
    return text.replace(text.find("FILE"), 4, file);
  };
  folder.write("jobs.yaml", with("names.txt"));
  const Ended ended = folder.run({"--procs", "1", "--mode", "serial", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "first\nhello ada\nhello bob\nbye\n");
  folder.write("jobs.yaml",
               "version: 1\njobs:\n"
               "  - {name: greet, shell: \"echo hello ${{ n }}\", matrix: {n: {lines: \"-\"}}}\n"
               "  - {name: bye, shell: echo bye, needs: [\"greet-*\"]}\n");
  const Ended piped = folder.run({"jobs.yaml"}, "ada\n");
  EXPECT_EQ(piped.status, 2);
  EXPECT_THAT(piped.err, AllOf(testing::StartsWith("jobs.yaml:3:"), HasSubstr("must be known before the start")));
}

// ---- explain ----

TEST(Explain, SaysWhatAJobNeedsAndWhatItWouldRun) {
  const Folder folder;
  folder.write(
      "jobs.yaml",
      "version: 1\n"
      "defaults: {timeout: 90s, retries: 2, backoff: {initial: 1s}, env: {LC_ALL: C}}\n"
      "jobs:\n"
      "  - {name: fetch, shell: touch ran}\n"
      "  - {name: part, kind: noop, needs: [fetch], matrix: {i: 1..20}}\n"
      "  - {name: sheet, command: [montage, \"a b.png\"], cwd: out, stdin: list.txt, needs: [\"part-*\"], priority: 4}\n"
      "  - {name: mail, command: [mail], needs: [sheet]}\n");
  const Ended ended = folder.run({"explain", "jobs.yaml", "sheet"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("sheet (number 22 of 23)\n"));
  EXPECT_THAT(ended.out, HasSubstr("montage 'a b.png'\n"));
  EXPECT_THAT(ended.out, HasSubstr("LC_ALL=C"));
  EXPECT_THAT(ended.out, HasSubstr("list.txt"));
  EXPECT_THAT(ended.out, HasSubstr("part-* (20 jobs)\n"));
  EXPECT_THAT(ended.out, HasSubstr("21 jobs: fetch, part-1, "));
  EXPECT_THAT(ended.out, HasSubstr("1 job: mail\n"));
  EXPECT_THAT(ended.out, HasSubstr("after 1.00 s, 2.00 s"));
  EXPECT_THAT(ended.out, HasSubstr("90.0 s for each attempt"));
  EXPECT_FALSE(folder.exists("ran"));
  EXPECT_THAT(folder.run({"explain", "jobs.yaml", "part-7"}).out,
              AllOf(HasSubstr("kind noop with {}"), HasSubstr("1 job: fetch")));
  EXPECT_THAT(folder.run({"explain", "jobs.yaml", "fetch"}).out,
              HasSubstr("for no job; 0 jobs of the same batch start before it"));
}

TEST(Explain, OfAJobThatIsNotThereSaysWhichIsNear) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: prepare, kind: noop}]\n");
  const Ended ended = folder.run({"explain", "jobs.yaml", "prepair"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.out, IsEmpty());
  EXPECT_THAT(ended.err, HasSubstr("did you mean `prepare`?"));
  EXPECT_THAT(folder.run({"explain", "jobs.yaml"}).err, HasSubstr("which job?"));
  EXPECT_EQ(folder.run({"explain"}).status, 2);
}

}  // namespace
}  // namespace runner::integration
