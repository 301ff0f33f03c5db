// What a run store holds, read back by `runs`, `show`, `export` and `replay`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kBatch =
    "version: 1\njobs:\n"
    "  - {name: bad, shell: \"echo out; echo err >&2; exit 3\", retries: 1, env: {A: b}}\n"
    "  - {name: \"p-${{limit}}\", kind: primes, matrix: {limit: [100, 1000]}}\n"
    "  - {name: waits, shell: \"true\", needs: [bad]}\n";

class StoredRuns : public ::testing::Test {
 protected:
  void SetUp() override {
    folder.write("b.yaml", kBatch);
    ran = folder.run({"--results", "r.jsonl", "--keep-order", "b.yaml"});
    ASSERT_EQ(ran.status, 1) << ran.err;
  }
  Folder folder;
  Ended ran;
};

TEST_F(StoredRuns, AreListedWithHowTheyWent) {
  static_cast<void>(folder.run({"b.yaml"}));
  const Ended runs = folder.run({"runs"});
  EXPECT_EQ(runs.status, 0);
  EXPECT_THAT(runs.out, ContainsRegex("   1  b      .* done   4 of 4 · 2 ok · 1 failed · 1 cancelled\n   2  b "));
  EXPECT_EQ(runs.err, "");
}

TEST_F(StoredRuns, LeaveNothingBesideTheStoreWhenTheyAreRead) {
  const auto around = [&] {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      const std::string name = entry.path().filename().string();
      if (name.find("sqlite") != std::string::npos) names.push_back(name);
    }
    return names;
  };
  ASSERT_THAT(around(), ElementsAre("b.runs.sqlite"));
  const auto written = std::filesystem::last_write_time(folder.path() / "b.runs.sqlite");
  for (const std::vector<std::string>& reader : std::vector<std::vector<std::string>>{
           {"runs"}, {"show"}, {"export"}, {"explain", "b.yaml", "j-1"}, {"replay", "j-1"}, {"show", "nobody"}}) {
    static_cast<void>(folder.run(reader));
    EXPECT_THAT(around(), ElementsAre("b.runs.sqlite")) << reader.front();
  }
  EXPECT_EQ(std::filesystem::last_write_time(folder.path() / "b.runs.sqlite"), written)
      << "or another store would be the newest";
}

TEST_F(StoredRuns, CanBeReadAgainAndAgainWhileTheyAreWritten) {
  folder.write(
      "long.yaml",
      "version: 1\njobs:\n  - {name: first, shell: \"touch begun\"}\n  - {name: waits, shell: \"while [ ! -e go ]; do sleep "
      "0.02; done\"}\n  - {name: \"n-${{i}}\", kind: noop, matrix: {i: 1..2000}}\n");
  Running running(folder, words({"--procs", "1", "--progress", "none", "--store", "l.sqlite", "long.yaml"}));
  ASSERT_TRUE(eventually([&] { return folder.exists("begun"); }));
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(folder.run({"runs", "--store", "l.sqlite"}).out, HasSubstr("running (process "));
    EXPECT_TRUE(folder.exists("l.sqlite-wal")) << "it is the writer's";
  }
  folder.write("go", "");
  EXPECT_EQ(running.wait().status, 0);
  EXPECT_THAT(folder.run({"runs", "--store", "l.sqlite"}).out, HasSubstr("2 002 of 2 002"));
  EXPECT_FALSE(folder.exists("l.sqlite-wal"));
  EXPECT_FALSE(folder.exists("l.sqlite-shm"));
}

TEST_F(StoredRuns, ThatWereKilledTookAsLongAsIsRecorded) {
  folder.write(
      "long.yaml",
      "version: 1\njobs:\n  - {name: first, shell: \"sleep 0.3\"}\n  - {name: waits, shell: \"touch begun; sleep 1000\"}\n");
  Running running(folder, words({"--procs", "1", "--progress", "none", "--store", "l.sqlite", "long.yaml"}));
  ASSERT_TRUE(eventually([&] { return folder.exists("begun"); }));
  // The outcome of the first is committed a moment after it ended.
  ASSERT_TRUE(eventually([&] { return folder.run({"runs", "--store", "l.sqlite"}).out.find("1 of 2") != std::string::npos; }));
  running.signal(SIGKILL);
  static_cast<void>(running.wait());
  EXPECT_THAT(folder.run({"runs", "--store", "l.sqlite"}).out, ContainsRegex(" [0-9.]+ m?s  killed "));
  EXPECT_THAT(folder.run({"show", "--store", "l.sqlite"}).out, ContainsRegex("took  .* m?s, as far as is recorded\n"));
}

