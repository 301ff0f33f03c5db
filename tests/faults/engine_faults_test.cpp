// A whole run on worker processes whose Nth system call fails, in the master, or (with fork) in the zygote and the workers.
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <runner/job.hpp>
#include <runner/registry.hpp>
#include <string>
#include <vector>

#include "master/engines/processes.hpp"
#include "master/run.hpp"
#include "tests/faults/each_call.hpp"

namespace runner::master {
namespace {

class Jobs final : public JobSource {
 public:
  explicit Jobs(const std::vector<JobSpec>& jobs) : jobs_(jobs) {}
  Result<bool> next(JobSpec& job) override {
    if (next_ == jobs_.size()) return false;
    job = jobs_[next_++];
    return true;
  }

 private:
  const std::vector<JobSpec>& jobs_;
  std::size_t next_ = 0;
};

// What each job must be able to show if it says that it succeeded.
class Checker final : public Sink {
 public:
  Result<void> ended(const JobRecord& record) override {
    ++records[number(record.job.id)];
    const Outcome& outcome = record.outcome;
    if (!succeeded(outcome)) {
      expect_sentence({ErrorCode::system, describe(outcome)});
      if (why.empty()) why = describe(outcome);
    } else if (record.job.name == "echo") {
      EXPECT_GT(outcome.result.size(), 200'000U);
    } else if (record.job.name == "say") {
      EXPECT_EQ(outcome.out.text, "said\n");
    } else if (record.job.name == "shout") {
      EXPECT_EQ(outcome.out.bytes, 1'200'000U);
    }
    return {};
  }
  std::map<std::uint64_t, int> records;
  std::string why;  // the first that did not succeed
};

Value value_of(const std::string& text) { return {Scalar{text, true}, {}}; }

std::vector<JobSpec> batch(const Registry& registry) {
  std::vector<JobSpec> jobs;
  const auto add = [&](const std::string& name, Work work) {
    JobSpec job;
    job.id = JobId{jobs.size()};
    job.name = name;
    job.work = std::move(work);
    jobs.push_back(std::move(job));
  };
  for (int i = 0; i < 3; ++i) add("noop", TypedWork{"noop", ""});
  const Mapping bytes{{Scalar{"bytes"}, value_of("200kB")}};
  add("echo", TypedWork{"echo", registry.find("echo")->encode_args({bytes, {}}, "echo")});
  add("say", CommandWork{{"/bin/echo", "said"}, "", "", {}});
  add("shout", CommandWork{{"/bin/sh", "-c", "head -c 1200000 /dev/zero"}, "", "", {}});
  add("noop", TypedWork{"noop", ""});
  return jobs;
}

using Way = std::tuple<Transport, StartMethod, int>;

std::string way_name(const testing::TestParamInfo<Way>& way) {
  const auto& [transport, start, error] = way.param;
  return std::string(transport == Transport::shm ? "shm_" : "pipe_") + (start == StartMethod::spawn ? "spawn_" : "fork_") +
         ::strerrorname_np(error);
}

class FailsIn : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }  // as processes.hpp asks for
  void TearDown() override { ::signal(SIGPIPE, SIG_DFL); }
  [[nodiscard]] int error() const { return std::get<2>(GetParam()); }
  [[nodiscard]] bool forks() const { return std::get<1>(GetParam()) == StartMethod::fork; }
  [[nodiscard]] std::unique_ptr<Engine> engine() {
    return make_process_engine({.procs = 2,
                                .transport = std::get<0>(GetParam()),
                                .start = std::get<1>(GetParam()),
                                .bind = Bind::none,
                                .cpus = {},
                                .worker_program = RUNNER_WORKER_PROGRAM,
                                .geometry = {}},
                               registry_);
  }
  Registry registry_;
};
INSTANTIATE_TEST_SUITE_P(Processes, FailsIn,
                         testing::Combine(testing::Values(Transport::shm, Transport::pipe),
                                          testing::Values(StartMethod::spawn, StartMethod::fork),
                                          testing::Values(EMFILE, EIO, EINTR)),
                         way_name);

TEST_P(FailsIn, OpeningTheEngine) {
  const auto open_and_close = [this] {
    const std::unique_ptr<Engine> opening = engine();
    Result<void> opened = opening->open();
    if (opened) static_cast<void>(opening->close());
    return opened;
  };
  fail_each_call(error(), open_and_close, forks());
}

TEST_P(FailsIn, RunningASmallBatch) {
  const std::vector<JobSpec> jobs = batch(registry_);
  const auto run_all = [&]() -> Result<void> {
    const std::unique_ptr<Engine> running = engine();
    Batch all{.name = "faults", .size = jobs.size(), .plugins = {}, .jobs = std::make_unique<Jobs>(jobs)};
    Checker checker;
    Sink* const sinks[] = {&checker};
    const Result<RunAnswer> answer = run(all, *running, sinks, nullptr, {});
    if (!answer) {
      EXPECT_TRUE(checker.records.empty()) << "an engine that did not open has run nothing";
      return drop(answer);
    }
    for (const auto& [job, times] : checker.records) EXPECT_EQ(times, 1) << "job " << job;
    if (answer->trouble) return tl::unexpected(*answer->trouble);
    EXPECT_EQ(checker.records.size(), jobs.size()) << "a job was lost";
    if (!checker.why.empty()) return fail(ErrorCode::system, checker.why);
    return {};
  };
  fail_each_call(error(), run_all, forks());
}

// One more when the first job has ended, two fewer a little later, and one more again.
class Presses final : public Sink {
 public:
  Result<void> ended(const JobRecord&) override {
    ++ended_;
    if (ended_ == 1 || ended_ == 6) ++more;
    if (ended_ == 3) more -= 2;
    return {};
  }
  std::int32_t more = 0;

 private:
  int ended_ = 0;
};

TEST_P(FailsIn, ChangingTheNumberOfWorkers) {
  const std::vector<JobSpec> jobs = batch(registry_);
  const auto run_all = [&]() -> Result<void> {
    const std::unique_ptr<Engine> running = engine();
    Batch all{.name = "faults", .size = jobs.size(), .plugins = {}, .jobs = std::make_unique<Jobs>(jobs)};
    Checker checker;
    Presses presses;
    Sink* const sinks[] = {&checker, &presses};
    const Limits limits{.more_workers = &presses.more, .most_workers = 3};
    const Result<RunAnswer> answer = run(all, *running, sinks, nullptr, {}, Shared::none(), nullptr, std::nullopt, limits);
    if (!answer) return drop(answer);
    for (const auto& [job, times] : checker.records) EXPECT_EQ(times, 1) << "job " << job;
    for (const Account& account : answer->totals.costs.workers)
      EXPECT_EQ(account.absent + account.total(), answer->totals.costs.wall);
    if (answer->trouble) return tl::unexpected(*answer->trouble);
    EXPECT_EQ(checker.records.size(), jobs.size()) << "a job was lost";
    if (!checker.why.empty()) return fail(ErrorCode::system, checker.why);
    return {};
  };
  fail_each_call(error(), run_all, forks());
}

}  // namespace
}  // namespace runner::master
