// The run store: what is recorded, and what --resume makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// One line per row, by a reader that is not ours.
std::string query(const Folder& folder, const std::string& store, const std::string& sql) {
  return folder
      .run_other({"/usr/bin/python3", "-c",
                  "import sqlite3, sys\nfor row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(*row)", store, sql})
      .out;
}

const std::string kFive =
    "version: 1\njobs:\n  - {name: \"j-${{i}}\", shell: \"echo ${{i}} >> ran; test ${{i}} != 3\", matrix: {i: 1..5}}\n";

TEST(Store, RecordsEveryJobOnce) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  EXPECT_EQ(folder.run({"b.yaml"}).status, 1);
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT job, name, status, attempts FROM jobs ORDER BY job"),
            "0 j-1 ok 1\n1 j-2 ok 1\n2 j-3 failed 1\n3 j-4 ok 1\n4 j-5 ok 1\n");
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT run, jobs, ok, failed, ended_ns > started_ns FROM runs"), "1 5 4 1 1\n");
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Store, LetsAShareOfAHaltRuleCountWhatEarlierStartsHaveRecorded) {
  const Folder folder;
  folder.write("b.yaml", "version: 1\njobs:\n  - {name: \"j-${{i}}\", shell: \"test ${{i}} -gt 6\", matrix: {i: 1..10}}\n");
  EXPECT_THAT(folder.run({"--procs", "1", "--halt", "soon,fail=20%", "b.yaml"}).err, HasSubstr("2 jobs"));
  const Ended reached = folder.run({"--procs", "1", "--resume", "--halt", "soon,fail=20%", "b.yaml"});
  EXPECT_THAT(reached.err, HasSubstr("halted by soon,fail=20%"));
  EXPECT_EQ(reached.status, 1) << "two had failed";
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT count(*) FROM jobs"), "2\n");
  static_cast<void>(folder.run({"--procs", "1", "--resume", "--halt", "soon,fail=40%", "b.yaml"}));
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT count(*) FROM jobs"), "4\n")
      << "40% of the eight that were left would be more";
  EXPECT_EQ(folder.run({"--procs", "1", "--resume", "b.yaml"}).status, 1);
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT ok, failed FROM runs"), "4 6\n");
}

TEST(Store, IsNotMadeWithNoStore) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  EXPECT_EQ(folder.run({"--no-store", "b.yaml"}).status, 1);
  EXPECT_FALSE(folder.exists("b.runs.sqlite"));
}

TEST(Store, WithNothingLeftExitsAsTheRecordedOutcomesDemand) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  EXPECT_EQ(folder.run({"--resume", "b.yaml"}).status, 1);  // a first run
  const Ended again = folder.run({"--resume", "b.yaml"});
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.err, HasSubstr("nothing is left to run"));
  EXPECT_THAT(again.err, HasSubstr("runner: 1 outcome recorded earlier did not end well: `runner show 1` lists it\n"));
  EXPECT_THAT(folder.run({"show", "1"}).out, HasSubstr("not ok      j-3: exit status 1"));
  EXPECT_EQ(again.out, "");
}

TEST(Store, HasTheWholeOfAResumedRunAndTheResultsFileThisStartOnly) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  const Ended first = folder.run({"--results", "r.jsonl", "b.yaml"});
  EXPECT_THAT(first.err, Not(HasSubstr("this start only")));
  const std::string all = folder.read("r.jsonl");
  EXPECT_THAT(folder.run({"--resume", "--results", "r.jsonl", "b.yaml"}).err, Not(HasSubstr("this start only")));
  EXPECT_EQ(folder.read("r.jsonl"), all) << "nothing was left to run";
  const Ended again = folder.run({"--retry-failed", "--results", "r.jsonl", "b.yaml"});
  EXPECT_THAT(again.err,
              HasSubstr("runner: `r.jsonl` will hold the outcomes of this start only; `runner export 1` writes those "
                        "of the whole run\n"));
  EXPECT_THAT(folder.read("r.jsonl"), AllOf(HasSubstr("\"j-3\""), Not(HasSubstr("\"j-1\""))));
  EXPECT_THAT(folder.run({"export", "1"}).out, AllOf(HasSubstr("\"j-3\""), HasSubstr("\"j-1\"")));
  EXPECT_THAT(folder.run({"--retry-failed", "--results", "r.csv", "b.yaml"}).err, HasSubstr("`runner export --format csv 1`"));
  EXPECT_THAT(folder.run({"export", "--format", "csv", "1"}).out, HasSubstr("j-1,"));
}

