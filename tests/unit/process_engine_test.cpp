// The processes engine by itself: jobs in, events out.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <runner/job.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ipc/os.hpp"
#include "ipc/shared_state.hpp"
#include "master/engines/binding.hpp"
#include "master/engines/processes.hpp"
#include "tests/silence.hpp"

namespace runner::master {
namespace {

using std::chrono::steady_clock;

// Jobs of one kind: each adds 1 to a counter; a long one then waits for the counter to have a value.
class TwoWorkers : public testing::TestWithParam<Transport> {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);  // as processes.hpp asks for
    ASSERT_TRUE(registry_.load_plugin(RUNNER_SHARING_PLUGIN).has_value());
    Result<ipc::SharedState> shared = ipc::SharedState::create(std::vector<SharedSpec>{{"visits", SharedCounter{0}}});
    ASSERT_TRUE(shared.has_value());
    shared_ = std::move(*shared);
    open(registry_);
  }
  void open(Registry& registry, std::uint32_t procs = 2, Bind bind = Bind::none) {
    if (engine_) static_cast<void>(engine_->close());
    engine_ = make_process_engine({.procs = procs,
                                   .transport = GetParam(),
                                   .start = StartMethod::spawn,
                                   .bind = bind,
                                   .cpus = {},
                                   .worker_program = RUNNER_WORKER_PROGRAM,
                                   .geometry = {},
                                   .shared = &shared_},
                                  registry);
    ASSERT_TRUE(engine_->open().has_value());
  }
  void TearDown() override {
    if (engine_) static_cast<void>(engine_->close());
    engine_.reset();
    ::signal(SIGPIPE, SIG_DFL);
  }

  [[nodiscard]] SharedCount& visits() const { return shared_.view().counter("visits"); }
  const JobSpec& start(const std::string& until = {}) {
    const auto value = [](const std::string& text) { return Value{Scalar{text, true}, {}}; };
    Mapping args{{Scalar{"counter"}, value("visits")}};
    if (!until.empty()) args.emplace_back(Scalar{"until"}, value(until));
    JobSpec& job = jobs_.emplace_back();
    job.id = JobId{jobs_.size()};
    job.name = "visit";
    job.work = TypedWork{"visit", registry_.find("visit")->encode_args({args, {}}, "visit")};
    engine_->start(job, Attempt{1});
    return job;
  }
  // Takes what the engine tells until it is so; false: a minute passed, which only a hang takes.
  [[nodiscard]] bool until(const std::function<bool()>& is_so) {
    for (const auto limit = steady_clock::now() + std::chrono::minutes(1); steady_clock::now() < limit;) {
      if (is_so()) return true;
      std::vector<EngineEvent> events;
      // What is waited for may be the doing of a job, which nobody tells of.
      if (!engine_->wait(events, steady_clock::now() + std::chrono::milliseconds(5), -1)) return false;
      for (const EngineEvent& event : events) {
        if (const auto* end = std::get_if<JobEnded>(&event)) {
          EXPECT_TRUE(succeeded(end->outcome) || end->worker == may_crash_) << describe(end->outcome);
          ++ended_;
          last_worker_ = end->worker;
        }
        if (const auto* back = std::get_if<JobReturned>(&event)) returned_.push_back(back->job);
        if (const auto* lost = std::get_if<WorkerLost>(&event)) lost_.push_back(*lost);
        if (const auto* refused = std::get_if<WorkerRefused>(&event)) refused_.push_back(*refused);
      }
    }
    return false;
  }
  [[nodiscard]] bool until_ended(std::size_t jobs) {
    return until([this, jobs] { return ended_ == jobs; });
  }

  Silence silence_;
  Registry registry_;
  ipc::SharedState shared_;
  std::deque<JobSpec> jobs_;
  std::unique_ptr<Engine> engine_;
  // What came back starts again.
  void start_returned() {
    for (const JobId job : std::exchange(returned_, {})) engine_->start(jobs_[number(job) - 1], Attempt{1});
  }
  [[nodiscard]] bool until_workers(std::size_t workers) {
    return until([this, workers] { return engine_->view().size() == workers; });
  }

  std::size_t ended_ = 0;
  std::vector<JobId> returned_;
  std::vector<WorkerLost> lost_;
  std::vector<WorkerRefused> refused_;
  std::optional<WorkerId> may_crash_, last_worker_;
};
INSTANTIATE_TEST_SUITE_P(Over, TwoWorkers, testing::Values(Transport::shm, Transport::pipe),
                         [](const auto& over) { return over.param == Transport::shm ? "shm" : "pipe"; });

