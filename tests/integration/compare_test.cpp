// `runner compare`: one batch under all models, what differs between them, and what cannot be compared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> comparing(const std::vector<std::string>& more) {
  std::vector<std::string> all{"compare", "--repeat", "1", "--sweep", "0s", "--json", "c.json", "jobs.yaml"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<std::string> modes_of(const json& document) {
  std::vector<std::string> modes;
  for (const json& model : document.at("models")) modes.push_back(model.at("mode"));
  return modes;
}

TEST(Compare, RunsABatchUnderEveryModel) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: p, kind: primes, matrix: {limit: [1000, 100000]}}, {name: s, shell: \"echo ${{ i "
               "}}\", matrix: "
               "{i: 1..5}}]\n");
  const Ended ended = folder.run(comparing({"--procs", "1,2"}));
  ASSERT_EQ(ended.status, 0) << ended.err << ended.out;
  EXPECT_THAT(ended.err, AllOf(HasSubstr("expected to take about "), HasSubstr("run 1 of 1:")));
  EXPECT_THAT(ended.out, AllOf(HasSubstr("speed-up"), HasSubstr("processes/pipe")));
  const json document = json::parse(folder.read("c.json"));
  EXPECT_THAT(modes_of(document), ElementsAre("serial", "threads", "threads", "async", "async", "processes/shm",
                                              "processes/shm", "processes/pipe", "processes/pipe"));
  for (const json& model : document.at("models")) {
    EXPECT_GT(model.at("wall_seconds").at("median"), 0) << model;
    EXPECT_GT(model.at("cpu_seconds"), 0) << model;
    EXPECT_GT(model.at("peak_rss_bytes"), 1'000'000) << model;
    EXPECT_EQ(model.at("costs").at("unaccounted"), 0) << model;
  }
  EXPECT_THAT(leftovers(), IsEmpty());
  EXPECT_FALSE(folder.exists("jobs.runs.sqlite"));
}

TEST(Compare, CountsTheMemoryOfCommands) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: head -c 100000000 /dev/zero | tail -c 100000000 | wc -c}]\n");
  const Ended ended = folder.run(comparing({"--procs", "1"}));
  ASSERT_EQ(ended.status, 0) << ended.err << ended.out;
  const json document = json::parse(folder.read("c.json"));
  EXPECT_EQ(document.at("models").size(), 5U);
  for (const json& model : document.at("models")) EXPECT_GT(model.at("peak_rss_bytes"), 100'000'000) << model.at("mode");
}

TEST(Compare, SweepsJobLengths) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..100}}]\n");
  const Ended ended = folder.run(comparing({"--sweep", "1s", "--modes", "threads,processes/shm", "--procs", "2"}));
  ASSERT_EQ(ended.status, 0) << ended.err << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("METG(50 %)"));
  const json document = json::parse(folder.read("c.json"));
  EXPECT_EQ(document.at("sweep").size(), 2U * 9U);
  for (const json& point : document.at("sweep")) {
    EXPECT_GT(point.at("efficiency"), 0) << point;
    EXPECT_LT(point.at("efficiency"), 1.2) << point;
  }
}

TEST(Compare, NamesAndLeavesOutTheModelsThatAJobKills) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{kind: noop, matrix: {i: 1..10}}, {name: bad, kind: misbehave, args: {how: segfault}, "
               "allow_failure: true}]\n");
  const Ended ended = folder.run(comparing({}));
  EXPECT_EQ(ended.status, 0) << ended.err << ended.out;
  const json document = json::parse(folder.read("c.json"));
  EXPECT_THAT(modes_of(document), ElementsAre("processes/shm", "processes/pipe"));
  ASSERT_EQ(document.at("left_out").size(), 3U);
  for (const json& model : document.at("left_out"))
    EXPECT_THAT(model.at("why").get<std::string>(), HasSubstr("the job `bad` crashed with SIGSEGV")) << model;
  EXPECT_THAT(ended.out, HasSubstr("left out: threads × "));
}

TEST(Compare, NamesAndLeavesOutTheModelsThatAJobEndsOrNeverLeaves) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: bad, kind: misbehave, args: {how: exit}, allow_failure: true}]\n");
  Ended ended = folder.run(comparing({"--modes", "serial,processes/shm"}));
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("left out: serial × 1: a job ended the whole program with exit status "));
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: bad, kind: misbehave, args: {how: hang}, timeout: 50ms, allow_failure: true}]\n");
  ended = folder.run(comparing({"--modes", "threads,processes/shm"}));
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("`bad` did not return at its timeout"));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Compare, NamesTheJobWhoseResultsDiffer) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: same, shell: echo 1}, {name: other, shell: echo $PPID}]\n");
  const Ended ended = folder.run(comparing({"--modes", "serial,processes/shm"}));
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.out, AllOf(HasSubstr("RESULTS DIFFER: "), HasSubstr("for `other`")));
}

TEST(Compare, LeavesOutAndNamesWhatIsNotRepeatable) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: mail, shell: \"echo x >> sent\", repeatable: false, matrix: {i: 1..3}}, {name: n, "
               "kind: noop}]\n");
  Ended ended = folder.run(comparing({}));
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_FALSE(folder.exists("sent"));
  EXPECT_THAT(ended.out, HasSubstr("because they are not repeatable: 3 jobs, the first is `mail-1`"));
  EXPECT_EQ(folder.run({"jobs.yaml"}).status, 0);
  EXPECT_TRUE(folder.exists("sent")) << "a run is no comparison";
  folder.write(
      "jobs.yaml",
      "version: 1\njobs: [{name: mail, shell: touch sent2, repeatable: false}, {name: n, kind: noop, needs: [mail]}]\n");
  ended = folder.run(comparing({}));
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("`mail` is not repeatable, and cannot be left out of a batch with `needs`"));
  EXPECT_FALSE(folder.exists("sent2"));
}