TEST(Store, ExplainsAnExitStatusThatEarlierStartsDemand) {
  const Folder folder;
  const std::string two =
      "version: 1\njobs:\n  - {name: a, shell: \"exit 1\"}\n  - {name: b, shell: \"exit 2\"}\n"
      "  - {name: c, shell: \"exit 3\", allow_failure: true}\n";
  folder.write("b.yaml", two);
  EXPECT_EQ(folder.run({"--store", "s.sqlite", "b.yaml"}).status, 1);
  folder.write("b.yaml", two + "  - {name: d, shell: \"true\"}\n");
  const Ended more = folder.run({"--resume", "--store", "s.sqlite", "b.yaml"});
  EXPECT_EQ(more.status, 1);
  EXPECT_THAT(more.err, HasSubstr("1 job · 1 ok"));
  EXPECT_THAT(more.err,
              HasSubstr("runner: 2 outcomes recorded earlier did not end well: `runner show --store s.sqlite 1` lists them\n"));
  folder.write("b.yaml", "version: 1\njobs:\n  - {name: c, shell: \"exit 3\", allow_failure: true}\n");
  const Ended well = folder.run({"--resume", "--store", "s.sqlite", "b.yaml"});
  EXPECT_EQ(well.status, 0);
  EXPECT_THAT(well.err, Not(HasSubstr("recorded earlier")));
}

TEST(Store, RunsWhatFailedAgainOnlyWhenAsked) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  EXPECT_EQ(folder.run({"b.yaml"}).status, 1);
  folder.write("ran", "");
  EXPECT_EQ(folder.run({"--retry-failed", "b.yaml"}).status, 1);
  EXPECT_EQ(folder.read("ran"), "3\n");
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT count(*) FROM runs"), "1\n");
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT attempts FROM jobs WHERE job=2"), "2\n");
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT job, attempt, status FROM attempts"), "2 1 failed\n");
}

TEST(Store, ResumesWhatIsTheSameInABatchThatHasChanged) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  EXPECT_EQ(folder.run({"b.yaml"}).status, 1);
  folder.write("ran", "");
  std::string changed = kFive;
  changed.replace(changed.find("1..5"), 4, "2..6");
  folder.write("b.yaml", changed);
  const Ended resumed = folder.run({"--resume", "b.yaml"});
  EXPECT_EQ(folder.read("ran"), "6\n");
  EXPECT_THAT(
      resumed.err,
      HasSubstr("the batch has changed: 1 job new or different, 4 under another number or name, 1 recorded job is not in it"));
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT job, name FROM jobs WHERE job>=0 ORDER BY job"),
            "0 j-2\n1 j-3\n2 j-4\n3 j-5\n4 j-6\n");
}

TEST(Store, RunsAJobAgainWhoseInputHasChanged) {
  const Folder folder;
  folder.write("in", "1");
  folder.write(
      "b.yaml",
      "version: 1\njobs:\n  - {name: a, shell: \"echo a >> ran\", inputs: [in]}\n  - {name: b, shell: \"echo b >> ran\"}\n");
  EXPECT_EQ(folder.run({"--procs", "1", "b.yaml"}).status, 0);
  folder.write("in", "other");
  EXPECT_EQ(folder.run({"--resume", "b.yaml"}).status, 0);
  EXPECT_EQ(folder.read("ran"), "a\nb\na\n");
}

