// A worker that does all it can to its master: the master stays well, the others go on, and every job ends once.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <runner/process_pool.hpp>
#include <runner/registry.hpp>
#include <string>
#include <thread>
#include <vector>

#include "ipc/layout.hpp"
#include "ipc/shared_state.hpp"
#include "master/engines/processes.hpp"
#include "tests/chaos/batch_run.hpp"
#include "tests/chaos/liar.hpp"
#include "tests/silence.hpp"

namespace runner::chaos {
namespace {

int rounds() {
  const char* const asked = std::getenv("RUNNER_SOAK_ROUNDS");
  return asked != nullptr ? std::atoi(asked) : 6;
}

std::vector<std::string> names_of(std::span<const Trick> tricks) {
  std::vector<std::string> names;
  for (const Trick& trick : tricks) names.emplace_back(trick.name);
  return names;
}

class Malice : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }
  void TearDown() override { ::signal(SIGPIPE, SIG_DFL); }
  Silence silence_;
};
const auto kNames = [](const auto& way) { return way.param; };

// ---- a worker program that lies, beside honest ones ----

class AMaliciousWorker : public Malice {
 protected:
  void run_beside_it(ipc::Transport transport) {
    ::setenv("RUNNER_TRICK", GetParam().c_str(), 1);
    for (int round = 0; round < rounds(); ++round) {
      SCOPED_TRACE("seed " + std::to_string(round));
      ::setenv("RUNNER_SEED", std::to_string(1000 * round).c_str(), 1);
      run_once(transport);
      if (HasFailure()) return;
    }
  }

 private:
  void run_once(ipc::Transport transport) {
    const std::string input = testing::TempDir() + "malice_" + std::to_string(::getpid());
    std::ofstream(input) << "as it was";
    const std::vector<SharedSpec> specs{{"input", SharedFile{input}}};
    Result<ipc::SharedState> shared = ipc::SharedState::create(specs);
    ASSERT_TRUE(shared.has_value()) << shared.error().text;
    Registry registry;
    const Kind& echo = *registry.find("echo");
    std::vector<JobSpec> jobs;
    for (std::uint64_t i = 0; i < 120; ++i) add(jobs, std::to_string(i), TypedWork{"echo", to_wire(100 * i)});
    Endings endings(jobs.size());
    const auto engine = master::make_process_engine({.procs = 3,
                                                     .transport = transport,
                                                     .start = master::StartMethod::spawn,
                                                     .bind = master::Bind::none,
                                                     .worker_program = RUNNER_MALICIOUS_WORKER,
                                                     .geometry = {.depth = 16, .out_bytes = 64 * 1024},
                                                     .shared = &*shared},
                                                    registry);
    const Result<master::RunAnswer> answer = run_all(jobs, *engine, endings);
    ASSERT_TRUE(answer.has_value()) << answer.error().text;
    EXPECT_FALSE(answer->trouble) << answer->trouble->text;

    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const Ended& job = endings.jobs[i];
      EXPECT_EQ(job.times, 1);
      if (job.worker == WorkerId{0}) continue;  // what it says of its own job nobody can know
      EXPECT_TRUE(std::holds_alternative<Succeeded>(job.ending)) << "the job of an honest worker";
      JobContext context;
      EXPECT_EQ(job.result, echo.call(as_bytes(std::get<TypedWork>(jobs[i].work).args), context));
    }
    for (const master::WorkerLost& lost : endings.lost_workers) {
      EXPECT_EQ(lost.worker, WorkerId{0}) << "an honest worker " << lost.how;
      EXPECT_EQ(lost.how.find("status " + std::to_string(kBreach)), std::string::npos)
          << "it could write what it may only read";
    }
    std::string content;
    std::getline(std::ifstream(input), content);
    EXPECT_EQ(content, "as it was");
    ::unlink(input.c_str());
  }
};
class AMaliciousWorkerWithMemory : public AMaliciousWorker {};
class AMaliciousWorkerWithPipes : public AMaliciousWorker {};
INSTANTIATE_TEST_SUITE_P(Plays, AMaliciousWorkerWithMemory, testing::ValuesIn(names_of(tricks_with_memory())), kNames);
INSTANTIATE_TEST_SUITE_P(Plays, AMaliciousWorkerWithPipes, testing::ValuesIn(names_of(tricks_with_pipes())), kNames);

TEST_P(AMaliciousWorkerWithMemory, HarmsNeitherItsMasterNorOtherWorkers) { run_beside_it(ipc::Transport::shm); }
TEST_P(AMaliciousWorkerWithPipes, HarmsNeitherItsMasterNorOtherWorkers) { run_beside_it(ipc::Transport::pipe); }