TEST(Compare, RunsBatchesWithNeedsSharedStateAndFiles) {
  const Folder folder;
  folder.write("rows", "1\n2\n3\n");
  folder.write(
      "jobs.yaml",
      "version: 1\nshared: {hits: {counter: 0}}\njobs: [{name: a, shell: echo 1}, {name: b, shell: echo 2, needs: [a]}, {name: "
      "t, kind: tally, args: {counter: hits, times: 100}}]\n");
  EXPECT_EQ(folder.run(comparing({})).status, 0);
  folder.write("jobs.yaml", "version: 1\njobs: [{name: a, shell: \"echo ${{ l }}\", matrix: {l: {lines: rows}}}]\n");
  EXPECT_EQ(folder.run(comparing({})).status, 0);
}

TEST(Compare, RefusesWhatItCannotCompareBeforeAnythingRuns) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: touch ran}]\n");
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& why) {
    const Ended ended = folder.run(arguments);
    EXPECT_EQ(ended.status, 2);
    EXPECT_THAT(ended.err, HasSubstr(why));
    EXPECT_FALSE(folder.exists("ran"));
  };
  refused({"compare", "-"}, "standard input can be read once");
  refused({"compare", "--modes", "processes/smh", "jobs.yaml"}, "did you mean `processes/shm`?");
  refused({"compare", "--procs", "1,none", "jobs.yaml"}, "`none` must be a whole number");
  refused({"compare", "--json", "no/such/folder.json", "jobs.yaml"}, "no/such/folder.json");
  refused({"compare", "--sweep", "10", "jobs.yaml"}, "10");
  refused({"compare", "--repeat", "0", "jobs.yaml"}, "--repeat");
  refused({"compare", "--modes", "threads,serial,threads", "jobs.yaml"}, "`threads` stands there more than once");
  refused({"compare", "--procs", "2,1,2", "jobs.yaml"}, "`2` stands there more than once");
  refused({"compare", "--json", "-", "jobs.yaml"}, "`/dev/stdout` is the standard output");
  refused({"compare"}, "batch file");
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: \"touch ran ${{ l }}\", matrix: {l: {lines: \"-\"}}}]\n");
  refused({"compare", "jobs.yaml"}, "can be read once");
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: touch ran, repeatable: false}]\n");
  refused({"compare", "jobs.yaml"}, "no job of this batch is repeatable");
}

TEST(Compare, IsInterruptedByOneCtrlCAndByAKillOfItAlone) {
  for (const bool terminal : {true, false}) {
    const Folder folder;
    folder.write("jobs.yaml", "version: 1\njobs: [{shell: \"touch began; sleep 0.05\", matrix: {i: 1..2000}}]\n");
    Running run(folder, words(comparing({"--modes", "processes/shm,threads"})));
    ASSERT_TRUE(eventually([&] { return folder.exists("began"); }));
    for (const pid_t pid : run.descendants()) {
      if (terminal && process_name(pid) == "runner") ::kill(pid, SIGINT);  // it tells all of them
    }
    run.signal(SIGINT);
    const Ended ended = run.wait();
    EXPECT_EQ(ended.status, 130) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("interrupted: nothing is compared"));
    EXPECT_THAT(leftovers(), IsEmpty());
  }
}

TEST(Compare, KeepsWhatItHasComparedWhereTheSweepIsInterrupted) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: primes, args: {limit: 1000}}]\n");
  Running run(folder, {"/bin/bash", "-c",
                       "exec '" RUNNER_PROGRAM
                       "' compare --modes threads,processes/shm --repeat 1 --sweep 300s --json c.json jobs.yaml 2> err"});
  ASSERT_TRUE(eventually([&] { return folder.exists("err") && folder.read("err").find("sweep: ") != std::string::npos; }));
  run.signal(SIGINT);
  const Ended ended = run.wait();
  EXPECT_EQ(ended.status, 130) << folder.read("err");
  EXPECT_THAT(ended.out, AllOf(HasSubstr("speed-up"), HasSubstr("the sweep was interrupted")));
  EXPECT_THAT(modes_of(json::parse(folder.read("c.json"))), ElementsAre("threads", "processes/shm"));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Compare, SaysWhichJobsDoNotEndWell) {
  const Folder folder;
  folder.write("jobs.yaml",
               "version: 1\njobs: [{name: fine, shell: \"true\"}, {name: bad, shell: exit 3}, {name: after, shell: \"true\", "
               "needs: [bad]}]\n");
  const Ended ended = folder.run(comparing({"--modes", "processes/shm,threads"}));
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("not ok: 2 of 3 jobs, the first is `bad`")) << ended.out;
}

TEST(Compare, TakesItsTrialAlongWhenItIsKilled) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: \"touch began; sleep 300\"}]\n");
  Running run(folder, words(comparing({"--modes", "processes/shm"})));
  ASSERT_TRUE(eventually([&] { return folder.exists("began"); }));
  run.signal(SIGKILL);
  static_cast<void>(run.wait());
  EXPECT_TRUE(eventually([] { return leftovers().empty(); }));
}

}  // namespace
}  // namespace runner::integration