TEST(Store, OfANewerVersionIsRefused) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  static_cast<void>(folder.run({"b.yaml"}));
  static_cast<void>(query(folder, "b.runs.sqlite", "PRAGMA user_version=99"));
  folder.write("ran", "");
  const Ended ended = folder.run({"--store", "b.runs.sqlite", "b.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("its format is 99, this program knows 3"));
  EXPECT_EQ(folder.read("ran"), "");
}

TEST(Store, OfAnotherRunIsLeftToIt) {
  const Folder folder;
  folder.write("b.yaml", "version: 1\njobs: [{shell: \"touch begun; while [ ! -e go ]; do sleep 0.02; done\"}]\n");
  Running first(folder, words({"b.yaml"}));
  ASSERT_TRUE(eventually([&] { return folder.exists("begun"); }));
  const Ended named = folder.run({"--resume", "b.yaml"});
  EXPECT_EQ(named.status, 2);
  EXPECT_THAT(named.err, HasSubstr("in use by another run (process " + std::to_string(first.pid()) + ")"));
  folder.write("go", "");
  EXPECT_EQ(first.wait().status, 0);
}

const std::string kNeeds =
    "version: 1\njobs:\n"
    "  - {name: a, shell: \"echo a >> ran; test -e ok\"}\n"
    "  - {name: b, shell: \"echo b >> ran\", needs: [a]}\n"
    "  - {name: c, shell: \"echo c >> ran\", needs: [b]}\n"
    "  - {name: d, shell: \"echo d >> ran\"}\n";

TEST(Store, SkipsAgainWhatNeedsARecordedFailureAndRunsItWhenThatOneIsRunAgain) {
  const Folder folder;
  folder.write("b.yaml", kNeeds);
  EXPECT_EQ(folder.run({"--procs", "1", "b.yaml"}).status, 1);
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT name, status, attempts, worker IS NULL FROM jobs ORDER BY job"),
            "a failed 1 0\nb cancelled 0 1\nc cancelled 0 1\nd ok 1 0\n");
  const Ended nothing = folder.run({"--resume", "b.yaml"});
  EXPECT_EQ(nothing.status, 1);
  EXPECT_THAT(nothing.err, HasSubstr("nothing is left to run"));
  folder.write("ok", "");
  folder.write("ran", "");
  EXPECT_EQ(folder.run({"--procs", "1", "--retry-failed", "b.yaml"}).status, 0);
  EXPECT_EQ(folder.read("ran"), "a\nb\nc\n");
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT status FROM jobs"), "ok\nok\nok\nok\n");
}

TEST(Store, CountsARecordedJobForThoseThatNeedIt) {
  const Folder folder;
  folder.write("b.yaml", "version: 1\njobs: [{name: a, shell: \"echo a >> ran\"}]\n");
  EXPECT_EQ(folder.run({"b.yaml"}).status, 0);
  folder.write("ok", "");
  folder.write("b.yaml",
               "version: 1\njobs: [{name: z, shell: \"echo z >> ran\", needs: [a]}, {name: a, shell: \"echo a >> ran\"}]\n");
  EXPECT_EQ(folder.run({"--resume", "b.yaml"}).status, 0);
  EXPECT_EQ(folder.read("ran"), "a\nz\n");
}

