// Jobs of a batch under a storm of SIGKILL, SIGSTOP and SIGCONT against the engine's workers: each job ends once, with its own result,
// and those that did not end well ended so because of a kill while their own code ran.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <runner/job.hpp>
#include <runner/registry.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <variant>

#include "master/engines/processes.hpp"
#include "master/run.hpp"
#include "tests/chaos/killer.hpp"
#include "tests/pool/pools.hpp"
#include "tests/silence.hpp"

namespace runner {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kEnough = 200'000;
constexpr std::uint64_t kMostJobs = std::uint64_t{1} << 26;  // more than a soak comes to

struct Page {
  KillerPage killer;
  std::atomic<std::uint8_t> entered[kMostJobs];  // by job; pages that nobody touches cost nothing
};
Page* page = nullptr;  // set before the workers are forked

struct Number {
  std::uint64_t value = 0;
  template <class A>
  void serialize(A& a) {
    a(arg("value", value, "which job"));
  }
};
struct Text {
  std::string text;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(text));
  }
};

enum class Sort : std::uint8_t { tiny, nap, large, throws, commands };
Sort sort_of(std::uint64_t job) {
  if (job % 4'999 == 7) return Sort::commands;
  if (job % 997 == 3) return Sort::large;
  if (job % 499 == 8) return Sort::throws;
  return job % 101 == 5 ? Sort::nap : Sort::tiny;
}
std::string text_for(std::uint64_t job) { return std::string(100'000 + job % 7'000, static_cast<char>('a' + job % 26)); }

void enter(std::uint64_t job) { ++page->entered[job]; }
Number tiny(const Number& job, JobContext&) {
  enter(job.value);
  if (sort_of(job.value) == Sort::nap) ::usleep(static_cast<useconds_t>(job.value % 700));
  if (sort_of(job.value) == Sort::throws) throw std::runtime_error("as it should");
  return {job.value * 3};
}
Text large(const Number& job, JobContext&) {
  enter(job.value);
  return {text_for(job.value)};
}
RUNNER_JOB("storm_number", tiny, "Three times `value`.")
RUNNER_JOB("storm_text", large, "A long text.")

class StormSource final : public JobSource {
 public:
  explicit StormSource(Clock::time_point until) : until_(until) {}
  Result<bool> next(JobSpec& job) override {
    if (next_ == kMostJobs || (next_ >= kEnough && next_ % 256 == 0 && Clock::now() >= until_)) return false;
    job = JobSpec();
    job.id = JobId{next_};
    job.name = std::to_string(next_);
    if (next_ % 3 == 0 && sort_of(next_) != Sort::throws) job.retries = 20;
    if (sort_of(next_) == Sort::commands) {
      job.work = CommandWork{{"/bin/true"}, {}, {}, {}};
    } else {
      job.work = TypedWork{sort_of(next_) == Sort::large ? "storm_text" : "storm_number", to_wire(Number{next_})};
    }
    ++next_;
    return true;
  }

 private:
  Clock::time_point until_;
  std::uint64_t next_ = 0;
};

class Judge final : public master::Sink {
 public:
  Result<void> ended(const master::JobRecord& record) override {
    const std::uint64_t job = number(record.job.id);
    if (ended_.size() <= job) ended_.resize(job + 65'536);
    EXPECT_FALSE(ended_[job]) << "job " << job << " ended twice";
    ended_[job] = true;
    ++jobs;
    const std::uint8_t entered = page->entered[job];
    const std::uint32_t attempts = number(record.attempts);
    charged += attempts - 1;
    EXPECT_TRUE(attempts == 1 || record.job.retries != 0) << "job " << job;
    const Ending& ending = record.outcome.ending;
    const auto* crashed = std::get_if<Crashed>(&ending);
    if (crashed != nullptr && crashed->signal == SIGKILL) {
      ++killed;
      EXPECT_LE(entered, attempts) << "job " << job << ": killed in its code, or on the last step to it";
    } else if (sort_of(job) == Sort::throws) {
      EXPECT_TRUE(std::holds_alternative<Failed>(ending) && entered == 1) << job << ": " << describe(record.outcome);
    } else if (sort_of(job) == Sort::commands) {
      EXPECT_TRUE(succeeded(record.outcome)) << job << ": " << describe(record.outcome);
    } else {
      EXPECT_TRUE(succeeded(record.outcome) && entered >= 1 && entered <= attempts) << job << ": " << describe(record.outcome);
      const bool right = sort_of(job) == Sort::large ? from_wire<Text>(record.outcome.result.bytes()).text == text_for(job)
                                                     : from_wire<Number>(record.outcome.result.bytes()).value == 3 * job;
      EXPECT_TRUE(right) << "job " << job << " has the result of another";
    }
    if (testing::Test::HasFailure()) return fail(ErrorCode::system, "the storm is lost");
    return {};
  }
  std::uint64_t jobs = 0, killed = 0, charged = 0;  // charged: attempts after the first

 private:
  std::vector<bool> ended_;
};

// Tells the killer who the workers are: the children of this process that are called so.
class Pointer {
 public:
  Pointer() : thread_([this] { run(); }) {}
  ~Pointer() {
    over_ = true;
    thread_.join();
  }
  Pointer(const Pointer&) = delete;
  Pointer& operator=(const Pointer&) = delete;

 private:
  void run() {
    while (!over_) {
      std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
      std::size_t found = 0;
      for (int pid = 0; found < kMostVictims && children >> pid;) {
        std::string name;
        std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
        if (name.starts_with("runner-w")) page->killer.victims[found++] = pid;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  std::atomic<bool> over_{false};
  std::thread thread_;
};

// Somebody who cannot decide how many workers there are to be.
class Presses final : public master::Sink {
 public:
  Result<void> ended(const master::JobRecord&) override { return {}; }
  std::optional<Duration> tick_interval() const override { return std::chrono::milliseconds(5); }
  Result<void> tick(const master::Snapshot& snapshot) override {
    EXPECT_TRUE(snapshot.procs >= 1 && snapshot.procs <= kMostVictims) << snapshot.procs;
    more += static_cast<std::int32_t>(random_() % 7) - 3;
    least = std::min(least, snapshot.procs);
    most = std::max(most, snapshot.procs);
    return {};
  }
  std::int32_t more = 0;
  std::uint32_t least = UINT32_MAX, most = 0;

 private:
  std::minstd_rand random_;
};

class BatchStorm : public testing::TestWithParam<ipc::Transport> {};
INSTANTIATE_TEST_SUITE_P(Over, BatchStorm, testing::Values(ipc::Transport::shm, ipc::Transport::pipe),
                         [](const auto& over) { return std::string(over.param == ipc::Transport::shm ? "shm" : "pipe"); });

// Jobs until then, and kEnough at least. `steady`: killer.hpp. `resized`: the number of workers changes all the time.
void storm(ipc::Transport transport, Clock::duration length, bool steady, bool resized = false) {
  const Silence silence;
  void* const memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  page = static_cast<Page*>(memory);
  page->killer.steady = steady;
  Judge judge;
  Presses presses;
  const Clock::time_point began = Clock::now();
  {
    const Killer killer(page->killer);
    Registry registry;
    const auto engine = master::make_process_engine({.procs = 4,
                                                     .transport = transport,
                                                     .start = master::StartMethod::fork,
                                                     .bind = master::Bind::none,
                                                     .cpus = {},
                                                     .worker_program = {},
                                                     .geometry = {}},
                                                    registry);
    Batch batch{.name = "storm", .size = {}, .plugins = {}, .jobs = {}};
    batch.jobs = std::make_unique<StormSource>(began + length);
    std::optional<Pointer> pointer;
    // The zygote is forked while there is one thread.
    struct Started final : master::Sink {
      explicit Started(std::optional<Pointer>& made) : pointer(made) {}
      Result<void> started(const master::RunInfo&) override {
        pointer.emplace();
        page->killer.armed = true;
        return {};
      }
      Result<void> ended(const master::JobRecord&) override { return {}; }
      std::optional<Pointer>& pointer;
    } started(pointer);
    master::Sink* const all[] = {&started, &judge, &presses};
    const master::Limits limits{.more_workers = resized ? &presses.more : nullptr, .most_workers = kMostVictims};
    const Result<master::RunAnswer> answer =
        master::run(batch, *engine, all, nullptr, {}, Shared::none(), nullptr, std::nullopt, limits);
    page->killer.armed = false;
    ASSERT_TRUE(answer.has_value()) << answer.error().text;
    EXPECT_FALSE(answer->trouble) << answer->trouble->text;
    const master::Costs& costs = answer->totals.costs;
    for (const master::Account& account : costs.workers) EXPECT_EQ(account.absent + account.total(), costs.wall);
  }
  EXPECT_TRUE(!resized || (presses.least == 1 && presses.most == kMostVictims)) << presses.least << ' ' << presses.most;
  const std::uint64_t kills = page->killer.kills, stops = page->killer.stops;
  EXPECT_GE(judge.jobs, kEnough);
  EXPECT_LE(judge.killed + judge.charged, kills) << "one kill hits one job, and no other is charged for it";
  EXPECT_GT(judge.charged, 0U);
  EXPECT_GT(kills, 0U);
  EXPECT_EQ(stops == 0, steady);
  std::printf("batch storm over %s: %llu jobs in %.1f s; %llu kills, %llu stops; %llu jobs died of a kill, %llu tried again\n",
              transport == ipc::Transport::shm ? "shm" : "pipe", static_cast<unsigned long long>(judge.jobs),
              std::chrono::duration<double>(Clock::now() - began).count(), static_cast<unsigned long long>(kills),
              static_cast<unsigned long long>(stops), static_cast<unsigned long long>(judge.killed),
              static_cast<unsigned long long>(judge.charged));
  ::munmap(memory, sizeof(Page));
  page = nullptr;
}

TEST_P(BatchStorm, EachJobEndsOnceAndNoneIsChargedForAnother) {
  const bool soak = std::getenv("RUNNER_SOAK") != nullptr;
  storm(GetParam(), soak ? std::chrono::seconds(300) : std::chrono::seconds(8), false);
}

TEST_P(BatchStorm, EachJobEndsOnceWhileAWorkerIsKilledEveryFiveMilliseconds) {
  storm(GetParam(), std::chrono::seconds(3), true);
}

TEST_P(BatchStorm, EachJobEndsOnceWhileTheNumberOfWorkersChangesAndThoseThatAreThereAreKilled) {
  const bool soak = std::getenv("RUNNER_SOAK") != nullptr;
  storm(GetParam(), soak ? std::chrono::seconds(60) : std::chrono::seconds(3), true, true);
}

}  // namespace
}  // namespace runner