TEST_P(TwoWorkers, GiveBackWhatLiesBehindJobsThatTurnOutToBeLong) {
  for (int i = 0; i < 50; ++i) start();  // now such jobs are known to be short
  ASSERT_TRUE(until_ended(50));
  start("1000");
  start("1000");
  for (int i = 0; i < 4; ++i) start();
  // Nobody is idle who could take them from there.
  ASSERT_TRUE(until([this] { return returned_.size() == 4 && visits().load() == 52; })) << returned_.size();
  EXPECT_EQ(engine_->room(), 0U) << "nothing more goes behind a long one";
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(52));
  EXPECT_GT(engine_->room(), 0U);
  for (int i = 0; i < 4; ++i) start();
  ASSERT_TRUE(until_ended(56));
  EXPECT_EQ(visits().load(), 1056) << "each ran once";
}

TEST_P(TwoWorkers, LeaveNothingBehindALongJobWhileOneOfThemIsIdle) {
  for (int i = 0; i < 50; ++i) start();
  ASSERT_TRUE(until([this] {  // what one was slow to begin, the other may have got back
    for (const JobId job : std::exchange(returned_, {})) engine_->start(jobs_[number(job) - 1], Attempt{1});
    return ended_ == 50;
  }));
  start("1000");
  for (int i = 0; i < 20; ++i) start();
  ASSERT_TRUE(until([this] {
    for (const JobId job : std::exchange(returned_, {})) engine_->start(jobs_[number(job) - 1], Attempt{1});
    return ended_ == 70 && visits().load() == 71;  // the long one still waits, all others ran
  }));
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(71));
  EXPECT_EQ(visits().load(), 1071) << "each ran once";
}

// ---- more of them, or fewer, meanwhile ----

TEST_P(TwoWorkers, BecomeOneThatHasAllTheWorkWhenTheOtherHasFinishedWhatItRan) {
  for (int i = 0; i < 50; ++i) start();
  ASSERT_TRUE(until([this] {
    start_returned();
    return ended_ == 50;
  }));
  start("1000");
  start("1000");
  ASSERT_TRUE(until([this] { return visits().load() == 52; })) << "both are in their jobs";
  for (int i = 0; i < 4; ++i) start();  // behind the long ones
  const std::int32_t other = engine_->view()[1].pid;
  ASSERT_TRUE(engine_->resize(1).has_value());
  EXPECT_EQ(engine_->procs(), 1U);
  ASSERT_TRUE(until([this] { return returned_.size() == 4 && visits().load() == 52; })) << returned_.size();
  EXPECT_EQ(engine_->view().size(), 2U) << "the other one still runs its job";
  EXPECT_EQ(engine_->room(), 0U) << "it gets nothing more";
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(52));
  ASSERT_TRUE(until_workers(1));
  ASSERT_TRUE(until([other] { return ::kill(other, 0) != 0; })) << "it has gone, and is no zombie";
  for (int i = 0; i < 30; ++i) {
    start_returned();
    start();
    ASSERT_TRUE(until([&] { return visits().load() >= 1053 + i; }));
  }
  ASSERT_TRUE(until([this] {
    start_returned();
    return ended_ == 86;
  })) << ended_;
  EXPECT_EQ(last_worker_, WorkerId{0});
  EXPECT_EQ(visits().load(), 1086) << "each ran once";
  EXPECT_TRUE(lost_.empty()) << "to go is no death";
  const Costs costs = engine_->close();
  EXPECT_EQ(costs.workers_lost, 0U);
  ASSERT_EQ(costs.workers.size(), 2U);
  EXPECT_EQ(costs.workers[0].absent, Duration::zero());
  EXPECT_GT(costs.workers[1].absent, Duration::zero());
  EXPECT_EQ(costs.worker_seconds(), 2 * costs.wall - costs.workers[1].absent);
  EXPECT_LE(std::abs(costs.unaccounted().count()), costs.worker_seconds().count() / 50);
}

TEST_P(TwoWorkers, BecomeFourThatRunFourJobsAtATime) {
  start("1000");
  start("1000");
  ASSERT_TRUE(until([this] { return visits().load() == 2; }));
  ASSERT_TRUE(engine_->resize(4).has_value());
  EXPECT_EQ(engine_->view().size(), 4U) << "those that start are seen";
  ASSERT_TRUE(until([this] { return engine_->room() == 2; }));
  start("1000");
  start("1000");
  ASSERT_TRUE(until([this] { return visits().load() == 4; }));
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(4));
  const Costs costs = engine_->close();
  ASSERT_EQ(costs.workers.size(), 4U);
  for (const std::size_t later : {2U, 3U}) {
    EXPECT_GT(costs.workers[later].absent, Duration::zero());
    EXPECT_GT(costs.workers[later][Use::start], Duration::zero());
    EXPECT_EQ(costs.workers[later].absent + costs.workers[later].total(), costs.wall);
  }
}