TEST(Store, RunsOnlyWhatWasQuarantinedAgainWhenAsked) {
  const Folder folder;
  folder.write("b.yaml",
               "version: 1\njobs: [{name: k, kind: misbehave, args: {how: segfault}, retries: 9, crash_limit: 2}, "
               "{name: f, shell: \"echo f >> ran; exit 1\"}]\n");
  EXPECT_EQ(folder.run({"b.yaml"}).status, 1);
  folder.write("ran", "");
  const Ended again = folder.run({"--only-quarantined", "b.yaml"});
  EXPECT_EQ(again.status, 1);
  EXPECT_EQ(folder.read("ran"), "");
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT name, quarantined, attempts FROM jobs ORDER BY job"), "k 1 4\nf 0 1\n");
  const Folder other;
  other.write("b.yaml", kFive);
  const Ended none = other.run({"--only-quarantined", "b.yaml"});
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("no run of this batch is recorded"));
  EXPECT_EQ(other.run({"b.yaml"}).status, 1);
  const Ended nothing = other.run({"--only-quarantined", "b.yaml"});
  EXPECT_EQ(nothing.status, 1);
  EXPECT_THAT(nothing.err, HasSubstr("runner: run 1: no job is quarantined, so there is none to run again\n"));
  EXPECT_THAT(nothing.err, HasSubstr("1 outcome recorded earlier did not end well"));
  EXPECT_THAT(nothing.err, Not(HasSubstr("nothing is left")));
}

TEST(Store, BeginsANewRunForABatchThatHasNoJobInCommon) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  EXPECT_EQ(folder.run({"b.yaml"}).status, 1);
  folder.write("b.yaml", "version: 1\njobs: [{shell: \"true\"}]\n");
  const Ended ended = folder.run({"--resume", "b.yaml"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.err, HasSubstr("run 1 in `b.runs.sqlite` has no job in common with this batch, so this is a new run"));
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT run, jobs FROM runs"), "1 5\n2 1\n");
}

TEST(Store, ResumesTheArgumentsOfExec) {
  const Folder folder;
  EXPECT_EQ(folder.run({"exec", "--procs", "1", "echo {} >> ran", ":::", "a", "b"}).status, 0);
  const Ended more = folder.run({"exec", "--procs", "1", "--resume", "echo {} >> ran", ":::", "b", "c", "a"});
  EXPECT_EQ(more.status, 0) << more.err;
  EXPECT_EQ(folder.read("ran"), "a\nb\nc\n");
}

TEST(Store, ResumesRowsOfAFileWhenOthersHaveComeInBetween) {
  const Folder folder;
  folder.write("rows.csv", "x\n1\n3\n");
  folder.write("b.yaml",
               "version: 1\njobs: [{name: \"j-${{x}}\", shell: \"echo ${{x}} >> ran\", matrix: {row: {csv: rows.csv}}}]\n");
  EXPECT_EQ(folder.run({"--procs", "1", "b.yaml"}).status, 0);
  folder.write("rows.csv", "x\n1\n2\n3\n");
  EXPECT_EQ(folder.run({"--procs", "1", "--resume", "b.yaml"}).status, 0);
  EXPECT_EQ(folder.read("ran"), "1\n3\n2\n");
}

TEST(Store, CannotResumeWhatCanBeReadOnce) {
  const Folder folder;
  folder.write("b.yaml", "version: 1\njobs: [{shell: \"true ${{x}}\", matrix: {x: {lines: \"-\"}}}]\n");
  EXPECT_EQ(folder.run({"b.yaml"}, "1\n2\n").status, 0);
  const Ended again = folder.run({"--resume", "b.yaml"}, "1\n2\n3\n");
  EXPECT_EQ(again.status, 2);
  EXPECT_THAT(again.err, HasSubstr("can be read only once; put them into a file"));
}

const std::string kLong =
    "version: 1\njobs: [{name: j, shell: \"head -c 20000 /dev/zero | tr '\\\\0' x\", matrix: {i: 1..100}}]\n";

