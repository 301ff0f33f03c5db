// The serial engine: one job after another, on the loop's own thread, inside wait().
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "master/engines/in_process.hpp"
#include "master/engines/last_words.hpp"
#include "master/engines/prefetch.hpp"
#include "master/engines/run_here.hpp"
#include "master/engines/sleep.hpp"
#include "master/engines/watchdog.hpp"
#include "master/ledger.hpp"
#include "master/meter.hpp"

namespace runner::master {

namespace {

using std::chrono::steady_clock;

class SerialEngine final : public Engine {
 public:
  explicit SerialEngine(InProcess here) : here_(std::move(here)) {}

  Result<void> open() override {
    ledger_.open(1, steady_clock::now());
    Result<std::unique_ptr<Watchdog>> watchdog = Watchdog::start({here_.interrupts, here_.stuck, here_.heard});
    if (!watchdog) return tl::unexpected(watchdog.error());
    watchdog_ = std::move(*watchdog);
    idle_since_ = steady_clock::now();
    ledger_.all_there(idle_since_);
    ledger_.arrived(0, idle_since_);
    return {};
  }

  std::string_view mode() const override { return "serial"; }
  std::string description() const override { return "serial, in this process"; }
  std::uint32_t procs() const override { return 1; }
  Result<void> resize(std::uint32_t) override {
    return fail(ErrorCode::usage, "`--mode serial` runs one job after another: there is one worker, and no more");
  }
  std::uint32_t room() const override { return job_ == nullptr ? 1 : 0; }
  bool can_end_jobs() const override { return false; }

  void start(const JobSpec& job, Attempt attempt) override {
    job_ = &job;
    attempt_ = attempt;
    if (ledger_.keeps()) handed_ = steady_clock::now();
  }

  // The loop is here, so the job is not: it has not begun.
  void stop(JobId id, Attempt attempt, StopReason) override {
    if (job_ == nullptr || job_->id != id || attempt_ != attempt) return;
    Outcome outcome;
    outcome.ending = Cancelled{"interrupted before it began"};
    told_ = JobEnded{id, attempt, WorkerId{0}, std::move(outcome)};
    job_ = nullptr;
  }

  void take_back() override {
    if (job_ == nullptr) return;
    told_ = JobReturned{job_->id, attempt_};
    job_ = nullptr;
  }

  // JobStarted is never told: nobody could react to it before the job has ended.
  Result<void> wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) override {
    const LoopAtRest rest;
    if (told_) {
      events.push_back(std::move(*told_));
      told_.reset();
      return {};
    }
    if (job_ == nullptr) {
      pollfd wake{wake_fd, POLLIN, 0};
      return sleep({&wake, 1}, until);
    }
    // A job that may take long runs only when the loop is ready to sleep: it has flushed its results by then.
    if (lengths_.expected(kind_of(*job_)) >= Prefetch::kWindow && until <= steady_clock::now()) return {};
    events.emplace_back(run());
    return {};
  }

  std::vector<WorkerView> view() const override {
    if (job_ == nullptr) return {{WorkerId{0}, std::nullopt, idle_since_}};
    return {{WorkerId{0}, job_->id, steady_clock::now()}};  // it begins with the next wait()
  }

  const Costs* so_far() const override { return ledger_.keeps() ? &ledger_.so_far() : nullptr; }

  // Whatever the loop did beside the jobs is idleness of its one worker, and the master's own processor time.
  Costs close() override {
    const TimePoint over = steady_clock::now();
    watchdog_.reset();
    Costs costs = ledger_.close(over, steady_clock::now());
    costs.usage = meter_.usage();
    costs.master_cpu = std::max(Duration::zero(), meter_.thread_cpu() - typed_cpu_);
    return costs;
  }

 private:
  JobEnded run() {
    const JobSpec& job = *std::exchange(job_, nullptr);
    JobEnded ended{job.id, attempt_, WorkerId{0}, {}};
    if (Result<void> ready = stop_.make_ready(is_command(job)); !ready) {
      ended.outcome.ending = Failed{ready.error().text};
      return ended;
    }
    const Kind* kind = kind_for(job, here_.registry);
    const Duration expected = lengths_.expected(kind_of(job));
    const TimePoint seen = steady_clock::now();
    watchdog_->enter(job, stop_, seen);
    RanHere ran;
    {
      const JobNote note(job);
      ran = run_here(kind, job, attempt_, stop_, here_.around);
    }
    const std::optional<StopReason> asked = watchdog_->leave();
    if (ran.stopped && asked) ran.outcome.ending = stopped_ending(job, *asked, ran.outcome);
    idle_since_ = steady_clock::now();
    lengths_.learn(kind_of(job), ran.outcome.wall);
    if (ledger_.keeps())
      ledger_.ended(0, stamps_here(job, handed_, seen, ran, idle_since_, ledger_.sample(expected)), ended.costs);
    if (!is_command(job)) typed_cpu_ += ran.outcome.cpu;
    ended.outcome = std::move(ran.outcome);
    return ended;
  }

  InProcess here_;
  std::unique_ptr<Watchdog> watchdog_;
  const JobSpec* job_ = nullptr;  // handed over and not begun
  Attempt attempt_{};
  StopSwitch stop_;
  std::optional<EngineEvent> told_;  // by the next wait()
  Prefetch lengths_;
  TimePoint handed_{};
  Ledger ledger_{here_.measure};
  Meter meter_;
  Duration typed_cpu_{};  // of jobs on this thread
  TimePoint idle_since_{};
};

}  // namespace

std::unique_ptr<Engine> make_serial_engine(InProcess here) { return std::make_unique<SerialEngine>(std::move(here)); }

}  // namespace runner::master
