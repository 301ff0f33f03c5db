// The run store: what a job is known by, and what a resume makes of the rows of a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <runner/registry.hpp>
#include "config/read_batch.hpp"
#include "report/store/content_key.hpp"
#include "report/store/longest_first.hpp"
#include "report/store/resume.hpp"
#include "report/store/run_store.hpp"
#include "report/store/schema.hpp"
#include "report/store/stored_runs.hpp"
#include "tests/unit/records.hpp"

namespace runner::report {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string hex(const ContentKey& key) {
  std::string text;
  for (const std::uint64_t half : {key.low, key.high}) {
    for (int i = 0; i < 8; ++i) {
      const auto byte = static_cast<unsigned>(half >> (8 * i)) & 0xffU;
      text += "0123456789ABCDEF"[byte >> 4U];
      text += "0123456789ABCDEF"[byte & 15U];
    }
  }
  return text;
}

// By `openssl mac -macopt size:16 SIPHASH` over the bytes 0, 1, ... with the key of the paper.
TEST(ContentKeys, AreSipHashes) {
  const auto of = [](std::size_t length) {
    std::vector<std::byte> bytes(length);
    for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(i);
    return hex(content_key(bytes));
  };
  EXPECT_EQ(of(0), "A3817F04BA25A8E66DF67214C7550293");
  EXPECT_EQ(of(1), "DA87C1D86B99AF44347659119B22FC45");
  EXPECT_EQ(of(8), "3B62A9BA6258F5610F83E264F31497B4");
  EXPECT_EQ(of(15), "5493E99933B0A8117E08EC0F97CFC3D9");
  EXPECT_EQ(of(63), "5150D1772F50834A503E069A973FBD7C");
}

Batch batch_of(const std::string& jobs, Registry& registry) {
  return std::move(config::read_batch_text("version: 1\njobs:\n" + jobs, "jobs.yaml", "jobs", registry).value().batch);
}

std::vector<std::string> keys_of(const std::string& jobs) {
  Registry registry;
  const Batch batch = batch_of(jobs, registry);
  std::vector<std::string> keys;
  std::string content;
  for (JobSpec job; batch.jobs->next(job).value();) {
    content_of(job, content);
    keys.push_back(hex(content_key(std::as_bytes(std::span(content)))));
  }
  return keys;
}

TEST(ContentKeys, DependOnWhatAJobDoesAndOnNothingElse) {
  const std::vector<std::string> plain = keys_of("  - {command: [a, b]}\n");
  EXPECT_EQ(
      keys_of("  - {name: other, command: [a, b], timeout: 3s, retries: 2, memory: 1GiB, kill_after: 9s, allow_failure: true, "
              "priority: 4, crash_limit: 1}\n"),
      plain);
  std::set<std::string> all(plain.begin(), plain.end());
  for (const char* other : {"[ab]", "[a, b, \"\"]", "[a, b], cwd: /", "[a, b], stdin: f", "[a, b], env: {A: b}", "[b, a]",
                            "[a, b], matrix: {x: [1]}", "[a, b], matrix: {x: [\"1\"]}", "[a, b], matrix: {y: [1]}"}) {
    EXPECT_TRUE(all.insert(keys_of("  - {command: " + std::string(other) + "}\n").front()).second) << other;
  }
}

TEST(ContentKeys, DoNotDependOnWhereARowStands) {
  const test::TempFolder folder;
  const std::string csv = folder.file("rows.csv");
  const std::string jobs = "  - {command: [a, \"${{x}}\"], matrix: {row: {csv: \"" + csv + "\"}}}\n";
  std::ofstream(csv) << "x\nfirst\nlast\n";
  const std::vector<std::string> before = keys_of(jobs);
  std::ofstream(csv) << "x\nfirst\nbetween\nlast\n";
  const std::vector<std::string> after = keys_of(jobs);
  ASSERT_EQ(before.size(), 2U);
  ASSERT_EQ(after.size(), 3U);
  EXPECT_EQ(after[0], before[0]);
  EXPECT_EQ(after[2], before[1]);
}

TEST(Inputs, AreTheFilesThatAJobNames) {
  const test::TempFolder folder;
  std::ofstream(folder.file("a.txt")) << "a";
  Registry registry;
  const Batch batch =
      batch_of("  - {command: [x], stdin: \"" + folder.file("in") + "\", inputs: [\"${{f}}\", more], matrix: {f: {glob: \"" +
                   folder.file("*.txt") + "\"}}}\n  - {command: [x, in]}\n  - {kind: sha256, args: {path: some}}\n",
               registry);
  JobSpec job;
  ASSERT_TRUE(batch.jobs->next(job).value());
  EXPECT_THAT(job.inputs, ElementsAre(folder.file("in"), folder.file("a.txt"), folder.file("a.txt"), "more"));
  ASSERT_TRUE(batch.jobs->next(job).value());
  EXPECT_THAT(job.inputs, IsEmpty());
  EXPECT_EQ(inputs_now(job), 0U);
  ASSERT_TRUE(batch.jobs->next(job).value());
  EXPECT_THAT(job.inputs, ElementsAre("some")) << "an argument that is a path";
}

TEST(Inputs, ChangeWithTheirSizeTimeAndPresence) {
  const test::TempFolder folder;
  JobSpec job;
  job.inputs = {folder.file("a")};
  std::set<std::uint64_t> states{inputs_now(job)};
  std::ofstream(folder.file("a")) << "1";
  EXPECT_TRUE(states.insert(inputs_now(job)).second) << "it is there";
  std::ofstream(folder.file("a")) << "12";
  EXPECT_TRUE(states.insert(inputs_now(job)).second) << "it is longer";
  std::filesystem::last_write_time(folder.file("a"), std::filesystem::file_time_type::min() + std::chrono::hours(100));
  const std::uint64_t last = inputs_now(job);
  EXPECT_TRUE(states.insert(last).second) << "it is older";
  EXPECT_EQ(inputs_now(job), last);
}

// A store in which one batch is run and resumed, with jobs that end as a test wants it.
class Recorder {
 public:
  // Each job of the batch ends with the status of `endings` under its name; "": it has no outcome; not there: ok.
  void run(const std::string& jobs, const std::map<std::string, std::string>& endings = {}) {
    carry_out(jobs, endings, std::nullopt);
  }