// What a message says is safe is safe, and a resume runs exactly the rest.
void expect_a_clean_stop(const Folder& folder, const Ended& stopped, const std::string& why) {
  EXPECT_EQ(stopped.status, 1);
  EXPECT_THAT(stopped.err, HasSubstr(why));
  const std::size_t at = stopped.err.find(" of this run are safe in it, and --resume runs the rest");
  ASSERT_NE(at, std::string::npos) << stopped.err;
  const std::size_t begin = stopped.err.rfind("; ", at) + 2;
  const int safe = std::stoi(stopped.err.substr(begin));
  EXPECT_GT(safe, 0);
  const Ended resumed = folder.run({"--resume", "b.yaml"});
  EXPECT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("run 1: " + std::to_string(safe) + " of 100 jobs"));
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT count(*), sum(attempts) FROM jobs"), "100 100\n");
}

TEST(Store, ThatMayGrowNoMoreStopsTheRunAndSaysWhatIsSafe) {
  const Folder folder;
  folder.write("b.yaml", kLong);
  const auto limited = [] {
    const rlimit small{300 * 1024, 300 * 1024};
    ::setrlimit(RLIMIT_FSIZE, &small);
  };
  const Ended stopped = folder.run_other({RUNNER_PROGRAM, "--transport", "pipe", "--procs", "1", "b.yaml"}, "", limited);
  expect_a_clean_stop(folder, stopped, "cannot be written: ");
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Store, OnAFullDiskStopsTheRunAndSaysWhatIsSafe) {
  const Folder folder;
  folder.write("b.yaml", kLong);
  const std::string program = RUNNER_PROGRAM;
  const Ended stopped =
      folder.run_other({"/usr/bin/unshare", "-m", "/bin/sh", "-c",
                        "mkdir small && mount -t tmpfs -o size=600k none small || exit 77; cd small; " + program +
                            " --procs 1 ../b.yaml; status=$?; rm -f ../b.runs.sqlite*; "
                            "mount -o remount,size=50M small . && cp b.runs.sqlite* ..; cd ..; exit $status"});
  if (stopped.status != 1) GTEST_SKIP() << "no file system can be mounted here: " << stopped.err;
  expect_a_clean_stop(folder, stopped, "disk is full; free some space on its disk");
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Store, ThatCannotBeWrittenIsReplacedByNoneUnlessItWasAskedFor) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  std::filesystem::create_directory(folder.path() / "b.runs.sqlite");
  for (int i = 2; i <= 9; ++i) std::filesystem::create_directory(folder.path() / ("b." + std::to_string(i) + ".runs.sqlite"));
  const Ended ended = folder.run({"b.yaml"});
  EXPECT_EQ(ended.status, 1) << "as its jobs demand";
  EXPECT_THAT(ended.err, HasSubstr("this run is recorded nowhere and cannot be resumed"));
  EXPECT_THAT(ended.err, Not(HasSubstr("replay:")));
  folder.write("ran", "");
  EXPECT_EQ(folder.run({"--store", "b.runs.sqlite", "b.yaml"}).status, 2);
  EXPECT_EQ(folder.run({"--store", "none/b.sqlite", "b.yaml"}).status, 2);
  EXPECT_EQ(folder.read("ran"), "");
}

TEST(Store, OfAnotherProgramIsLeftAlone) {
  const Folder folder;
  folder.write("b.yaml", kFive);
  static_cast<void>(query(folder, "b.runs.sqlite", "CREATE TABLE mine(x)"));
  const Ended ended = folder.run({"b.yaml"});
  EXPECT_THAT(ended.err, HasSubstr("`b.runs.sqlite` is a database of another program"));
  EXPECT_THAT(ended.err, HasSubstr("this run is recorded in `b.2.runs.sqlite`"));
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT name FROM sqlite_schema"), "mine\n");
  EXPECT_EQ(query(folder, "b.2.runs.sqlite", "SELECT count(*) FROM jobs"), "5\n");
  folder.write("text.sqlite", std::string(5000, 'x'));
  EXPECT_EQ(folder.run({"--store", "text.sqlite", "b.yaml"}).status, 2);
  EXPECT_EQ(folder.read("text.sqlite"), std::string(5000, 'x'));
}

