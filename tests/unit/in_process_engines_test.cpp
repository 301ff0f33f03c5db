// The engines of master/engines/in_process.hpp, driven as the program drives them: through master::run with a batch and a sink.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <runner/async_job.hpp>
#include <runner/job.hpp>
#include <stdexcept>
#include <string>
#include <thread>

#include "master/engines/in_process.hpp"
#include "master/engines/last_words.hpp"
#include "master/run.hpp"

namespace runner::master {
namespace {

using namespace std::chrono_literals;

// ---- kinds ----

struct Nothing {
  template <class Archive>
  void serialize(Archive&) {}
};
struct Number {
  std::uint64_t value{};
  template <class Archive>
  void serialize(Archive& archive) {
    archive(runner::arg("value", value, "any number"));
  }
};

// How many jobs are in their code at once, and the most there ever were. A job waits until `awaited` have come, or long enough.
std::atomic<std::uint32_t> inside{0}, most{0}, awaited{1};
std::atomic<std::uint32_t> calls{0};

void come_in() {
  const std::uint32_t now = ++inside;
  for (std::uint32_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
  }
}
Nothing meet(const Nothing&, JobContext&) {
  come_in();
  for (int naps = 0; most < awaited && naps < 5000; ++naps) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(2ms);
  --inside;
  return {};
}
boost::asio::awaitable<Nothing> meet_async(const Nothing&, JobContext&) {
  come_in();
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  for (int naps = 0; most < awaited && naps < 5000; ++naps) {
    timer.expires_after(1ms);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  --inside;
  co_return Nothing{};
}
RUNNER_ASYNC_JOB("test_meet", meet, meet_async, "Waits until enough others are there.")

Number twice(const Number& number, JobContext&) {
  ++calls;
  if (number.value == 13) throw std::runtime_error("13 is not for me");
  return {number.value * 2};
}
RUNNER_JOB("test_twice", twice, "Doubles a number.")

Number twice_later(const Number& number, JobContext& context) { return twice(number, context); }
boost::asio::awaitable<Number> twice_async(const Number& number, JobContext& context) { co_return twice(number, context); }
RUNNER_ASYNC_JOB("test_twice_async", twice_later, twice_async, "Doubles a number, in a coroutine where there are some.")

Nothing obey(const Nothing&, JobContext& context) {
  while (!context.stop_requested()) std::this_thread::sleep_for(1ms);
  return {};
}
boost::asio::awaitable<Nothing> obey_async(const Nothing&, JobContext&) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, std::chrono::hours(1));
  co_await timer.async_wait(boost::asio::use_awaitable);
  co_return Nothing{};
}
RUNNER_JOB("test_obey", obey, "Runs until it is told to stop.")
RUNNER_ASYNC_JOB("test_obey_async", obey, obey_async, "Waits until it is told to stop.")

std::atomic<bool> released{false};
Nothing deaf(const Nothing&, JobContext&) {
  while (!released) std::this_thread::sleep_for(1ms);
  return {};
}
RUNNER_JOB("test_deaf", deaf, "Runs until the test releases it.")

Nothing crash(const Nothing&, JobContext&) {
  ::raise(SIGSEGV);
  return {};
}
RUNNER_JOB("test_crash", crash, "Ends the program.")

// ---- the world around an engine ----

class Jobs final : public JobSource {
 public:
  explicit Jobs(std::vector<JobSpec> specs) : specs_(std::move(specs)) {}
  Result<bool> next(JobSpec& job) override {
    if (next_ == specs_.size()) return false;
    job = specs_[next_];
    job.id = JobId{next_++};
    return true;
  }

