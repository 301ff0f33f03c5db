// The ledger: it adds up, and what costs something on purpose is found in its own line and in no other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

using Model = std::vector<std::string>;

const Model kSerial{"--mode", "serial"}, kThreads{"--mode", "threads"}, kAsync{"--mode", "async"}, kShm{"--transport", "shm"},
    kPipe{"--transport", "pipe"};

std::vector<std::string> command(const Model& model, const std::vector<std::string>& more) {
  Model all{"--no-store", "--progress", "none", "--plugin", RUNNER_COSTLY_PLUGIN, "--costs", "costs.json", "jobs.yaml"};
  all.insert(all.end(), model.begin(), model.end());
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

double in(const json& costs, const std::string& key) { return costs.at(key).get<double>(); }

// ---- it adds up ----

struct Load {
  const char* name;
  const char* jobs;
  std::vector<std::string> more;
};

class Sums : public testing::TestWithParam<std::tuple<Model, Load>> {};

std::string name_of(const testing::TestParamInfo<std::tuple<Model, Load>>& info) {
  return std::get<0>(info.param)[1] + "_" + std::get<1>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(
    Of, Sums,
    testing::Combine(
        testing::Values(kSerial, kThreads, kAsync, kShm, kPipe),
        testing::Values(
            Load{"cpu_bound", "[{kind: spin, args: {duration: 5ms}, matrix: {i: 1..40}}]", {"--procs", "2"}},
            Load{"sleeping", "[{kind: sleep, args: {duration: 5ms}, matrix: {i: 1..40}}]", {"--procs", "2"}},
            Load{"tiny", "[{kind: noop, matrix: {i: 1..20000}}]", {"--procs", "2"}},
            Load{"huge_payload", "[{kind: echo, args: {bytes: 8MiB}, matrix: {i: 1..6}}]", {"--procs", "2"}},
            Load{"oversubscribed", "[{kind: spin, args: {duration: 2ms}, matrix: {i: 1..100}}]", {"--procs", "8"}},
            Load{"commands", "[{shell: \"true\", matrix: {i: 1..60}}]", {"--procs", "2"}},
            Load{"failing", "[{kind: misbehave, args: {how: throw}, retries: 2, matrix: {i: 1..20}}]", {"--procs", "2"}})),
    name_of);

// The keys that stand for what a worker did.
constexpr std::array kUses{"start", "waiting", "wake_up", "deserialize", "execute", "answer", "idle", "stop"};

void expect_sums(const json& document) {
  const json& costs = document.at("costs");
  const double all = in(costs, "worker_seconds");
  EXPECT_GT(all, 0);
  EXPECT_NEAR(all, in(document, "wall_seconds") * static_cast<double>(document.at("workers").size()), all * 1e-6);
  EXPECT_LE(std::abs(in(costs, "unaccounted")), 0.02 * all) << costs;
  double sum = in(costs, "unaccounted");
  for (const char* use : kUses) {
    EXPECT_GE(in(costs, use), 0) << use;
    sum += in(costs, use);
    double of_workers = 0;
    for (const json& worker : document.at("workers")) of_workers += in(worker, use);
    // Of both accounts.
    EXPECT_NEAR(of_workers, in(costs, use), all * 1e-6) << use;
  }
  EXPECT_NEAR(sum, all, all * 0.02) << costs;
  for (const json& worker : document.at("workers")) {
    double own = in(worker, "unaccounted");
    for (const char* use : kUses) own += in(worker, use);
    EXPECT_NEAR(own, in(document, "wall_seconds"), in(document, "wall_seconds") * 0.02) << worker;
  }
}

TEST_P(Sums, AddUpToWorkersTimesWall) {
  const auto& [model, load] = GetParam();
  const Folder folder;
  folder.write("jobs.yaml", std::string("version: 1\njobs: ") + load.jobs + "\n");
  std::vector<std::string> more = load.more;
  more.insert(more.end(), {"--results", "r.jsonl"});
  const Ended ended = folder.run(command(model, more));
  ASSERT_THAT(ended.status, testing::AnyOf(0, 1)) << ended.err;
  const json document = json::parse(folder.read("costs.json"));
  expect_sums(document);
  // What each job says of itself is in the sum.
  double execute = 0;
  std::uint64_t attempts = 0;
  std::istringstream lines(folder.read("r.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const json record = json::parse(line);
    attempts += record.at("attempts").get<std::uint64_t>();
    execute += in(record, "seconds");
    if (record.contains("costs") && record.at("costs").at("sampled") == 1) {
      EXPECT_NEAR(in(record.at("costs"), "execute"), in(record, "seconds"), 1e-8) << line;
    }
  }
  EXPECT_EQ(document.at("attempts"), attempts);
  if (attempts == document.at("jobs")) {
    EXPECT_NEAR(in(document.at("costs"), "execute"), execute, execute * 0.02 + 1e-6);
  }
}

TEST(Costs, AddUpWhereTheLastJobsCrash) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop}, {kind: misbehave, args: {how: segfault}, matrix: {i: 1..4}}]\n");
  EXPECT_EQ(folder.run(command(kShm, {"--procs", "3"})).status, 1);
  expect_sums(json::parse(folder.read("costs.json")));
}