TEST(Store, KeepsTheOrderOfWhatIsLeft) {
  const Folder folder;
  folder.write("b.yaml",
               "version: 1\njobs: [{name: \"j-${{i}}\", shell: \"test -e go${{i}} && sleep 0.0${{i}} && echo ${{i}}\", matrix: "
               "{i: 1..9}}]\n");
  for (const char* some : {"go2", "go5", "go6"}) folder.write(some, "");
  EXPECT_EQ(folder.run({"--procs", "3", "--keep-order", "b.yaml"}).out, "2\n5\n6\n");
  for (const char* more : {"go1", "go3", "go4", "go7", "go8", "go9"}) folder.write(more, "");
  EXPECT_EQ(folder.run({"--procs", "3", "--keep-order", "--retry-failed", "b.yaml"}).out, "1\n3\n4\n7\n8\n9\n");
}

TEST(Store, LetsTheLongestJobsOfTheRunBeforeBeginFirst) {
  const Folder folder;
  const std::string jobs =
      "version: 1\njobs: [{name: \"j-${{s}}\", shell: \"echo ${{s}} >> ran; sleep ${{s}}\", matrix: {s: [0, 0.03, 0.001, 0.6, "
      "0.4]}}]\n";
  folder.write("b.yaml", jobs);
  const auto order = [&](const std::vector<std::string>& arguments) {
    folder.write("ran", "");
    EXPECT_EQ(folder.run(arguments).status, 0);
    return folder.read("ran");
  };
  EXPECT_TRUE(order({"--procs", "2", "b.yaml"}).starts_with("0"));
  const std::string second = order({"--procs", "2", "b.yaml"});
  EXPECT_THAT(second.substr(0, 8), AnyOf("0.6\n0.4\n", "0.4\n0.6\n")) << second;
  EXPECT_EQ(order({"--procs", "1", "b.yaml"}), "0\n0.03\n0.001\n0.6\n0.4\n") << "one after another it makes no difference";
  const std::string kept = order({"--procs", "2", "--keep-order", "b.yaml"});
  EXPECT_THAT(kept, Not(HasSubstr("0.6\n0.4\n0\n"))) << "its order was asked for";
  // Another job in front changes every number.
  folder.write("b.yaml", "version: 1\njobs:\n  - {name: new, shell: \"echo new >> ran\"}\n  - " +
                             jobs.substr(18, jobs.size() - 20) + "\n");
  const std::string changed = order({"--procs", "2", "b.yaml"});
  EXPECT_THAT(changed.substr(0, 8), AnyOf("0.6\n0.4\n", "0.4\n0.6\n")) << changed;
}

TEST(Store, LetsTheLongestCommandsOfTheExecBeforeBeginFirst) {
  const Folder folder;
  const std::vector<std::string> sleeps{"exec", "--procs", "2", "echo {} >> ran; sleep {}", ":::", "0", "0.2", "0.001", "0.4"};
  EXPECT_EQ(folder.run(sleeps).status, 0);
  folder.write("ran", "");
  EXPECT_EQ(folder.run(sleeps).status, 0);
  const std::string second = folder.read("ran");
  EXPECT_THAT(second.substr(0, 8), AnyOf("0.4\n0.2\n", "0.2\n0.4\n")) << second;
}