 private:
  std::vector<JobSpec> specs_;
  std::size_t next_ = 0;
};

struct Seen {
  std::string status, detail, result, out;
  int times = 0;
};
class Recorder final : public Sink {
 public:
  Result<void> ended(const JobRecord& record) override {
    Seen& seen = jobs[number(record.job.id)];
    ++seen.times;
    seen.status = status_word(record.outcome.ending);
    seen.detail = describe(record.outcome);
    seen.result = record.outcome.result.text();
    seen.out = record.outcome.out.text;
    return {};
  }
  void salvage() noexcept override { static_cast<void>(!::write(STDERR_FILENO, "salvaged\n", 9)); }
  std::map<std::uint64_t, Seen> jobs;
};

// Somebody at a keyboard.
class Presses final : public Sink {
 public:
  Result<void> ended(const JobRecord&) override {
    if (on_end) on_end(++ends);
    return {};
  }
  std::optional<Duration> tick_interval() const override { return on_tick ? std::optional<Duration>(1ms) : std::nullopt; }
  Result<void> tick(const Snapshot& snapshot) override {
    if (!snapshot.refused.empty()) refused = snapshot.refused;
    if (on_tick) on_tick(snapshot);
    return {};
  }
  std::function<void(std::uint64_t)> on_end;
  std::function<void(const Snapshot&)> on_tick;
  std::uint64_t ends = 0;
  std::string refused;
  bool paused = false;
  std::int32_t more = 0;
};

JobSpec typed(std::string kind, std::string args = {}, Duration timeout = {}) {
  JobSpec job;
  job.name = kind;
  job.work = TypedWork{std::move(kind), std::move(args)};
  job.timeout = timeout;
  return job;
}
JobSpec shell(std::string script, Duration timeout = {}) {
  JobSpec job;
  job.name = script;
  job.work = CommandWork{{"/bin/sh", "-c", std::move(script)}, {}, {}, {}};
  job.timeout = timeout;
  return job;
}

struct Model {
  const char* name;
  std::unique_ptr<Engine> (*make)(std::uint32_t procs, InProcess here);
};
std::ostream& operator<<(std::ostream& out, const Model& model) { return out << model.name; }

struct Ran {
  std::map<std::uint64_t, Seen> jobs;
  RunAnswer answer;
  std::uint32_t gave_up = 0;
};
Ran run_all(const Model& model, std::uint32_t procs, std::vector<JobSpec> specs, Interrupts* interrupts = nullptr,
            Bytes max_result = kMaxResult, Presses* presses = nullptr) {
  const Registry registry;
  std::atomic<std::uint32_t> gave_up{0};
  const auto stuck = [&](const JobSpec&, StopReason) {
    ++gave_up;
    released = true;
  };
  const std::unique_ptr<Engine> engine = model.make(procs, {registry, interrupts, stuck, {nullptr, max_result}});
  Batch batch{"test", specs.size(), {}, std::make_unique<Jobs>(std::move(specs))};
  Recorder recorder;
  Presses nobody;
  Sink* const sinks[] = {&recorder, presses != nullptr ? presses : &nobody};
  const GiveUpHandler give_up = [&](const JobSpec& job, std::uint64_t) { stuck(job, StopReason::deadline); };
  Result<RunAnswer> answer = run(batch, *engine, sinks, interrupts, give_up, Shared::none(), nullptr, std::nullopt,
                                 {.paused = presses != nullptr ? &presses->paused : nullptr,
                                  .more_workers = presses != nullptr ? &presses->more : nullptr,
                                  .most_workers = 16});
  EXPECT_TRUE(answer) << (answer ? "" : answer.error().text);
  return {std::move(recorder.jobs), std::move(*answer), gave_up};
}

const Model kSerial{"serial", [](std::uint32_t, InProcess here) { return make_serial_engine(std::move(here)); }};
const Model kThreads{"threads", [](std::uint32_t n, InProcess here) { return make_threads_engine(n, std::move(here)); }};
const Model kAsync{"async", [](std::uint32_t n, InProcess here) { return make_async_engine(n, std::move(here)); }};

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

// Each test ends with no child process and no descriptor more than before.
class InProcessEngine : public testing::TestWithParam<Model> {
 protected:
  void SetUp() override {
    inside = most = calls = 0;
    released = false;
    descriptors_ = open_descriptors();
  }
  void TearDown() override {
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
    // A thread of oneTBB that begins or ends just now has a file of the kernel's open for a moment; what leaks stays.
    for (int look = 0; look < 1000 && open_descriptors() != descriptors_; ++look) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(open_descriptors(), descriptors_);
  }