TEST(Costs, AddUpWhereWorkersCrash) {
  for (const Model& model : {kShm, kPipe}) {
    const Folder folder;
    folder.write(
        "jobs.yaml",
        "version: 1\njobs: [{kind: misbehave, args: {how: segfault}, retries: 1, matrix: {i: 1..8}}, {kind: spin, args: "
        "{duration: 5ms}, matrix: {i: 1..20}}]\n");
    EXPECT_EQ(folder.run(command(model, {"--procs", "2"})).status, 1);
    const json document = json::parse(folder.read("costs.json"));
    expect_sums(document);
    EXPECT_EQ(document.at("workers_lost"), 16);
    EXPECT_EQ(document.at("attempts"), 16 + 20);
  }
}

TEST(Costs, DoNotMindATimeOfDayThatJumps) {
  const char* options = std::getenv("ASAN_OPTIONS");
  const std::string asan = (options != nullptr ? std::string(options) + ":" : "") + "verify_asan_link_order=0";
  const std::string preload = "LD_PRELOAD=" RUNNER_JUMPING_CLOCK;
  const Ended date = Folder().run_other({"env", preload, "date", "+%s"});
  ASSERT_GT(std::abs(std::stoll(date.out) - std::time(nullptr)), 3000) << date.out << date.err;
  for (const Model& model : {kThreads, kShm}) {
    const Folder folder;
    folder.write(
        "jobs.yaml",
        "version: 1\njobs: [{kind: spin, args: {duration: 2ms}, timeout: 60s, matrix: {i: 1..30}}, {shell: \"true\", "
        "timeout: 60s, matrix: {i: 1..5}}, {shell: exit 1, retries: 1, backoff: {initial: 1ms}, allow_failure: true}]\n");
    std::vector<std::string> line = command(model, {"--results", "r.jsonl", "--trace", "t.json", "--report", "r.html"});
    line.insert(line.begin(), {"env", preload, "ASAN_OPTIONS=" + asan, RUNNER_PROGRAM});
    const Ended ended = folder.run_other(line);
    ASSERT_EQ(ended.status, 0) << ended.err;
    const json document = json::parse(folder.read("costs.json"));
    expect_sums(document);
    EXPECT_LT(in(document, "wall_seconds"), 1800);
    std::istringstream lines(folder.read("r.jsonl"));
    for (std::string record; std::getline(lines, record);) EXPECT_LT(in(json::parse(record), "seconds"), 1800) << record;
  }
}