// Every resume begins at the instant of the kill.
TEST(Store, LosesNothingAndRecordsNothingTwiceWhenTheMasterIsKilledAgainAndAgain) {
  const char* rounds = std::getenv("RUNNER_SOAK_ROUNDS");
  const int kills = rounds != nullptr ? std::atoi(rounds) : 20;
  const Folder folder;
  const int jobs = kills * 40;
  folder.write("b.yaml", "version: 1\njobs:\n  - {name: \"j-${{duration}}-${{i}}\", kind: sleep, matrix: {i: 1.." +
                             std::to_string(jobs) + ", duration: [1ms]}}\n");
  std::mt19937 random(4711);
  std::set<std::string> known;
  const auto recorded = [&] {
    std::set<std::string> names;
    std::istringstream lines(query(folder, "b.runs.sqlite", "SELECT name FROM jobs"));
    for (std::string name; std::getline(lines, name);) EXPECT_TRUE(names.insert(name).second) << name;
    return names;
  };
  for (int round = 0; round < kills; ++round) {
    Running running(folder, words({"--resume", "--progress", "none", "--procs", "2", "b.yaml"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
    running.signal(SIGKILL);
    if (round % 2 == 0) continue;  // the next one begins at once
    static_cast<void>(running.wait());
    const std::set<std::string> now = folder.exists("b.runs.sqlite") ? recorded() : std::set<std::string>();
    for (const std::string& name : known) EXPECT_TRUE(now.contains(name)) << name << " was lost in round " << round;
    known = now;
  }
  const Ended last = folder.run({"--resume", "--progress", "none", "b.yaml"});
  EXPECT_EQ(last.status, 0) << last.err;
  EXPECT_EQ(recorded().size(), static_cast<std::size_t>(jobs));
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT count(*), max(ok), max(jobs) FROM runs"),
            "1 " + std::to_string(jobs) + " " + std::to_string(jobs) + "\n");
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Store, IsPlannedFromAndWrittenByOneOfThoseThatBeginTogether) {
  const Folder folder;
  folder.write(
      "b.yaml",
      "version: 1\njobs:\n  - {name: \"j-${{ i }}\", shell: 'sleep 0.01; echo ${{ i }} >> log', matrix: {i: 1..40}}\n");
  const auto run_three = [&] {
    std::vector<std::unique_ptr<Running>> together;
    for (int i = 0; i < 3; ++i) {
      together.push_back(std::make_unique<Running>(
          folder, words({"--progress", "none", "--procs", "2", "--store", "s.sqlite", "--resume", "b.yaml"})));
    }
    int well = 0;
    for (const auto& one : together) {
      const Ended ended = one->wait();
      well += ended.status == 0 ? 1 : 0;
      if (ended.status != 0) {
        EXPECT_EQ(ended.status, 2) << ended.err;
        EXPECT_THAT(ended.err, HasSubstr("is in use by another run"));
      }
    }
    return well;
  };
  const auto lines = [&] {
    std::istringstream log(folder.read("log"));
    std::multiset<std::string> all;
    for (std::string line; std::getline(log, line);) all.insert(line);
    return all;
  };
  // None of the others has run a job, or one that had an outcome: those that came later had nothing to do.
  EXPECT_GE(run_three(), 1);
  const std::multiset<std::string> all = lines();
  EXPECT_EQ(all.size(), 40U);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 40U);
  EXPECT_EQ(query(folder, "s.sqlite", "SELECT count(*) FROM jobs"), "40\n");
}

TEST(Store, ThatIsDeletedDuringTheRunStopsIt) {
  const Folder folder;
  folder.write("b.yaml", "version: 1\njobs:\n  - {name: \"j-${{ i }}\", command: [sleep, \"0.02\"], matrix: {i: 1..100000}}\n");
  Running running(folder, words({"--progress", "none", "--procs", "2", "--store", "s.sqlite", "b.yaml"}));
  ASSERT_TRUE(eventually([&] { return folder.exists("s.sqlite-wal"); }));
  for (const char* name : {"s.sqlite", "s.sqlite-wal", "s.sqlite-shm"}) std::filesystem::remove(folder.path() / name);
  const Ended ended = running.wait();
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("the run store `s.sqlite` was deleted during the run"));
}

