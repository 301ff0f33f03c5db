// process_engine.hpp - the workings of the processes engine (processes.hpp has what others need).
//
// The way of wait(): collect from every worker, let idle workers have what lies unbegun behind others, wake those that got
// something, and only with nothing to tell: say that we sleep, look once more, sleep.
//
// Called from  the run loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "master/engine.hpp"
#include "master/engines/hand.hpp"
#include "master/engines/prefetch.hpp"
#include "master/engines/process_crew.hpp"
#include "master/engines/processes.hpp"
#include "master/ledger.hpp"
#include "master/meter.hpp"
#include "master/oom_kills.hpp"

namespace runner::master {

class ProcessEngine final : public Engine, private CrewOwner {
 public:
  ProcessEngine(const ProcessOptions& options, Registry& registry)
      : options_(options), registry_(registry), crew_(options, registry, *this) {}

  [[nodiscard]] Result<void> open() override;
  [[nodiscard]] std::string_view mode() const override { return "processes"; }
  [[nodiscard]] std::string description() const override { return crew_.description(); }
  [[nodiscard]] std::uint32_t procs() const override { return crew_.wanted(); }
  [[nodiscard]] Result<void> resize(std::uint32_t procs) override;
  [[nodiscard]] std::uint32_t room() const override;
  void start(const JobSpec& job, Attempt attempt) override;
  void stop(JobId job, Attempt attempt, StopReason reason) override;
  void take_back() override;
  [[nodiscard]] bool can_end_jobs() const override { return true; }
  [[nodiscard]] Result<void> wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) override;
  [[nodiscard]] std::vector<WorkerView> view() const override;
  [[nodiscard]] const Costs* so_far() const override { return ledger_.keeps() ? &ledger_.so_far() : nullptr; }
  [[nodiscard]] Costs close() override;

 private:
  // What is known of the worker on a seat.
  struct Seat {
    std::optional<Hand> hand;          // from when it took requests
    bool unkicked = false;             // got requests since its last wake
    TimePoint idle_since{};            // ready, or its last job was answered
    Duration told_cpu{};               // of jobs that it has answered
    std::optional<TimePoint> kill_at;  // it was asked to end a command, and this is when patience ends
    bool overdue = false;              // what it runs turned out to be long: nothing is to wait behind it
    bool looked_where = false;         // it runs, after its first job
    bool killed = false;               // by us, for a job that was to stop
    bool unwanted = false;             // nobody is to sit here: who does gets nothing more
    TimePoint dismissed{};             // then it was told to go
    std::string broke_rules;           // why we ended it, when it sent what it must not
    std::string out_of_memory;         // the same, when its typed job had more memory than it may
  };

  bool bury(std::uint32_t seat, const WorkerProcess::Death& death) override;
  [[nodiscard]] bool anything_done() const override;
  void seated(std::uint32_t seat) override;
  void left(std::uint32_t seat) override;
  void given_up(std::uint32_t seat, const std::string& why) override;

  [[nodiscard]] WorkerId id_of(const Seat& seat) const { return WorkerId{static_cast<std::uint32_t>(&seat - seats_.data())}; }
  [[nodiscard]] WorkerProcess& worker_of(const Seat& seat) { return crew_.worker(number(id_of(seat))); }
  // Whether it may be given something.
  [[nodiscard]] static bool open_to(const Seat& seat) {
    return seat.hand && !seat.unwanted && !seat.kill_at && !seat.overdue && !seat.hand->full();
  }
  void collect(Seat& seat, std::vector<EngineEvent>& events);
  void finish(Seat& seat, ipc::Completion& completion, const InHand& job, TimePoint at, std::vector<EngineEvent>& events);
  void rebalance();
  void free_from_long(Seat& seat, TimePoint now);
  void kick_all();
  [[nodiscard]] std::uint32_t allowance(const Seat& seat, bool command, Duration each) const;
  [[nodiscard]] Duration expected(const JobSpec& job) const;
  void hand_over(Seat& seat, InHand job);
  [[nodiscard]] TimePoint burst();
  void count_traffic(Seat& seat);
  [[nodiscard]] ipc::Traffic traffic();  // up to now, of those that are gone too
  void give_back(const std::vector<InHand>& jobs);
  void let_go_unwanted();
  void dismiss(Seat& seat);
  void dismiss_idle();
  void tell_starts(std::vector<EngineEvent>& events);
  [[nodiscard]] TimePoint next_look(TimePoint now);
  void escalate(TimePoint now);
  void end_head(Seat& seat);
  [[nodiscard]] static const TypedWork* limited(const Seat& seat);
  void watch_memory(Seat& seat);
  void kill(Seat& seat);
  [[nodiscard]] TimePoint past(TimePoint told) const;
  // Says after which reply each worker shall ring.
  void arm_doorbells();
  [[nodiscard]] Outcome death_of(const Seat& seat, const InHand& job, const WorkerProcess::Death& death,
                                 bool out_of_memory) const;

  ProcessOptions options_;
  Registry& registry_;
  std::vector<Seat> seats_;
  ProcessCrew crew_;
  std::vector<EngineEvent> pending_;  // told by the next wait()
  Prefetch prefetch_;
  bool last_was_command_ = false;
  Duration last_expected_ = Prefetch::kWindow;
  bool patient_ = true;      // workers with a short queue may ring only when half of it is done
  bool lazy_ = false;        // at least one was told so
  bool progressed_ = false;  // a job has finished since the last death
  std::uint64_t lost_ = 0;
  OomKills oom_kills_;
  Ledger ledger_{options_.measure};
  ipc::Traffic traffic_;  // of workers that are gone
  Meter meter_;
  TimePoint opened_{}, looked_{};
  TimePoint burst_{};  // since when the present burst of jobs is handed out; none: it has not begun
};

}  // namespace runner::master