TEST(Costs, AreOneDocumentThatItsSchemaDescribes) {
  const Folder folder;
  folder.write(
      "reader.py",
      "import json, sys, jsonschema\nschema = json.load(open(sys.argv[1]))\n"
      "jsonschema.Draft202012Validator.check_schema(schema)\njsonschema.validate(json.load(open(sys.argv[2])), schema)\n");
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..1000}}]\n");
  for (const Model& model : {kSerial, kThreads, kAsync, kShm, kPipe}) {
    ASSERT_EQ(folder.run(command(model, {})).status, 0);
    const Ended read =
        folder.run_other({"/usr/bin/python3", "reader.py", RUNNER_SOURCE_DIR "/config/costs.schema.json", "costs.json"});
    EXPECT_EQ(read.status, 0) << read.err;
  }
}

TEST(Costs, AreOfEveryJobOfNoneOrOfOneIn64) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..6400}}]\n");
  ASSERT_EQ(folder.run(command(kShm, {"--ledger", "all"})).status, 0);
  json document = json::parse(folder.read("costs.json"));
  EXPECT_EQ(document.at("costs").at("sampled"), 1);
  EXPECT_EQ(document.at("spans").at("execute").at("count"), 6400);
  ASSERT_EQ(folder.run(command(kShm, {})).status, 0);
  document = json::parse(folder.read("costs.json"));
  EXPECT_EQ(document.at("costs").at("sampled"), 64);
  EXPECT_LE(document.at("spans").at("execute").at("count"), 6400 / 64 + 128) << "nobody knew how short the first ones are";
  EXPECT_EQ(document.at("attempts"), 6400);
  const Ended off = folder.run({"--ledger", "off", "--no-store", "--progress", "none", "jobs.yaml"});
  EXPECT_EQ(off.status, 0);
  EXPECT_THAT(off.err, testing::Not(HasSubstr("cost of")));
  const Ended both = folder.run(command(kShm, {"--ledger", "off"}));
  EXPECT_EQ(both.status, 2);
  EXPECT_THAT(both.err,
              StartsWith("runner: --ledger off measures nothing that --costs could tell; leave out one of the two\n"));
}

TEST(Costs, ThatCannotBeWrittenAreRefusedBeforeAnythingRuns) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: touch ran}]\n");
  const Ended ended = folder.run({"--costs", "missing/costs.json", "jobs.yaml"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, AllOf(StartsWith("runner: "), HasSubstr("missing/costs.json")));
  EXPECT_FALSE(folder.exists("ran"));
}

// ---- each in its own line ----

double median(const json& document, const std::string& span) { return in(document.at("spans").at(span), "p50"); }

constexpr std::array kOfOneJob{"queue_wait",  "serialize", "transport", "wake_up",
                               "deserialize", "execute",   "answer",    "collect"};

// Twelve jobs on one worker, each of which takes 40 ms in one place.
void expect_only(const Model& model, const std::string& argument, const std::string& line) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: cost, args: {" + argument + ": 40}, matrix: {i: 1..12}}]\n");
  const Ended ended = folder.run(command(model, {"--procs", "1"}));
  ASSERT_EQ(ended.status, 0) << ended.err;
  const json document = json::parse(folder.read("costs.json"));
  EXPECT_GE(median(document, line), 0.039) << document.at("spans");
  for (const std::string other : kOfOneJob) {
    if (other == line) continue;
    // One job is always queued behind the one that a worker is in: that is a wait for others.
    if (other == "queue_wait" && line != "serialize") continue;
    EXPECT_LT(median(document, other), 0.020) << other << " in " << document.at("spans");
  }
}

class Line : public testing::TestWithParam<Model> {};
INSTANTIATE_TEST_SUITE_P(Of, Line, testing::Values(kSerial, kThreads, kAsync, kShm, kPipe),
                         [](const auto& of) { return of.param[1]; });

TEST_P(Line, ShowsSlowSerialization) { expect_only(GetParam(), "encode_ms", "serialize"); }
TEST_P(Line, ShowsSlowDeserialization) { expect_only(GetParam(), "decode_ms", "deserialize"); }
TEST_P(Line, ShowsTheWork) { expect_only(GetParam(), "work_ms", "execute"); }
TEST_P(Line, ShowsASlowAnswer) { expect_only(GetParam(), "answer_ms", "answer"); }

