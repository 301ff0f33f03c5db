// scheduler.hpp - which job next, and what becomes of one that ended: pure reactions to events.
//
// No clock, no descriptor, no thread, no chance: time comes in as an argument, and what is to be done goes out as actions. It is
// tested by simulating thousands of worlds without starting a process.
//
// Called from  the run loop's thread.
// Owns         the jobs in flight, and nothing of those that ended or were not offered yet.
// Fails with   cannot fail. An event about an attempt that is not in flight changes nothing.
// Call order   (wants_jobs next_to_offer vacancy offer)* | (next_to_skip vacancy skip)* | on | tick | memory | interrupt | halt, in
//              any order; recycle() once the actions were carried out
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <variant>
#include <vector>

#include <runner/demand.hpp>
#include <runner/job_spec.hpp>
#include <runner/outcome.hpp>
#include "master/backlog.hpp"
#include "master/engine.hpp"
#include "master/halt_rule.hpp"
#include "master/occupancy.hpp"

namespace runner::master {

struct StartJob {
  const JobSpec* job;
  Attempt attempt;
};
struct StopJob {
  JobId job;
  Attempt attempt;
  StopReason reason;
};
struct TakeBackUnstarted {};
// The job is over. `job` and `outcome` are valid until recycle().
struct ReportJob {
  const JobSpec* job;
  Outcome outcome;
  Attempt attempts;  // 0: it was never started
  std::optional<WorkerId> worker;
  AttemptCosts costs{};  // of the last attempt
};
// This attempt is over, and another one will follow. `outcome` is valid until that one ends.
struct ReportRetry {
  const JobSpec* job;
  const Outcome* outcome;
  Attempt attempt;
  std::optional<WorkerId> worker;
  AttemptCosts costs;
};
// It did not return after it was told to stop, and the engine has no way to end it: the run must end without it.
struct GiveUp {
  const JobSpec* job;
};
struct CloseAtOnce {};
using Action = std::variant<StartJob, StopJob, TakeBackUnstarted, ReportJob, ReportRetry, GiveUp, CloseAtOnce>;
using Actions = std::vector<Action>;

class Scheduler {
 public:
  // How long a typed job in this process may take to return after it was told to.
  static constexpr Duration kGrace = std::chrono::seconds(2);

  // So many jobs may wait for the time of their next attempt; when there are more, no further job is taken from the batch, whose
  // memory would otherwise be that of all jobs which failed.
  static constexpr std::size_t kMostDelayed = 100'000;

  struct Rules {
    const Plan* plan = nullptr;  // of the batch, which must outlive the scheduler; null: its jobs come in order
    std::optional<HaltRule> halt;
    std::optional<std::uint64_t> size;  // jobs of the batch that are to run, where known
    // Of a run that is gone on with: the source does not have these any more. Must outlive the scheduler.
    const EndedBefore* before = nullptr;
    // What there is, and what jobs may take of it; none: every job takes one processor, and the engine alone counts.
    std::uint32_t cpus = 1;
    std::span<const Resource> resources{};
    std::span<const Demand> demands{};
  };
  explicit Scheduler(bool engine_can_end_jobs) : Scheduler(engine_can_end_jobs, Rules{}) {}
  Scheduler(bool engine_can_end_jobs, const Rules& rules);

  // A spec to be filled with the next job of the batch, then offered: it starts at once, or, in a batch without a plan, as soon as
  // what it takes is free. To be used only while wants_jobs().
  [[nodiscard]] JobSpec& vacancy();
  void offer(Actions& actions);
  // Whether the batch should be asked for another job; false while other jobs go first, or nothing is ready, or what it takes is not
  // free, or after an interrupt.
  [[nodiscard]] bool wants_jobs();
  // Which one, in a batch with a plan: it must be offered next. None: simply the next.
  [[nodiscard]] std::optional<JobId> next_to_offer();
  void source_ended(Actions& actions);

  // A job that will never run, for want of another. Its spec must be put into the vacancy, and skip() called.
  [[nodiscard]] std::optional<JobId> next_to_skip();
  void skip(Actions& actions);

  // Starts at most `room` of the jobs that wait for another attempt, or were returned, and go before the others; answers how many.
  std::uint32_t start_waiting(std::uint32_t room, Actions& actions);

  void on(JobStarted& event, TimePoint now, Actions& actions);
  void on(JobEnded& event, TimePoint now, Actions& actions);
  void on(JobReturned& event, TimePoint now, Actions& actions);
  // Stops what is overdue, and lets those go whose time for another attempt has come.
  void tick(TimePoint now, Actions& actions);
  [[nodiscard]] std::optional<TimePoint> next_deadline();

  // Whether there is enough for another job. While there is not, nothing starts, and what was not begun is taken back.
  void memory(bool enough, Actions& actions);
  [[nodiscard]] bool short_of_memory() const { return short_of_memory_; }

  // So many processors more, or fewer. Never fewer than widest() takes.
  void resize(std::int64_t more) { occupancy_.resize(more); }
  // What takes the most processors of all that may still run.
  [[nodiscard]] const Demand& widest() const;