class AWorkerThatLeaves : public Malice {};
INSTANTIATE_TEST_SUITE_P(Over, AWorkerThatLeaves, testing::Values("shm", "pipe"), kNames);

TEST_P(AWorkerThatLeaves, TimeAndAgainEndsTheRunWithTheReason) {
  ::setenv("RUNNER_TRICK", "leave", 1);
  Registry registry;
  std::vector<JobSpec> jobs;
  for (std::uint64_t i = 0; i < 10; ++i) add(jobs, std::to_string(i), TypedWork{"noop", {}});
  Endings endings(jobs.size());
  const auto engine =
      master::make_process_engine({.procs = 2,
                                   .transport = GetParam() == "shm" ? ipc::Transport::shm : ipc::Transport::pipe,
                                   .start = master::StartMethod::spawn,
                                   .bind = master::Bind::none,
                                   .worker_program = RUNNER_MALICIOUS_WORKER},
                                  registry);
  const Result<master::RunAnswer> answer = run_all(jobs, *engine, endings);
  const std::string said = !answer ? answer.error().text : answer->trouble ? answer->trouble->text : "";
  EXPECT_NE(said.find("workers in a row ended without having run a job; the last one left with exit status 0"),
            std::string::npos)
      << said;
  EXPECT_LE(std::atoi(said.c_str()), 2 * 10) << "ten on each of two seats are enough: nobody has ever done anything";
  for (const Ended& job : endings.jobs) EXPECT_FALSE(std::holds_alternative<Succeeded>(job.ending) && job.times > 0);
}

// ---- user code that lies, in a worker of a pool ----

std::uint64_t twice(std::uint64_t number) { return 2 * number; }

int lie(std::string trick, std::uint64_t seed) {
  Random random(seed);
  find_trick(tricks_with_memory(), trick)->play(grip_of_this_process(), random);
  if (random() % 2 == 0) ::kill(::getpid(), SIGKILL);
  ::_exit(3);
}

class ALyingCall : public Malice {};
INSTANTIATE_TEST_SUITE_P(Plays, ALyingCall, testing::ValuesIn(names_of(tricks_with_memory())), kNames);

TEST_P(ALyingCall, EndsAndSoDoAllOthers) {
  ProcessPool pool({.procs = 2, .depth = 16});
  for (int round = 0; round < rounds(); ++round) {
    auto lies = pool.submit(&lie, GetParam(), static_cast<std::uint64_t>(round));
    std::vector<Future<std::uint64_t>> calls;
    for (std::uint64_t i = 0; i < 100; ++i) calls.push_back(pool.submit(&twice, i));
    // What the liar says in the name of calls behind it cannot be told from the truth. That they end can.
    for (auto& call : calls) static_cast<void>(call.outcome());
    static_cast<void>(lies.outcome());
  }
}

// Flips bits of what this process may write, for as long as it lives.
int start_flipping() {
  std::thread([grip = grip_of_this_process()] {
    Random random(7);
    const auto depth = (grip.channel.size() - sizeof(ipc::ChannelHeader)) / sizeof(ipc::Slot);
    for (;;) {
      // Only what a reply in a slot is made of: a worker that destroys its own words, or its own allocator, may well go on for ever,
      // as a long call does.
      auto* const slot =
          reinterpret_cast<std::byte*>(&ipc::slot_of(grip.channel.data(), static_cast<std::uint32_t>(depth), random()));
      constexpr std::size_t first = offsetof(ipc::Slot, progress);
      slot[first + random() % (sizeof(ipc::Slot) - first)] ^= static_cast<std::byte>(1U << random() % 8);
    }
  }).detach();
  return 0;
}
std::string repeat(const std::string& text, std::uint32_t times) {
  std::string all;
  for (std::uint32_t i = 0; i < times; ++i) all += text;
  return all;
}

TEST(APool, OutlivesWorkersThatFlipTheirRepliesWhileTheyAreRead) {
  const Silence silence;
  ProcessPool pool({.procs = 2, .depth = 16, .memfd_from = {4096}, .results = {64 * 1024}});
  std::vector<std::uint64_t> numbers(2000);
  for (int round = 0; round < 10 * rounds(); ++round) {
    static_cast<void>(pool.submit(&start_flipping).outcome());
    std::vector<Future<std::string>> calls;
    for (std::uint32_t i = 0; i < 200; ++i) calls.push_back(pool.submit(&repeat, std::string("abc"), i));
    for (auto& call : calls) static_cast<void>(call.outcome());
    EXPECT_EQ(pool.map_outcomes(&twice, numbers).size(), numbers.size());
  }
}

}  // namespace
}  // namespace runner::chaos