  ResumePlan plan(const std::string& jobs, RunAgain again = RunAgain::what_is_missing) {
    Registry registry;
    const Batch batch = batch_of(jobs, registry);
    Database store = open_store(path_).value();
    std::optional<ResumePlan> plan = plan_resume(store, batch, again).value();
    EXPECT_TRUE(plan);
    return plan ? std::move(*plan) : ResumePlan();
  }
  // The names of those that would run.
  std::vector<std::string> left(const std::string& jobs, RunAgain again = RunAgain::what_is_missing) {
    const ResumePlan planned = plan(jobs, again);
    Registry registry;
    Batch batch = batch_of(jobs, registry);
    RemainingJobs remaining(std::move(batch.jobs), planned.before);
    std::vector<std::string> names;
    for (JobSpec job; remaining.next(job).value();) names.push_back(job.name);
    EXPECT_EQ(names.size(), planned.left);
    return names;
  }
  // "0 a ok", "-1 b failed".
  std::vector<std::string> rows() {
    Database store = open_store(path_).value();
    Statement rows = store.prepare("SELECT job,name,status FROM jobs ORDER BY run,job").value();
    std::vector<std::string> all;
    while (rows.step().value()) {
      all.push_back(std::to_string(rows.number(0)) + " " + std::string(rows.text(1)) + " " + std::string(rows.text(2)));
    }
    return all;
  }
  std::vector<std::uint64_t> first(const std::string& jobs) {
    Registry registry;
    const Batch batch = batch_of(jobs, registry);
    Database store = open_store(path_).value();
    std::vector<std::uint64_t> numbers;
    const std::vector<JobId> first = longest_first(store, batch, std::nullopt).value();
    for (const JobId job : first) numbers.push_back(number(job));
    return numbers;
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  std::map<std::string, Duration> took;  // by name

 private:
  static Ending ending(const std::string& status) {
    if (status == "failed") return Failed{"exit status 1"};
    if (status == "crashed" || status == "quarantined") return Crashed{11, ""};
    if (status == "cancelled" || status == "skipped") return Cancelled{"needs a"};
    return Succeeded{};
  }
  void carry_out(const std::string& jobs, const std::map<std::string, std::string>& endings, std::optional<std::int64_t> run) {
    Registry registry;
    const Batch batch = batch_of(jobs, registry);
    ResultText results(registry);
    Sitting sitting;
    sitting.path = path_;
    sitting.required = true;
    sitting.jobs = batch.size;
    sitting.run = run;
    RunStore store(std::move(sitting), results, [](const std::string&) {});
    ASSERT_TRUE(store.started({batch.name, batch.size, "processes", "2 worker processes", 2, {}}));
    for (JobSpec job; batch.jobs->next(job).value();) {
      const auto found = endings.find(job.name);
      const std::string status = found == endings.end() ? "ok" : found->second;
      if (status.empty()) continue;
      Outcome outcome;
      outcome.ending = ending(status);
      outcome.quarantined = status == "quarantined";
      if (const auto time = took.find(job.name); time != took.end()) outcome.wall = time->second;
      if (!job.inputs.empty()) {
        ASSERT_TRUE(store.starting(job));
      }
      const bool ran = status != "skipped";
      ASSERT_TRUE(store.ended({job, outcome, Attempt{ran ? 1U : 0U}, ran ? std::optional(WorkerId{0}) : std::nullopt}));
    }
    ASSERT_TRUE(store.finished({}));
  }

  test::TempFolder folder_;
  std::string path_ = folder_.file("r.sqlite");
};

const std::string kThree = "  - {name: a, command: [a]}\n  - {name: b, command: [b]}\n  - {name: c, command: [c]}\n";

TEST(Resume, RunsWhatHasNoOutcomeOrWasCancelled) {
  Recorder recorder;
  recorder.run(kThree, {{"a", "failed"}, {"b", ""}, {"c", "cancelled"}});
  EXPECT_THAT(recorder.left(kThree), ElementsAre("b", "c"));
  EXPECT_THAT(recorder.rows(), ElementsAre("0 a failed", "2 c cancelled")) << "until another outcome takes its place";
  EXPECT_THAT(recorder.left(kThree, RunAgain::what_failed_too), ElementsAre("a", "b", "c"));
}

TEST(Resume, RunsWhatAnEarlierStartWasToRunAgainAndDidNotComeTo) {
  Recorder recorder;
  recorder.run(kThree, {{"a", "failed"}, {"b", "quarantined"}});
  EXPECT_THAT(recorder.left(kThree, RunAgain::what_failed_too), ElementsAre("a", "b"));
  EXPECT_THAT(recorder.rows(), ElementsAre("0 a failed", "1 b crashed", "2 c ok")) << "no outcome is lost";
  const ResumePlan plan = recorder.plan(kThree);
  EXPECT_EQ(plan.left, 2U);
  EXPECT_EQ(plan.recorded.done(), 1U) << "they do not count";
  EXPECT_EQ(plan.attempts.at(0), 1U);
  EXPECT_THAT(recorder.left(kThree, RunAgain::what_killed_only), ElementsAre("b"));
  // Under other numbers too.
  EXPECT_THAT(recorder.left("  - {name: c, command: [c]}\n  - {name: b, command: [b]}\n  - {name: a, command: [a]}\n"),
              ElementsAre("b", "a"));
  EXPECT_THAT(recorder.rows(), ElementsAre("0 c ok", "1 b crashed", "2 a failed"));
}

TEST(Resume, OfQuarantinedJobsOnlyLeavesAllOthersAlone) {
  Recorder recorder;
  recorder.run(kThree, {{"a", "failed"}, {"b", "quarantined"}, {"c", ""}});
  EXPECT_THAT(recorder.left(kThree, RunAgain::what_killed_only), ElementsAre("b"));
}

TEST(Resume, MatchesEqualJobsInTheirOrder) {
  Recorder recorder;
  const std::string twins = "  - {name: a1, command: [a]}\n  - {name: a2, command: [a]}\n  - {name: a3, command: [a]}\n";
  recorder.run(twins, {{"a2", ""}});
  EXPECT_THAT(recorder.left(twins), ElementsAre("a2"));
  // One more in front of them: two were done, so two of the four are.
  EXPECT_THAT(recorder.left("  - {name: a0, command: [a]}\n" + twins), ElementsAre("a2", "a3"));
}

TEST(Resume, KeepsRowsOfJobsThatAreGoneAndUsesThemWhenTheyComeBack) {
  Recorder recorder;
  recorder.run(kThree, {{"b", "failed"}});
  const std::string two = "  - {name: a, command: [a]}\n  - {name: c, command: [c]}\n";
  const ResumePlan without = recorder.plan(two);
  EXPECT_TRUE(without.changed);
  EXPECT_EQ(without.gone, 1U);
  EXPECT_EQ(without.left, 0U);
  EXPECT_THAT(recorder.rows(), ElementsAre("-1 b failed", "0 a ok", "1 c ok"));
  EXPECT_THAT(recorder.left(kThree), IsEmpty());
  EXPECT_THAT(recorder.rows(), ElementsAre("0 a ok", "1 b failed", "2 c ok"));
}

TEST(Resume, MovesRowsThatChangePlaces) {
  Recorder recorder;
  recorder.run(kThree, {{"b", "failed"}});
  EXPECT_THAT(recorder.left("  - {name: c, command: [c]}\n  - {name: a, command: [a]}\n  - {name: new, command: [n]}\n"
                            "  - {name: renamed, command: [b]}\n"),
              ElementsAre("new"));
  EXPECT_THAT(recorder.rows(), ElementsAre("0 c ok", "1 a ok", "3 renamed failed"));
}

// Chains and circles of places, with jobs that leave, come, and come back.
TEST(Resume, MovesEveryRowToItsJobInAnyNewOrder) {
  std::mt19937 random(17);
  const auto line = [](int job) {
    return "  - {name: j" + std::to_string(job) + ", command: [\"" + std::to_string(job) + "\"]}\n";
  };
  for (int round = 0; round < 10; ++round) {
    Recorder recorder;
    std::vector<int> order(12);
    std::iota(order.begin(), order.end(), 0);
    std::string jobs;
    for (const int job : order) jobs += line(job);
    const auto status = [](int job) { return job % 3 == 0 ? "failed" : "ok"; };
    std::map<std::string, std::string> endings;
    for (const int job : order) endings["j" + std::to_string(job)] = status(job);
    recorder.run(jobs, endings);
    for (int change = 0; change < 3; ++change) {
      std::shuffle(order.begin(), order.end(), random);
      const std::size_t kept = 1 + random() % order.size();
      std::string changed;
      std::vector<std::string> expected;
      for (std::size_t i = 0; i < kept; ++i) {
        changed += line(order[i]);
        expected.push_back(std::to_string(i) + " j" + std::to_string(order[i]) + " " + status(order[i]));
      }
      changed += line(100 + change);
      EXPECT_THAT(recorder.left(changed), ElementsAre("j" + std::to_string(100 + change)));
      std::vector<std::string> rows = recorder.rows();
      EXPECT_EQ(rows.size(), order.size()) << "none is lost";
      std::erase_if(rows, [](const std::string& row) { return row.starts_with('-'); });
      EXPECT_EQ(rows, expected);
    }
  }
}

TEST(Resume, OfABatchWithoutAnyOfItsJobsChangesNothing) {
  Recorder recorder;
  recorder.run(kThree);
  EXPECT_TRUE(recorder.plan("  - {name: x, command: [x]}\n").unrelated);
  EXPECT_THAT(recorder.rows(), ElementsAre("0 a ok", "1 b ok", "2 c ok"));
}

TEST(Resume, CountsAsAllowedWhatIsAllowedNow) {
  Recorder recorder;
  recorder.run(kThree, {{"a", "failed"}});
  const ResumePlan plan = recorder.plan(
      "  - {name: a, command: [a], allow_failure: true}\n  - {name: b, command: [b]}\n  - {name: c, command: [c]}\n");
  EXPECT_EQ(plan.recorded.failed, 1U);
  EXPECT_EQ(plan.recorded.allowed, 1U);
}

const std::string kNeeds =
    "  - {name: a, command: [a]}\n  - {name: b, command: [b], needs: [a]}\n  - {name: c, command: [c], needs: [b]}\n";

TEST(Resume, LeavesSkippedJobsSkippedUntilWhatTheyNeedRunsAgain) {
  Recorder recorder;
  recorder.run(kNeeds, {{"a", "failed"}, {"b", "skipped"}, {"c", "skipped"}});
  const ResumePlan plan = recorder.plan(kNeeds);
  EXPECT_EQ(plan.left, 0U);
  EXPECT_EQ(plan.recorded.cancelled, 2U);
  EXPECT_THAT(recorder.left(kNeeds, RunAgain::what_failed_too), ElementsAre("a", "b", "c"));
}

TEST(Resume, RunsSkippedJobsWhenTheyNeedNobodyAnyMore) {
  Recorder recorder;
  recorder.run(kNeeds, {{"a", "failed"}, {"b", "skipped"}, {"c", "skipped"}});
  EXPECT_THAT(
      recorder.left("  - {name: a, command: [a]}\n  - {name: b, command: [b]}\n  - {name: c, command: [c], needs: [b]}\n"),
      ElementsAre("b", "c"));
}

TEST(LongestFirst, TakesWhatTookLongestInTheRunBefore) {
  using std::chrono::milliseconds;
  Recorder recorder;
  EXPECT_THAT(recorder.first(kThree), IsEmpty()) << "nothing is known";
  recorder.took = {{"a", milliseconds(1)}, {"b", milliseconds(50)}, {"c", milliseconds(900)}};
  recorder.run(kThree);
  EXPECT_THAT(recorder.first(kThree), ElementsAre(2, 1));
  EXPECT_THAT(recorder.first("  - {name: new, command: [n]}\n" + kThree), ElementsAre(3, 2)) << "by content";
  recorder.took = {{"a", milliseconds(50)}, {"b", milliseconds(60)}, {"c", milliseconds(45)}};
  recorder.run(kThree);
  EXPECT_THAT(recorder.first(kThree), IsEmpty()) << "all the same, as far as anybody can tell";
}

TEST(StoredRuns, GiveBackWhatWasRecorded) {
  Recorder recorder;
  const std::string jobs =
      "  - {name: k, command: [a, \"b c\"], stdin: in, cwd: /tmp, env: {A: \"1\"}, timeout: 3s, memory: 1MiB, kill_after: "
      "7s}\n";
  recorder.run(jobs, {{"k", "quarantined"}});
  Registry registry;
  JobSpec asked;
  ASSERT_TRUE(batch_of(jobs, registry).jobs->next(asked).value());
  Database store = read_store(recorder.path()).value();
  const StoredRun run = stored_run(store, std::nullopt).value().value();
  EXPECT_EQ(run.number, 1);
  EXPECT_EQ(run.counts.crashed, 1U);
  EXPECT_EQ(run.jobs, 1U);
  StoredJob job;
  {
    StoredJobs rows = StoredJobs::named(store, 1, "k").value();
    ASSERT_TRUE(rows.next(job).value());
    EXPECT_FALSE(rows.next(job).value());
  }
  EXPECT_EQ(job.job.timeout, asked.timeout);
  const CommandWork& given = std::get<CommandWork>(asked.work);
  const CommandWork& got = std::get<CommandWork>(job.job.work);
  EXPECT_EQ(got.argv, given.argv);
  EXPECT_EQ(got.stdin_path, given.stdin_path);
  EXPECT_EQ(got.cwd, given.cwd);
  EXPECT_EQ(got.env, given.env);
  EXPECT_EQ(got.kill_after, given.kill_after);
  EXPECT_EQ(got.memory.count, given.memory.count);
  EXPECT_TRUE(job.outcome.quarantined);
  EXPECT_EQ(std::get<Crashed>(job.outcome.ending).signal, 11);
}

}  // namespace
}  // namespace runner::report