  // While it is paused nothing starts, and what was not begun is taken back; running jobs finish.
  void pause(bool paused, Actions& actions);
  [[nodiscard]] bool paused() const { return paused_ && !stopping_; }

  // The first asks running jobs to finish and starts no more; the second stops them; the third ends everything.
  void interrupt(TimePoint now, Actions& actions);
  // As the first interrupt, for a reason of the program's own (results cannot be written).
  void halt(Actions& actions);

  [[nodiscard]] bool done() const { return (stopping_ || (backlog_ ? backlog_->empty() : source_ended_)) && jobs_.empty(); }
  // How many jobs the source had; none: it has not ended.
  [[nodiscard]] std::optional<std::uint64_t> all_offered() const {
    return source_ended_ ? std::optional(offered_) : std::nullopt;
  }
  // The halt rule was reached.
  [[nodiscard]] bool halted() const { return halted_; }
  [[nodiscard]] bool stopping() const { return stopping_; }
  [[nodiscard]] std::size_t in_flight() const { return jobs_.size(); }
  [[nodiscard]] const JobSpec* find(JobId id) const;

  // The pointers of earlier actions are no longer needed.
  void recycle();

 private:
  struct Job {
    JobSpec spec;
    Attempt attempt{1};
    std::uint32_t spent = 0;    // attempts before this run began
    bool running = false;       // handed to the engine
    bool stopped = false;       // told to stop
    std::uint32_t crashes = 0;  // workers that died in it
    std::uint32_t block = 0;    // of the plan
    struct Last {
      Outcome outcome;
      WorkerId worker;
      AttemptCosts costs;
    };
    std::optional<Last> last;  // how the attempt before this one ended, until this one ends
  };
  struct Deadline {
    TimePoint at;
    JobId job;
    Attempt attempt;
    bool grace;  // not to be stopped then, but to have returned
    bool operator>(const Deadline& other) const { return at > other.at; }
  };

  struct Delayed {
    TimePoint at;
    JobId id;
    Job* job;
    bool operator>(const Delayed& other) const { return at != other.at ? at > other.at : id > other.id; }
  };
  struct GoesFirst {
    bool operator()(const Job* a, const Job* b) const {
      return a->spec.priority != b->spec.priority ? a->spec.priority > b->spec.priority : a->spec.id < b->spec.id;
    }
  };

  [[nodiscard]] Job* current(JobId id, Attempt attempt);
  // Who starts next, if anybody can.
  struct Choice {
    enum class Who : std::uint8_t { nobody, waiting, fresh } who = Who::nobody;
    std::uint32_t demand = 0;
  };
  struct Candidate {
    std::int32_t priority;
    JobId id;
    Choice choice;
    bool operator<(const Candidate& other) const;
  };
  [[nodiscard]] Choice choose();
  // Begins a look at who could start. A job that may be the last before the run halts has none queued behind it: that would begin
  // before anybody knew.
  void look() { occupancy_.look(rules_.halt && rules_.halt->within(jobs_.size(), tally_, rules_.size)); }
  [[nodiscard]] bool takes_more() const { return !stopping_ && !source_ended_ && delayed_.size() < kMostDelayed; }
  void wait(Job& job) { waiting_[job.spec.demand].insert(&job); }
  void start(Job& job, Actions& actions);
  void drop(Job& job);
  void leave(Job& job, Actions& actions);
  void over(Job& job, Outcome&& outcome, Attempt attempts, WorkerId worker, const AttemptCosts& costs, Actions& actions);
  void look_whether_to_halt(Actions& actions);
  void stop(Job& job, StopReason reason, TimePoint now, Actions& actions);
  // That many-eth of all attempts, those before this run began included.
  [[nodiscard]] static Attempt of_all(const Job& job) { return Attempt{job.spent + number(job.attempt)}; }
  [[nodiscard]] bool retries(const Job& job, const Outcome& outcome) const;

  bool can_end_jobs_;
  Rules rules_;
  Occupancy occupancy_;
  Choice choice_;                      // the latest
  std::vector<Candidate> candidates_;  // of the latest
  std::optional<Backlog> backlog_;     // of a batch with a plan
  Backlog::Place place_;               // of the job that is offered or skipped next
  HaltRule::Tally tally_;
  TimePoint now_{};  // the latest that was told
  std::uint64_t offered_ = 0;
  bool halted_ = false;
  bool stopping_ = false;
  // Nothing may start for now.
  [[nodiscard]] bool held() const { return short_of_memory_ || paused_; }
  bool short_of_memory_ = false;
  bool paused_ = false;
  bool source_ended_ = false;
  unsigned interrupts_ = 0;
  std::deque<Job> pool_;                                 // fixed addresses
  std::vector<Job*> free_, ended_;                       // to be used again: now, after recycle()
  boost::unordered_flat_map<std::uint64_t, Job*> jobs_;  // in flight or waiting
  std::vector<std::set<Job*, GoesFirst>> waiting_;       // for another attempt, or returned, or for what it takes; by demand
  std::priority_queue<Delayed, std::vector<Delayed>, std::greater<>> delayed_;  // until it is time for another attempt
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
};

}  // namespace runner::master