TEST_P(TwoWorkers, StayWhoTheyAreWhenTheyAreToBeFewerAndAtOnceAsManyAgain) {
  start("1000");
  start("1000");
  ASSERT_TRUE(until([this] { return visits().load() == 2; }));
  const std::int32_t before = engine_->view()[1].pid;
  ASSERT_TRUE(engine_->resize(1).has_value());
  ASSERT_TRUE(engine_->resize(2).has_value());
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(2));
  EXPECT_EQ(engine_->view()[1].pid, before) << "it was busy, so nobody had told it to go";
  // Idle ones are told at once, and followed by another.
  ASSERT_TRUE(engine_->resize(1).has_value());
  ASSERT_TRUE(engine_->resize(2).has_value());
  ASSERT_TRUE(until([this] { return engine_->room() == 2; }));
  EXPECT_NE(engine_->view()[1].pid, before);
  visits().store(0);
  start("1000");
  start("1000");
  ASSERT_TRUE(until([this] { return visits().load() == 2; })) << "both run";
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(4));
  EXPECT_TRUE(lost_.empty());
  // And one that has not come so far as to take requests.
  ASSERT_TRUE(engine_->resize(3).has_value());
  ASSERT_TRUE(engine_->resize(1).has_value());
  ASSERT_TRUE(engine_->resize(3).has_value());
  ASSERT_TRUE(until([this] { return engine_->room() == 3; }));
  EXPECT_TRUE(lost_.empty());
  const Costs costs = engine_->close();
  for (const Account& account : costs.workers) EXPECT_EQ(account.absent + account.total(), costs.wall);
}

TEST_P(TwoWorkers, LoseAJobAndNoMoreWhenOneDiesThatIsToGo) {
  start("1000");
  start("1000");
  ASSERT_TRUE(until([this] { return visits().load() == 2; }));
  ASSERT_TRUE(engine_->resize(1).has_value());
  may_crash_ = WorkerId{1};
  ASSERT_EQ(::kill(engine_->view()[1].pid, SIGKILL), 0);
  ASSERT_TRUE(until_ended(1));
  ASSERT_TRUE(until_workers(1));
  ASSERT_EQ(lost_.size(), 1U);
  EXPECT_FALSE(lost_[0].replaced);
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(2));
  // One that has nothing to do and was told to go has no death to die.
  ASSERT_TRUE(engine_->resize(2).has_value());
  ASSERT_TRUE(until([this] { return engine_->room() == 2; }));
  const std::int32_t idle = engine_->view()[1].pid;
  ASSERT_TRUE(engine_->resize(1).has_value());
  ASSERT_EQ(::kill(idle, SIGKILL), 0) << "it is not reaped before the next wait";
  start();
  ASSERT_TRUE(until_ended(3));
  EXPECT_EQ(lost_.size(), 1U);
  EXPECT_EQ(engine_->close().workers_lost, 1U);
}

TEST_P(TwoWorkers, StayTwoWhereSoManyCannotBe) {
  for (const std::uint32_t procs : {0U, kMostProcs + 1}) {
    const Result<void> resized = engine_->resize(procs);
    ASSERT_FALSE(resized.has_value());
    EXPECT_EQ(resized.error().code, ErrorCode::usage);
    EXPECT_EQ(engine_->procs(), 2U);
    EXPECT_EQ(engine_->view().size(), 2U);
  }
  start();
  ASSERT_TRUE(until_ended(1));
}

TEST_P(TwoWorkers, BecomeAsManyAsThereAreDescriptorsForAndSaySo) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit narrow{Silence::descriptors().size() + 25, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &narrow), 0);
  os::faults::arm({.nth = 1, .error = EPERM, .only = "setrlimit"});  // or it would be raised
  const Result<void> resized = engine_->resize(50);
  os::faults::disarm();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(resized.has_value());
  EXPECT_EQ(resized.error().code, ErrorCode::system);
  EXPECT_NE(resized.error().text.find("1 worker process needs"), std::string::npos) << resized.error().text;
  EXPECT_NE(resized.error().text.find("RLIMIT_NOFILE is"), std::string::npos) << resized.error().text;
  EXPECT_EQ(resized.error().text.find("--procs"), std::string::npos) << "that is past: " << resized.error().text;
  const std::uint32_t procs = engine_->procs();
  EXPECT_GT(procs, 2U);
  EXPECT_LT(procs, 8U);
  ASSERT_TRUE(until([this, procs] { return engine_->room() == procs; })) << "those that could be had work";
  EXPECT_EQ(engine_->view().size(), procs);
}

