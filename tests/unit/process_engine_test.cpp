// The processes engine by itself: jobs in, events out.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <runner/job.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ipc/shared_state.hpp"
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
    engine_ = make_process_engine({.procs = 2,
                                   .transport = GetParam(),
                                   .start = StartMethod::spawn,
                                   .bind = Bind::none,
                                   .cpus = {},
                                   .worker_program = RUNNER_WORKER_PROGRAM,
                                   .geometry = {},
                                   .shared = &shared_},
                                  registry_);
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
      if (!engine_->wait(events, steady_clock::now() + std::chrono::seconds(1), -1)) return false;
      for (const EngineEvent& event : events) {
        if (const auto* end = std::get_if<JobEnded>(&event)) {
          EXPECT_TRUE(succeeded(end->outcome));
          ++ended_;
        }
        if (const auto* back = std::get_if<JobReturned>(&event)) returned_.push_back(back->job);
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
  std::size_t ended_ = 0;
  std::vector<JobId> returned_;
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

}  // namespace
}  // namespace runner::master