TEST_P(Line, ShowsALongQueueAsQueueWaitAndNotAsCommunication) {
  if (GetParam() == kSerial) GTEST_SKIP() << "there is no queue: a job is handed over when it can run";
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: sleep 0.04, matrix: {i: 1..12}}]\n");
  const bool two_at_a_time = GetParam() == kAsync;
  if (two_at_a_time) folder.write("jobs.yaml", "version: 1\njobs: [{kind: cost, args: {work_ms: 40}, matrix: {i: 1..12}}]\n");
  ASSERT_EQ(folder.run(command(GetParam(), {"--procs", two_at_a_time ? "2" : "1"})).status, 0);
  const json document = json::parse(folder.read("costs.json"));
  EXPECT_GE(median(document, "queue_wait"), 0.030) << document.at("spans");
  for (const char* span : {"serialize", "transport", "wake_up", "deserialize", "answer"})
    EXPECT_LT(median(document, span), 0.020) << span;
}

// A text of 16 MiB takes its way through a pipe in many pieces; through shared memory it lies where it is read.
TEST(Costs, ShowALargePayloadWhereItIsMoved) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: measure, args: {text: \"${{ l }}\"}, matrix: {l: {lines: large}}}]\n");
  const auto measure = [&](const Model& model, std::size_t bytes) {
    std::string lines;
    for (int i = 0; i < 5; ++i) lines += std::string(bytes, static_cast<char>('a' + i)) + "\n";
    folder.write("large", lines);
    const Ended ended = folder.run(command(model, {"--procs", "1"}));
    EXPECT_EQ(ended.status, 0) << ended.err.substr(0, 400);
    return json::parse(folder.read("costs.json"));
  };
  const json small = measure(kPipe, 1024), large = measure(kPipe, std::size_t{16} << 20);
  EXPECT_GE(large.at("bytes").at("sent").get<std::uint64_t>(), std::uint64_t{5} * 16 << 20);
  // The quickest of the five: whatever else the machine does makes the others longer, also those that are small.
  const auto least = [](const json& document, const char* span) { return in(document.at("spans").at(span), "min"); };
  EXPECT_GT(least(large, "transport"), 10 * least(small, "transport")) << small.at("spans") << large.at("spans");
  // Not wake_up: how long a core is busy with something else is no matter of the payload.
  for (const char* other : {"execute", "answer"})
    EXPECT_LT(least(large, other), least(large, "transport")) << other << " in " << large.at("spans");
}

pid_t worker_of(const Running& run) {
  for (const pid_t pid : run.descendants()) {
    if (process_name(pid).starts_with("runner-w")) return pid;
  }
  return -1;
}

constexpr auto kStopped = std::chrono::milliseconds(500);
constexpr double kShown = 0.25;

// Keeps `worker`, which sleeps, from running for kStopped after `ask` has given it something to do.
using Hold = std::function<void(pid_t worker, const std::function<void()>& ask)>;