TEST_P(TwoWorkers, GoOnAsOneWhereTheOtherHadToGoAndNobodyCanFollow) {
  start("1000");
  ASSERT_TRUE(until([this] { return visits().load() == 1; }));
  // Both are wanted again before the second has gone.
  ASSERT_TRUE(engine_->view()[0].job.has_value()) << "the first has it";
  ASSERT_TRUE(engine_->resize(1).has_value());
  os::faults::arm({.nth = 1, .error = EAGAIN, .only = "posix_spawn"});
  ASSERT_TRUE(engine_->resize(2).has_value());
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(1));
  ASSERT_TRUE(until([this] { return !refused_.empty(); }));
  os::faults::disarm();
  EXPECT_NE(refused_[0].why.find("posix_spawn"), std::string::npos) << refused_[0].why;
  EXPECT_EQ(engine_->procs(), 1U);
  EXPECT_EQ(engine_->view().size(), 1U);
  ASSERT_TRUE(engine_->resize(2).has_value());
  ASSERT_TRUE(until([this] { return engine_->room() == 2; }));
  const Costs costs = engine_->close();
  for (const Account& account : costs.workers) EXPECT_EQ(account.absent + account.total(), costs.wall);
}

TEST_P(TwoWorkers, StayTwoThatWorkWhereThoseThatAreAddedDieAtOnce) {
  start("1000");
  start("1000");
  ASSERT_TRUE(until([this] { return visits().load() == 2; }));
  ::setenv("LD_TRACE_LOADED_OBJECTS", "1", 1);  // what is started from now on leaves before it has begun
  ASSERT_TRUE(engine_->resize(4).has_value());
  EXPECT_EQ(engine_->procs(), 4U);
  ASSERT_TRUE(until([this] { return !refused_.empty(); }));
  ::unsetenv("LD_TRACE_LOADED_OBJECTS");
  EXPECT_LT(engine_->procs(), 4U);
  ASSERT_TRUE(until([this] { return engine_->procs() == number(refused_.back().worker); }));
  EXPECT_NE(refused_[0].why.find("ended before they took requests; the last one left with exit status 0"), std::string::npos)
      << refused_[0].why;
  ASSERT_TRUE(engine_->resize(2).has_value());
  ASSERT_TRUE(until_workers(2));
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(2)) << "those that worked go on";
  ASSERT_TRUE(engine_->resize(3).has_value());
  ASSERT_TRUE(until([this] { return engine_->room() == 3; })) << "now another can be had";
  EXPECT_LE(refused_.size(), 2U);
  const Costs costs = engine_->close();
  for (const Account& account : costs.workers) EXPECT_EQ(account.absent + account.total(), costs.wall);
}

TEST_P(TwoWorkers, StayTwoWhereOneThatIsAddedRefuses) {
  std::string plugin = "/tmp/runner-plugin-XXXXXX";
  const int made = ::mkstemp(plugin.data());
  ASSERT_GE(made, 0);
  ::close(made);
  std::filesystem::copy_file(RUNNER_SHARING_PLUGIN, plugin, std::filesystem::copy_options::overwrite_existing);
  Registry registry;
  ASSERT_TRUE(registry.load_plugin(plugin).has_value());
  open(registry);
  std::filesystem::remove(plugin);
  ASSERT_TRUE(engine_->resize(4).has_value());
  ASSERT_TRUE(until([this] { return engine_->procs() == 2; }));
  ASSERT_TRUE(until([this] { return !refused_.empty(); }));
  EXPECT_NE(refused_.back().why.find("a worker refused to start: "), std::string::npos) << refused_.back().why;
  EXPECT_NE(refused_.back().why.find(plugin), std::string::npos) << refused_.back().why;
  EXPECT_EQ(engine_->view().size(), 2U);
  start();
  ASSERT_TRUE(until_ended(1));
  EXPECT_TRUE(lost_.empty());
}

TEST_P(TwoWorkers, AreAllFreeToRunAnywhereOnceThereAreMoreThanCores) {
  const auto cores = static_cast<std::uint32_t>(read_topology().cores.size());
  if (cores < 2) GTEST_SKIP() << "needs two cores";
  open(registry_, cores, Bind::core);
  const std::int32_t last = engine_->view()[cores - 1].pid;
  ASSERT_EQ(binding_of(last)->size(), 1U);
  for (std::uint32_t i = 0; i < cores; ++i) start("1000");
  ASSERT_TRUE(until([this, cores] { return visits().load() == static_cast<std::int64_t>(cores); }));
  // The last one is about to go, and outside of the plan, when more come.
  ASSERT_TRUE(engine_->resize(cores - 1).has_value());
  ASSERT_TRUE(engine_->resize(cores + 1).has_value());
  for (const WorkerView& worker : engine_->view()) EXPECT_EQ(binding_of(worker.pid), allowed_processors());
  visits().fetch_add(1000);
  ASSERT_TRUE(until_ended(cores));
  ASSERT_TRUE(engine_->resize(cores).has_value());
  EXPECT_EQ(binding_of(last)->size(), 1U) << "as many as cores: each has its own again";
}

}  // namespace
}  // namespace runner::master