TEST(Store, KeepsTheOutcomesOfJobsThatRunAgainUntilTheirNewOnesCome) {
  const Folder folder;
  folder.write("b.yaml",
               "version: 1\njobs:\n  - {name: \"j-${{i}}\", shell: \"echo >> ran; test ! -e slow || sleep 0.1; exit ${{i}}\", "
               "matrix: {i: 1..20}}\n");
  ASSERT_EQ(folder.run({"b.yaml"}).status, 1);
  folder.write("slow", "");
  folder.write("ran", "");
  {
    Running running(folder, words({"--retry-failed", "--progress", "none", "--procs", "2", "b.yaml"}));
    EXPECT_TRUE(eventually([&] { return folder.read("ran").size() > 6; }));
    running.signal(SIGKILL);
    static_cast<void>(running.wait());
  }
  const std::string exported = folder.run({"export"}).out;
  EXPECT_EQ(std::count(exported.begin(), exported.end(), '\n'), 20);
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT count(*) FROM jobs WHERE status='failed' AND exit_code=job+1"), "20\n");
  EXPECT_THAT(folder.run({"show", "j-20"}).out, HasSubstr("outcome     exit status 20; to run again\n"));
  EXPECT_EQ(folder.run({"show", "j-20"}).out.find("1: exit"), std::string::npos) << "its one attempt is told once";
  EXPECT_THAT(folder.run({"show"}).out, HasSubstr("j-20: exit status 20"));
  const int had = std::stoi(query(folder, "b.runs.sqlite", "SELECT count(*) FROM jobs WHERE attempts=2"));
  EXPECT_GT(had, 0);
  EXPECT_LT(had, 20);

  std::filesystem::remove(folder.path() / "slow");
  folder.write("ran", "");
  EXPECT_EQ(folder.run({"--resume", "b.yaml"}).status, 1);
  EXPECT_EQ(folder.read("ran").size(), static_cast<std::size_t>(20 - had));
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT count(*), min(attempts), max(attempts) FROM jobs"), "20 2 2\n");
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT count(*), count(DISTINCT job), max(attempt) FROM attempts"), "20 20 1\n");
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT jobs, failed FROM runs"), "20 20\n");
  EXPECT_THAT(folder.run({"--resume", "b.yaml"}).err, HasSubstr("nothing is left to run"));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Store, GivesAJobNoMoreChancesThanItHasWhenTheMasterIsKilled) {
  const Folder folder;
  const auto write = [&](const std::string& pause) {
    folder.write("b.yaml", "version: 1\njobs:\n  - {name: f, shell: \"echo >> ran; exit 1\", retries: 2" + pause +
                               "}\n  - {name: k, kind: misbehave, args: {how: segfault}, retries: 9, crash_limit: 2" + pause +
                               "}\n");
  };
  write(", backoff: {initial: 1h, max: 1h, factor: 1}");
  {
    Running running(folder, words({"--procs", "2", "--progress", "none", "b.yaml"}));
    EXPECT_TRUE(eventually([&] { return query(folder, "b.runs.sqlite", "SELECT count(*) FROM attempts") == "2\n"; }));
    running.signal(SIGKILL);
    static_cast<void>(running.wait());
  }
  EXPECT_EQ(query(folder, "b.runs.sqlite", "SELECT count(*) FROM jobs"), "0\n");
  write("");
  EXPECT_EQ(folder.run({"--resume", "b.yaml"}).status, 1);
  const std::string rows = "SELECT name, status, attempts, quarantined FROM jobs ORDER BY job";
  EXPECT_EQ(query(folder, "b.runs.sqlite", rows), "f failed 3 0\nk crashed 2 1\n");
  EXPECT_EQ(folder.read("ran"), "\n\n\n");
  EXPECT_EQ(folder.run({"--retry-failed", "b.yaml"}).status, 1);
  EXPECT_EQ(query(folder, "b.runs.sqlite", rows), "f failed 6 0\nk crashed 4 1\n") << "a new chance";
  EXPECT_THAT(leftovers(), IsEmpty());
}

}  // namespace
}  // namespace runner::integration