void expect_late_wake_up(const Model& model, const Hold& hold) {
  const Folder folder;
  folder.write("gate.sh", "for i in 1 2 3 4 5; do echo $i; : >said$i; while [ ! -e go$i ]; do sleep 0.01; done; done\n");
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: cost, matrix: {i: {lines: \"-\"}}}]\n");
  std::string line;
  for (const std::string& word : words(command(model, {"--procs", "1", "--results", "r.jsonl"}))) line += "'" + word + "' ";
  Running run(folder, {"/bin/bash", "-c", "bash gate.sh | " + line});
  const auto results = [&] {
    const std::string text = folder.read("r.jsonl");
    return std::count(text.begin(), text.end(), '\n');
  };
  ASSERT_TRUE(eventually([&] { return folder.exists("r.jsonl") && results() == 1; }));
  const pid_t worker = worker_of(run);
  ASSERT_GT(worker, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it sleeps by then
  hold(worker, [&] {
    folder.write("go1", "");
    EXPECT_TRUE(eventually([&] { return folder.exists("said2"); }));
  });
  for (const char* go : {"go2", "go3", "go4", "go5"}) folder.write(go, "");
  const Ended ended = run.wait();
  ASSERT_EQ(ended.status, 0) << ended.err;
  const json spans = json::parse(folder.read("costs.json")).at("spans");
  EXPECT_GE(in(spans.at("wake_up"), "max"), kShown) << spans;
  for (const char* other : {"queue_wait", "serialize", "transport", "deserialize", "execute", "answer"})
    EXPECT_LT(in(spans.at(other), "max"), kShown) << other << " in " << spans;
}

TEST(Costs, ShowALateWakeUpAsOne) {
  const auto stop = [](pid_t worker, const std::function<void()>& ask) {
    ::kill(worker, SIGSTOP);
    ask();
    std::this_thread::sleep_for(kStopped);
    ::kill(worker, SIGCONT);
  };
  for (const Model& model : {kShm, kPipe}) expect_late_wake_up(model, stop);
}

void bind(pid_t process, int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(cpu), &one);
  EXPECT_EQ(::sched_setaffinity(process, sizeof one, &one), 0) << std::strerror(errno);
}

// A process of higher rank is in the way on the worker's core, and there is nobody else on it: what the test starts
// inherits its one core, and the worker alone is moved to another.
TEST(Costs, ShowABusyCoreAsALateWakeUp) {
  cpu_set_t usable;
  ASSERT_EQ(::sched_getaffinity(0, sizeof usable, &usable), 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &usable)) cpus.push_back(cpu);
  }
  if (cpus.size() < 2) GTEST_SKIP() << "one processor: the master would not run either";
  const sched_param first{.sched_priority = 1};
  if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) != 0)
    GTEST_SKIP() << "real-time scheduling is not allowed here: " << std::strerror(errno);
  const sched_param normal{};
  ASSERT_EQ(::sched_setscheduler(0, SCHED_OTHER, &normal), 0);
  bind(0, cpus[0]);
  const auto crowd = [&](pid_t worker, const std::function<void()>& ask) {
    bind(worker, cpus[1]);
    const pid_t busy = ::fork();
    ASSERT_GE(busy, 0);
    if (busy == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      bind(0, cpus[1]);
      ::sched_setscheduler(0, SCHED_FIFO, &first);
      for (volatile bool always = true; always;) continue;
    }
    EXPECT_TRUE(eventually([&] { return ::sched_getscheduler(busy) == SCHED_FIFO; }));
    ask();
    std::this_thread::sleep_for(kStopped);
    ::kill(busy, SIGKILL);
    EXPECT_EQ(::waitpid(busy, nullptr, 0), busy);
  };
  for (const Model& model : {kShm, kPipe}) expect_late_wake_up(model, crowd);
  EXPECT_EQ(::sched_setaffinity(0, sizeof usable, &usable), 0);
}

TEST(Costs, ShowASlowCollectorAsSuch) {
  for (const Model& model : {kShm, kPipe}) {
    const Folder folder;
    folder.write("jobs.yaml", "version: 1\njobs: [{kind: cost, args: {work_ms: 60}, matrix: {i: 1..4}}]\n");
    Running run(folder, words(command(model, {"--procs", "1", "--results", "r.jsonl"})));
    ASSERT_TRUE(eventually([&] { return folder.exists("r.jsonl") && !folder.read("r.jsonl").empty(); }));
    ::kill(run.pid(), SIGSTOP);
    std::this_thread::sleep_for(kStopped + std::chrono::milliseconds(200));
    ::kill(run.pid(), SIGCONT);
    const Ended ended = run.wait();
    ASSERT_EQ(ended.status, 0) << ended.err;
    const json spans = json::parse(folder.read("costs.json")).at("spans");
    EXPECT_GE(in(spans.at("collect"), "max"), kShown) << spans;
    for (const char* other : {"serialize", "transport", "wake_up", "deserialize", "execute", "answer"})
      EXPECT_LT(in(spans.at(other), "max"), kShown) << other << " in " << spans;
  }
}

}  // namespace
}  // namespace runner::integration