TEST_F(StoredRuns, OfJobsThatNobodyHadCountedAreDoneOnlyWhenTheirEndWasSeen) {
  folder.write("rows.yaml", "version: 1\njobs:\n  - {name: \"r-${{row}}\", command: [\"true\"], matrix: {row: {csv: -}}}\n");
  const auto state = [&](const std::string& rows, const std::vector<std::string>& options) {
    std::vector<std::string> all{"--procs", "1", "rows.yaml"};
    all.insert(all.end(), options.begin(), options.end());
    static_cast<void>(folder.run(all, rows));
    std::string runs = folder.run({"runs", "--store", "rows.runs.sqlite"}).out;
    if (!runs.empty()) runs.pop_back();
    return runs.substr(runs.rfind('\n') + 1);
  };
  EXPECT_THAT(state("n,m\n1,1\n2,2\n3,3\n", {}), ContainsRegex(" done .* 3 of 3 · 3 ok"));
  EXPECT_THAT(state("n,m\n1,1\n2,2\n3\n4,4\n", {}), ContainsRegex(" stopped early  [0-2] · ")) << "a row that cannot be read";
  EXPECT_THAT(state("n,m\n1,1\n2,2\n3,3\n4,4\n5,5\n6,6\n7,7\n8,8\n9,9\n", {"--halt", "now,done=1"}),
              ContainsRegex(" stopped early  "));
  EXPECT_THAT(folder.run({"show", "--store", "rows.runs.sqlite"}).out, HasSubstr("state       stopped early\n"));
  EXPECT_THAT(state("n,m\n", {}), ContainsRegex(" done .* 0 of 0"));
}

TEST_F(StoredRuns, AreShownWithWhatDidNotEndWell) {
  const Ended shown = folder.run({"show"});
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.out, HasSubstr("run         1 of batch `b` (b.yaml)\n"));
  EXPECT_THAT(
      shown.out,
      ContainsRegex("not ok      bad: exit status 3, after .*, 2nd attempt\n            waits: cancelled: needs bad\n"));
  EXPECT_EQ(folder.run({"show", "1"}).out, shown.out);
}

TEST_F(StoredRuns, ShowAllThatIsKnownOfAJob) {
  const Ended shown = folder.run({"show", "bad"});
  EXPECT_EQ(shown.status, 0);
  for (const char* part :
       {"outcome     exit status 3\n", "attempts    2\n            1: exit status 3, after ", "stdout      4 B\n  | out\n",
        "stderr      4 B\n  | err\n", "runs        A=b /bin/sh -c 'echo out; echo err >&2; exit 3'\n",
        "replay      runner replay bad\n"}) {
    EXPECT_THAT(shown.out, HasSubstr(part));
  }
  EXPECT_THAT(folder.run({"show", "1", "p-100"}).out, HasSubstr("result      {\"count\":25,\"largest\":97}\n"));
  EXPECT_THAT(folder.run({"show", "waits"}).out, HasSubstr("ran         never\n"));
}

TEST_F(StoredRuns, AreExportedAsTheResultsFileHasThem) {
  const Ended exported = folder.run({"export"});
  EXPECT_EQ(exported.status, 0);
  EXPECT_EQ(exported.out, folder.read("r.jsonl"));
  static_cast<void>(folder.run({"--results", "r.csv", "--keep-order", "b.yaml"}));
  EXPECT_EQ(folder.run({"export", "--format", "csv"}).out, folder.read("r.csv"));
  EXPECT_EQ(folder.run({"export", "1"}).out, exported.out) << "the first run, not the newest";
}

TEST_F(StoredRuns, AreExportedAsAJobLogOfGnuParallel) {
  std::istringstream lines(folder.run({"export", "-f", "joblog"}).out);
  std::string header, bad, primes;
  std::getline(lines, header);
  EXPECT_EQ(header, "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand");
  std::getline(lines, bad);
  EXPECT_THAT(bad, ContainsRegex("^1\t:\t[0-9]+\\.[0-9]{3}\t +[0-9]+\\.[0-9]{3}\t0\t4\t3\t0\techo out; echo err >&2; exit 3$"));
  std::getline(lines, primes);
  EXPECT_THAT(primes, HasSubstr("\t0\t0\tprimes {\"limit\":100}"));
  std::getline(lines, primes);
  EXPECT_FALSE(std::getline(lines, primes)) << "a job that was never started is not in it: " << primes;
}

