// scheduler.hpp - which job next, and what becomes of one that ended: pure reactions to events.
//
// No clock, no descriptor, no thread: time comes in as an argument, and what is to be done goes out as actions. It is tested by
// simulating thousands of worlds without starting a process.
//
// Called from  the run loop's thread.
// Owns         the jobs in flight, and nothing of those that ended or were not offered yet.
// Fails with   cannot fail. An event about an attempt that is not in flight changes nothing.
// Call order   (vacancy offer)* | on | tick | interrupt | halt, in any order; recycle() once the actions were carried out
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <variant>
#include <vector>

#include <runner/job_spec.hpp>
#include <runner/outcome.hpp>
#include "master/engine.hpp"

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
  Attempt attempts;
  WorkerId worker;
};
// This attempt is over, and another one will follow. `outcome` is valid until that one ends.
struct ReportRetry {
  const JobSpec* job;
  const Outcome* outcome;
  Attempt attempt;
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

  explicit Scheduler(bool engine_can_end_jobs) : can_end_jobs_(engine_can_end_jobs) {}

  // A spec to be filled with the next job of the batch, then offered: it starts at once. To be used only while wants_jobs().
  [[nodiscard]] JobSpec& vacancy();
  void offer(Actions& actions);
  // Whether the batch should be asked for another job; false while jobs wait for a retry, and after an interrupt.
  [[nodiscard]] bool wants_jobs() const { return !stopping_ && waiting_.empty() && !source_ended_; }
  void source_ended() { source_ended_ = true; }

  // Starts at most `room` of the jobs that wait for another attempt, or were returned; answers how many.
  std::uint32_t start_waiting(std::uint32_t room, Actions& actions);

  void on(JobStarted& event, TimePoint now, Actions& actions);
  void on(JobEnded& event, TimePoint now, Actions& actions);
  void on(JobReturned& event, TimePoint now, Actions& actions);
  // Stops what is overdue.
  void tick(TimePoint now, Actions& actions);
  [[nodiscard]] std::optional<TimePoint> next_deadline();

  // The first asks running jobs to finish and starts no more; the second stops them; the third ends everything.
  void interrupt(TimePoint now, Actions& actions);
  // As the first interrupt, for a reason of the program's own (results cannot be written).
  void halt(Actions& actions);

  [[nodiscard]] bool done() const { return (source_ended_ || stopping_) && jobs_.empty(); }
  [[nodiscard]] bool stopping() const { return stopping_; }
  [[nodiscard]] std::size_t in_flight() const { return jobs_.size(); }
  [[nodiscard]] const JobSpec* find(JobId id) const;

  // The pointers of earlier actions are no longer needed.
  void recycle();

 private:
  struct Job {
    JobSpec spec;
    Attempt attempt{1};
    bool running = false;  // handed to the engine
    bool stopped = false;  // told to stop
    struct Last {
      Outcome outcome;
      WorkerId worker;
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

  [[nodiscard]] Job* current(JobId id, Attempt attempt);
  void start(Job& job, Actions& actions);
  void drop(Job& job);
  void leave(Job& job, Actions& actions);
  void stop(Job& job, StopReason reason, TimePoint now, Actions& actions);
  [[nodiscard]] bool retries(const Job& job, const Outcome& outcome) const;

  bool can_end_jobs_;
  bool stopping_ = false;
  bool source_ended_ = false;
  unsigned interrupts_ = 0;
  std::deque<Job> pool_;                                 // fixed addresses
  std::vector<Job*> free_, ended_;                       // to be used again: now, after recycle()
  boost::unordered_flat_map<std::uint64_t, Job*> jobs_;  // in flight or waiting
  std::deque<Job*> waiting_;                             // for a retry, or returned
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
};

}  // namespace runner::master