 private:
  std::ptrdiff_t descriptors_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Every, InProcessEngine, testing::Values(kSerial, kThreads, kAsync),
                         [](const auto& model) { return std::string(model.param.name); });

// ---- at a time ----

class Concurrency : public testing::TestWithParam<std::tuple<Model, std::uint32_t>> {};
INSTANTIATE_TEST_SUITE_P(Both, Concurrency, testing::Combine(testing::Values(kThreads, kAsync), testing::Values(1U, 2U, 8U)),
                         [](const auto& model) {
                           return std::get<0>(model.param).name + std::to_string(std::get<1>(model.param));
                         });

TEST_P(Concurrency, RunsSleepingJobsAsManyAtATimeAsAskedForAndNoMore) {
  const auto& [model, procs] = GetParam();
  inside = most = 0;
  awaited = procs;
  const Ran ran = run_all(model, procs, std::vector<JobSpec>(4 * procs, typed("test_meet")));
  EXPECT_EQ(most, procs);
  EXPECT_EQ(ran.answer.totals.counts.ok, 4 * procs);
}

TEST_P(Concurrency, RunsMoreAtATimeFromWhenThatIsAskedFor) {
  const auto& [model, procs] = GetParam();
  inside = most = 0;
  awaited = procs;
  Presses presses;
  presses.on_end = [&presses, more = 2U, of = procs](std::uint64_t ends) {
    if (ends == 1) {
      presses.more = static_cast<std::int32_t>(more);
      awaited = of + more;  // from now on jobs wait until there were so many
    }
  };
  const Ran ran =
      run_all(model, procs, std::vector<JobSpec>(8 * (procs + 2), typed("test_meet")), nullptr, kMaxResult, &presses);
  EXPECT_EQ(most, procs + 2);
  EXPECT_EQ(ran.answer.totals.counts.ok, 8 * (procs + 2));
  EXPECT_EQ(ran.answer.totals.procs, procs + 2);
  const Costs& costs = ran.answer.totals.costs;
  ASSERT_EQ(costs.workers.size(), procs + 2);
  for (const Account& account : costs.workers) EXPECT_EQ(account.absent + account.total(), costs.wall);
  EXPECT_GT(costs.workers.back().absent, Duration::zero());
}

TEST_P(Concurrency, RunsFewerAtATimeOnceThoseThatRanHaveEnded) {
  const auto& [model, procs] = GetParam();
  inside = most = 0;
  awaited = 0;
  Presses presses;
  presses.on_end = [&presses, fewer = procs - 1](std::uint64_t ends) {
    if (ends == 10) presses.more = -static_cast<std::int32_t>(fewer);
    if (ends == 30) most = 0;  // those that ran are gone
  };
  const Ran ran = run_all(model, procs, std::vector<JobSpec>(40, typed("test_meet")), nullptr, kMaxResult, &presses);
  EXPECT_EQ(most, 1U);
  EXPECT_EQ(ran.answer.totals.counts.ok, 40U);
  EXPECT_EQ(ran.answer.totals.procs, 1U);
  const Costs& costs = ran.answer.totals.costs;
  ASSERT_EQ(costs.workers.size(), procs);
  for (const Account& account : costs.workers) EXPECT_EQ(account.absent + account.total(), costs.wall);
}

TEST_P(Concurrency, ChangesToAndFroWithoutLosingAJobWhateverElseIsPressed) {
  const auto& [model, procs] = GetParam();
  inside = most = calls = 0;
  awaited = 0;
  Presses presses;
  std::uint32_t ticks = 0;
  presses.on_end = [&presses](std::uint64_t ends) {
    if (ends % 3 == 0) presses.more = static_cast<std::int32_t>(ends % 7) - 3;
  };
  presses.on_tick = [&](const Snapshot& snapshot) {
    presses.paused = ++ticks % 3 == 0;
    if (ticks % 2 == 0) presses.more += ticks % 4 == 0 ? 2 : -2;
    EXPECT_GE(snapshot.procs, 1U);
    EXPECT_LE(snapshot.procs, 16U);
  };
  std::vector<JobSpec> specs;
  for (std::uint64_t i = 0; i < 300; ++i)
    specs.push_back(i % 3 == 0 ? typed("test_meet") : typed("test_twice", to_wire(Number{1000 + i})));
  for (int i = 0; i < 10; ++i) specs.push_back(shell("sleep 0.01"));
  const Ran ran = run_all(model, procs, std::move(specs), nullptr, kMaxResult, &presses);
  EXPECT_EQ(ran.answer.totals.counts.ok, 310U);
  for (const auto& [id, seen] : ran.jobs) EXPECT_EQ(seen.times, 1) << id;
  EXPECT_EQ(calls, 200U);
  const Costs& costs = ran.answer.totals.costs;
  for (const Account& account : costs.workers) EXPECT_EQ(account.absent + account.total(), costs.wall);
}

TEST(SerialEngine, SaysThatThereIsOneWorkerAndNoMore) {
  Presses presses;
  presses.more = 1;
  presses.on_tick = [](const Snapshot&) {};
  awaited = 0;
  const Ran ran = run_all(kSerial, 1, std::vector<JobSpec>(10, typed("test_meet")), nullptr, kMaxResult, &presses);
  EXPECT_EQ(ran.answer.totals.counts.ok, 10U);
  EXPECT_NE(presses.refused.find("there is one worker"), std::string::npos) << presses.refused;
}

TEST_P(Concurrency, RunsCommandsAsManyAtATimeAsAskedFor) {
  const auto& [model, procs] = GetParam();
  // Each leaves when all of its round are there; it fails when they do not come.
  std::string folder = "/tmp/runner-meet-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string script = "cd " + folder + " && : > $$ && n=0; while [ $(ls | wc -l) -lt " + std::to_string(procs) +
                             " ]; do n=$((n+1)); [ $n -lt 1000 ] || exit 1; sleep 0.01; done";
  const Ran ran = run_all(model, procs, std::vector<JobSpec>(procs, shell(script)));
  std::filesystem::remove_all(folder);
  EXPECT_EQ(ran.answer.totals.counts.ok, procs);
}

// ---- outcomes ----

TEST_P(InProcessEngine, RunsEveryJobExactlyOnce) {
  constexpr std::uint64_t kJobs = 20'000;
  std::vector<JobSpec> specs;
  for (std::uint64_t i = 0; i < kJobs; ++i) specs.push_back(typed("test_twice", to_wire(Number{1000 + i})));
  const Ran ran = run_all(GetParam(), 3, std::move(specs));
  EXPECT_EQ(calls, kJobs);
  ASSERT_EQ(ran.jobs.size(), kJobs);
  for (const auto& [id, seen] : ran.jobs) {
    ASSERT_EQ(seen.times, 1);
    ASSERT_EQ(seen.result, to_wire(Number{2 * (1000 + id)}));
  }
  EXPECT_TRUE(ran.answer.all_well());
  const Costs& costs = ran.answer.totals.costs;
  EXPECT_EQ(costs.measured, kJobs);
  EXPECT_GT(costs.all_workers()[Use::execute], Duration::zero());
  EXPECT_EQ(costs.unaccounted(), Duration::zero());
}

TEST_P(InProcessEngine, RunsAnEmptyBatch) { EXPECT_TRUE(run_all(GetParam(), 2, {}).answer.all_well()); }

TEST_P(InProcessEngine, TellsWhatAJobThrew) {
  const Ran ran = run_all(GetParam(), 2, {typed("test_twice", to_wire(Number{13})), typed("test_twice", to_wire(Number{1}))});
  EXPECT_EQ(ran.jobs.at(0).status, "failed");
  EXPECT_NE(ran.jobs.at(0).detail.find("13 is not for me"), std::string::npos);
  EXPECT_EQ(ran.jobs.at(1).status, "ok");
}

TEST_P(InProcessEngine, TriesAFailedJobAgainAsOftenAsAskedFor) {
  JobSpec job = typed("test_twice", to_wire(Number{13}));
  job.retries = 4;
  const Ran ran = run_all(GetParam(), 2, {job});
  EXPECT_EQ(calls, 5U);
  EXPECT_EQ(ran.jobs.at(0).times, 1);
}

TEST_P(InProcessEngine, FailsAJobWhoseResultIsLargerThanAllowedAndNoOther) {
  const std::uint64_t bytes = to_wire(Number{2}).size();
  const std::vector<JobSpec> jobs{typed("test_twice", to_wire(Number{1})), typed("test_twice_async", to_wire(Number{1})),
                                  shell("echo longer than any number")};
  EXPECT_TRUE(run_all(GetParam(), 2, jobs, nullptr, Bytes{bytes}).answer.all_well());
  Ran ran = run_all(GetParam(), 2, jobs, nullptr, Bytes{bytes - 1});
  for (const std::uint64_t typed_job : {0U, 1U}) {
    EXPECT_EQ(ran.jobs[typed_job].status, "failed");
    EXPECT_EQ(ran.jobs[typed_job].detail, result_too_large(Bytes{bytes}, Bytes{bytes - 1}));
    EXPECT_TRUE(ran.jobs[typed_job].result.empty());
  }
  EXPECT_EQ(ran.jobs[2].status, "ok");
}

TEST_P(InProcessEngine, SaysThatItDoesNotKnowAKind) {
  const Ran ran = run_all(GetParam(), 2, {typed("test_nobody")});
  EXPECT_NE(ran.jobs.at(0).detail.find("knows no kind `test_nobody`"), std::string::npos);
}

TEST_P(InProcessEngine, StopsATypedJobThroughItsTokenAtTheDeadline) {
  const Ran ran =
      run_all(GetParam(), 2,
              {typed("test_obey", {}, 30ms), typed("test_obey_async", {}, 30ms), typed("test_twice", to_wire(Number{1}), 1h)});
  EXPECT_EQ(ran.jobs.at(0).status, "timed_out");
  EXPECT_EQ(ran.jobs.at(1).status, "timed_out");
  EXPECT_EQ(ran.jobs.at(2).status, "ok");
  EXPECT_EQ(ran.gave_up, 0U);
}

TEST_P(InProcessEngine, GivesUpOnATypedJobThatDoesNotReturn) {
  const Ran ran = run_all(GetParam(), 1, {typed("test_deaf", {}, 20ms)});
  EXPECT_GE(ran.gave_up, 1U);
}

TEST_P(InProcessEngine, TellsHowCommandsEnded) {
  const Ran ran = run_all(GetParam(), 2,
                          {shell("echo hello"), shell("exit 3"), shell("kill -SEGV $$"), shell("head -c 3000000 /dev/zero"),
                           shell("cd /nowhere/at/all")});
  EXPECT_EQ(ran.jobs.at(0).status, "ok");
  EXPECT_EQ(ran.jobs.at(0).out, "hello\n");
  EXPECT_EQ(ran.jobs.at(1).detail, "exit status 3");
  EXPECT_EQ(ran.jobs.at(2).status, "crashed");
  EXPECT_EQ(ran.jobs.at(3).status, "ok");
  EXPECT_EQ(ran.jobs.at(4).status, "failed");
}

TEST_P(InProcessEngine, SaysWhyACommandCannotBeStarted) {
  JobSpec job = shell("");
  std::get<CommandWork>(job.work).argv = {"/nowhere/at/all"};
  const Ran ran = run_all(GetParam(), 2, {job});
  EXPECT_EQ(ran.jobs.at(0).status, "failed");
  EXPECT_NE(ran.jobs.at(0).detail.find("/nowhere/at/all"), std::string::npos);
}

TEST_P(InProcessEngine, EndsACommandAtItsDeadlineWithAllBelowIt) {
  const Ran ran = run_all(GetParam(), 2, {shell("sleep 1000 & sleep 1000", 50ms), shell("echo quick", 1h)});
  EXPECT_EQ(ran.jobs.at(0).status, "timed_out");
  EXPECT_EQ(ran.jobs.at(1).status, "ok");
}

TEST_P(InProcessEngine, KillsACommandThatIgnoresTheFirstSignal) {
  const Ran ran = run_all(GetParam(), 2, {shell("trap '' TERM; while :; do sleep 0.1; done", 50ms)});
  EXPECT_EQ(ran.jobs.at(0).status, "timed_out");
}

TEST_P(InProcessEngine, DoesNotWaitForABackgroundGrandchild) {
  const Ran ran = run_all(GetParam(), 2, {shell("sleep 1000 & echo done")});
  EXPECT_EQ(ran.jobs.at(0).out, "done\n");
}

// ---- interrupts ----

TEST_P(InProcessEngine, CancelsRunningJobsAtTheSecondInterrupt) {
  Result<std::unique_ptr<Interrupts>> interrupts = Interrupts::install();
  ASSERT_TRUE(interrupts);
  std::thread person([] {
    std::this_thread::sleep_for(50ms);
    ::kill(::getpid(), SIGTERM);  // counts as the second
  });
  const Ran ran = run_all(GetParam(), 1, std::vector<JobSpec>(5, typed("test_obey")), interrupts->get());
  person.join();
  EXPECT_TRUE(ran.answer.totals.interrupted);
  EXPECT_EQ(ran.jobs.at(0).status, "cancelled");
  EXPECT_FALSE(ran.jobs.contains(4));
}

TEST_P(InProcessEngine, FinishesWhatRunsAtTheFirstInterrupt) {
  Result<std::unique_ptr<Interrupts>> interrupts = Interrupts::install();
  ASSERT_TRUE(interrupts);
  JobSpec job = shell("kill -INT " + std::to_string(::getpid()) + "; sleep 0.1; echo finished");
  const Ran ran = run_all(GetParam(), 1, std::vector<JobSpec>(5, job), interrupts->get());
  EXPECT_TRUE(ran.answer.totals.interrupted);
  EXPECT_EQ(ran.jobs.at(0).out, "finished\n");
  EXPECT_LT(ran.jobs.size(), 5U);
}

// ---- last words ----

void say(std::string_view job, std::uint64_t safe, int signal) {
  std::array<char, 128> line{};
  std::size_t size = 0;
  const auto add = [&](std::string_view text) {
    for (const char c : text) line[size++] = c;
  };
  add(job);
  add(signal == SIGSEGV ? " crashed, " : " ended, ");
  const char digit = static_cast<char>('0' + safe);
  add({&digit, 1});
  add(" safe\n");
  static_cast<void>(!::write(STDERR_FILENO, line.data(), size));
}

void crash_with_last_words(const Model& model) {
  const Registry registry;
  Recorder recorder;
  std::vector<Sink*> sinks{&recorder};
  Result<std::unique_ptr<LastWords>> words = LastWords::install(say, sinks);
  if (!words) ::_exit(9);
  const std::vector<Sink*> told{&recorder, words->get()};
  const std::unique_ptr<Engine> engine = model.make(1, {registry, nullptr, {}});
  std::vector<JobSpec> specs{typed("test_twice", to_wire(Number{1})), typed("test_crash")};
  Batch batch{"test", 2, {}, std::make_unique<Jobs>(std::move(specs))};
  static_cast<void>(run(batch, *engine, told, nullptr, {}));
  ::_exit(8);
}

TEST_P(InProcessEngine, NamesTheJobThatCrashesTheProgramAndSavesWhatWasTold) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const Model model = GetParam();
  EXPECT_EXIT(crash_with_last_words(model), testing::KilledBySignal(SIGSEGV), "test_crash crashed, 1 safe\nsalvaged");
}

}  // namespace
}  // namespace runner::master