TEST_F(StoredRuns, AreReplayedJobByJob) {
  EXPECT_THAT(ran.err, HasSubstr(" · replay: runner replay bad\n"));
  const Ended replayed = folder.run({"replay", "bad"});
  EXPECT_EQ(replayed.status, 1);
  EXPECT_EQ(replayed.out, "out\n");
  EXPECT_THAT(replayed.err, HasSubstr("failed: bad: exit status 3"));
  const Ended typed = folder.run({"replay", "p-1000"});
  EXPECT_EQ(typed.status, 0);
  EXPECT_EQ(typed.out, "{\"job\":\"p-1000\",\"result\":{\"count\":168,\"largest\":997}}\n");
  EXPECT_THAT(folder.run({"runs"}).out, Not(HasSubstr("\n   2 "))) << "a replay is recorded nowhere";
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(StoredRunsOfJobsThatLookLikeOptions, AreFoundByTheLineThatIsPrinted) {
  const Folder folder;
  folder.write("o.yaml", "version: 1\njobs:\n  - {name: \"-n\", shell: \"exit 3\"}\n  - {name: \"--\", shell: \"exit 4\"}\n");
  const Ended ran = folder.run({"o.yaml"});
  EXPECT_THAT(ran.err, HasSubstr(" · replay: runner replay -- -n\n"));
  EXPECT_THAT(folder.run({"replay", "--", "-n"}).err, HasSubstr("failed: -n: exit status 3"));
  EXPECT_THAT(folder.run({"replay", "--", "--"}).err, HasSubstr("failed: --: exit status 4"));
  EXPECT_THAT(folder.run({"show", "--", "-n"}).out, HasSubstr("replay      runner replay -- -n\n"));
  EXPECT_EQ(folder.run({"check", "--", "o.yaml"}).status, 0);
  const Ended unknown = folder.run({"replay", "--", "-n", "-x"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.err, HasSubstr("`-x` is one argument too many"));
  EXPECT_THAT(folder.run({"replay", "-x", "--", "-n"}).err, HasSubstr("there is no option `-x`"));
}

TEST_F(StoredRuns, AreReplayedInThisProcessForADebugger) {
  const Ended command = folder.run({"replay", "--debug", "bad"});
  EXPECT_EQ(command.status, 3);
  EXPECT_EQ(command.out, "out\n");
  EXPECT_EQ(command.err, "err\n") << "it has taken the place of runner";
  const Ended typed = folder.run({"replay", "--debug", "p-100"});
  EXPECT_EQ(typed.status, 0);
  EXPECT_THAT(typed.err, HasSubstr("serial, in this process"));
}

TEST_F(StoredRuns, AreReplayedFromAnotherFolderWhereTheyWereRun) {
  folder.write("data", "here\n");
  folder.write("c.yaml", "version: 1\njobs: [{name: c, command: [cat, data]}]\n");
  ASSERT_EQ(folder.run({"--store", "c.sqlite", "c.yaml"}).status, 0);
  const Folder other;
  const Ended replayed = other.run({"replay", "--store", folder.path().string() + "/c.sqlite", "c"});
  EXPECT_EQ(replayed.status, 0) << replayed.err;
  EXPECT_EQ(replayed.out, "here\n");
}

TEST_F(StoredRuns, ThatAreNotThereAreNamed) {
  const auto said = [&](const std::vector<std::string>& words) {
    const Ended ended = folder.run(words);
    EXPECT_EQ(ended.status, 2);
    EXPECT_EQ(ended.out, "");
    return ended.err;
  };
  EXPECT_THAT(said({"show", "bat"}), HasSubstr("run 1 in `b.runs.sqlite` has no outcome of a job `bat`; did you mean `bad`?"));
  EXPECT_THAT(said({"show", "9", "bad"}), HasSubstr("there is no run 9 in `b.runs.sqlite`"));
  EXPECT_THAT(said({"export", "9"}), HasSubstr("there is no run 9"));
  EXPECT_THAT(said({"export", "bad"}), HasSubstr("`bad` is no number of a run"));
  EXPECT_THAT(said({"export", "-f", "jsonk"}), HasSubstr("`jsonk` is none of jsonl, csv, joblog; did you mean `jsonl`?"));
  EXPECT_THAT(said({"runs", "--store", "none.sqlite"}), HasSubstr("there is no run store `none.sqlite` to read"));
  EXPECT_THAT(said({"runs", "--store", "b.yaml"}), HasSubstr("b.yaml"));
  EXPECT_THAT(said({"replay"}), HasSubstr("which job?"));
  const Folder empty;
  EXPECT_THAT(empty.run({"runs"}).err, HasSubstr("there is no run store (*.runs.sqlite) in this folder"));
}

TEST_F(StoredRuns, CanBeReadWhileOneGoesOn) {
  folder.write(
      "b.yaml",
      "version: 1\njobs: [{name: first, shell: \"true\"}, {shell: \"touch begun; while [ ! -e go ]; do sleep 0.02; done\"}]\n");
  Running running(folder, words({"--procs", "1", "b.yaml"}));
  ASSERT_TRUE(eventually([&] { return folder.exists("begun"); }));
  EXPECT_TRUE(eventually([&] { return folder.run({"show", "first"}).status == 0; }));
  EXPECT_THAT(folder.run({"runs"}).out, HasSubstr("running (process " + std::to_string(running.pid()) + ")"));
  folder.write("go", "");
  EXPECT_EQ(running.wait().status, 0);
  EXPECT_THAT(folder.run({"show", "2"}).out, HasSubstr("state       done\n"));
}

TEST_F(StoredRuns, CanBeReadWhereNothingCanBeWritten) {
  const std::string program = RUNNER_PROGRAM;
  const Ended read =
      folder.run_other({"/usr/bin/unshare", "-m", "/bin/sh", "-c",
                        "mkdir small && mount -t tmpfs none small || exit 77; cp b.runs.sqlite 'small/a?b#c %41.sqlite'; "
                        "mount -o remount,ro small; cd small; " +
                            program + " show --store 'a?b#c %41.sqlite' bad"});
  if (read.status == 77) GTEST_SKIP() << "no file system can be mounted here: " << read.err;
  EXPECT_EQ(read.status, 0) << read.err;
  EXPECT_THAT(read.out, HasSubstr("outcome     exit status 3\n"));
}

TEST(StoredCosts, TellWhatTheRunAndItsJobsCost) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\nname: b\njobs: [{name: a, shell: sleep 0.01}]\n");
  ASSERT_EQ(folder.run({"jobs.yaml"}).status, 0);
  EXPECT_THAT(folder.run({"show"}).out, AllOf(HasSubstr("costs"), HasSubstr("{\"worker_seconds\":")));
  EXPECT_THAT(folder.run({"show", "a"}).out,
              AllOf(HasSubstr("costs"), HasSubstr("{\"queue_wait\":"), HasSubstr("\"sampled\":1}")));
}

TEST(StoredRunsOfWideJobs, AreReplayedWithTheProcessorsThatTheyHad) {
  const Folder folder;
  const std::string shown = "shell: 'echo $RUNNER_CPUS $OMP_NUM_THREADS'";
  folder.write("w.yaml", "version: 1\njobs:\n  - {name: wide, cpus: 3, " + shown + "}\n  - {name: one, " + shown +
                             "}\n  - {name: typed, kind: given, cpus: 3}\n");
  // On eight places one thread each; on three of a machine with more than five processors more.
  for (const char* procs : {"8", "3"}) {
    const Ended ran = folder.run({"--procs", procs, "--keep-order", "--plugin", RUNNER_TEST_PLUGIN, "w.yaml"});
    ASSERT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(folder.run({"replay", "wide"}).out + folder.run({"replay", "one"}).out + folder.run({"replay", "typed"}).out,
              ran.out);
    EXPECT_EQ(folder.run({"replay", "--debug", "wide"}).out + folder.run({"replay", "--debug", "one"}).out +
                  folder.run({"replay", "--debug", "typed"}).out,
              ran.out);
  }
  EXPECT_THAT(folder.run({"replay", "wide"}).out, "3 3\n");
}

// What versions before have written: without the columns for costs, or for processors.
class OlderStore : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(OfFormat, OlderStore, testing::Values(1, 2), testing::PrintToStringParamName());

TEST_P(OlderStore, IsBroughtUpToDateByTheNextRun) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\nname: b\njobs: [{name: a, shell: touch ran}, {name: b, shell: test -e now}]\n");
  ASSERT_EQ(folder.run({"jobs.yaml"}).status, 1);
  const Ended older =
      folder.run_other({"/usr/bin/python3", "-c",
                        "import sqlite3, sys\nstore = sqlite3.connect('b.runs.sqlite')\n"
                        "for column in 'cpus', 'threads': store.execute(f'ALTER TABLE jobs DROP COLUMN {column}')\n"
                        "if sys.argv[1] == '1':\n"
                        "  for table in 'runs', 'jobs', 'attempts': store.execute(f'ALTER TABLE {table} DROP COLUMN costs')\n"
                        "store.execute('PRAGMA user_version=' + sys.argv[1])\nstore.commit()",
                        std::to_string(GetParam())});
  ASSERT_EQ(older.status, 0) << older.err;
  const Ended reading = folder.run({"runs"});
  EXPECT_EQ(reading.status, 2);
  EXPECT_THAT(reading.err,
              HasSubstr("has the older format " + std::to_string(GetParam()) + ", this program reads 3; the next run"));
  folder.write("now", "");
  std::filesystem::remove(folder.path() / "ran");
  const Ended resumed = folder.run({"--retry-failed", "jobs.yaml"});
  EXPECT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_FALSE(folder.exists("ran")) << "what was recorded counts";
  EXPECT_THAT(folder.run({"show", "b"}).out, HasSubstr("{\"queue_wait\":"));
  EXPECT_EQ(folder.run({"replay", "a"}).status, 0) << "though what it had is not known";
}

}  // namespace
}  // namespace runner::integration
