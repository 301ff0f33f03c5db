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

#include "ipc/inbound.hpp"
#include "master/engine.hpp"
#include "master/engines/launcher.hpp"
#include "master/engines/prefetch.hpp"
#include "master/engines/processes.hpp"
#include "master/engines/worker_process.hpp"

namespace runner::master {

class ProcessEngine final : public Engine {
 public:
  ProcessEngine(const ProcessOptions& options, Registry& registry) : options_(options), registry_(registry) {}
  ~ProcessEngine() override;

  [[nodiscard]] Result<void> open() override;
  [[nodiscard]] std::string_view mode() const override { return "processes"; }
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] std::uint32_t procs() const override { return options_.procs; }
  [[nodiscard]] std::uint32_t room() const override;
  void start(const JobSpec& job, Attempt attempt) override;
  void stop(JobId job, Attempt attempt, StopReason reason) override;
  void take_back() override;
  [[nodiscard]] bool can_end_jobs() const override { return true; }
  [[nodiscard]] Result<void> wait(std::vector<EngineEvent>& events, TimePoint until, int wake_fd) override;
  [[nodiscard]] std::vector<WorkerView> view() const override;
  [[nodiscard]] EngineCosts close() override;

 private:
  // A place for one worker after another.
  struct Seat {
    std::unique_ptr<WorkerProcess> worker;
    std::uint64_t incarnations = 0;
    bool unkicked = false;             // got requests since its last wake
    int writing = -1;                  // the pipe that epoll watches until it takes more
    TimePoint idle_since{};            // ready, or its last job finished
    TimePoint offered{};               // the last job that found it with nothing in hand
    std::optional<TimePoint> kill_at;  // it was asked to end a command, and this is when patience ends
    bool killed = false;               // by us, for a job that was to stop
    std::string broke_rules;           // why we ended it, when it sent what it must not
  };
  enum class Watch : std::uint32_t { control, doorbell, pidfd, writable, wake };

  [[nodiscard]] Result<void> seat_worker(Seat& seat, WorkerId id);
  [[nodiscard]] Result<void> watch(int fd, std::uint32_t events, Watch what, std::size_t seat);
  void unwatch(int fd);
  void collect(Seat& seat, std::vector<EngineEvent>& events);
  [[nodiscard]] Result<void> check(const ipc::Completion& completion, const JobSpec& job) const;
  void finish(Seat& seat, ipc::Completion& completion, const InHand& job, std::vector<EngineEvent>& events);
  void rebalance();
  void kick_all();
  [[nodiscard]] std::uint32_t allowance(const Seat& seat, bool command, Duration each) const;
  [[nodiscard]] Duration expected(const JobSpec& job) const;
  void hand_over(Seat& seat, const JobSpec& job, Attempt attempt);
  void tell_starts(std::vector<EngineEvent>& events);
  [[nodiscard]] TimePoint next_look(TimePoint now) const;
  void escalate(TimePoint now);
  void end_head(Seat& seat);
  void kill(Seat& seat);
  [[nodiscard]] TimePoint past(TimePoint told) const;
  // Says after which reply each worker shall ring.
  void arm_doorbells();
  // Looks once more after it was said that the master sleeps.
  [[nodiscard]] bool anything_done();
  [[nodiscard]] Result<bool> sleep(std::vector<EngineEvent>& events, TimePoint until, int wake_fd);
  [[nodiscard]] Result<void> greeted(Seat& seat);
  [[nodiscard]] Result<void> buried(Seat& seat, std::vector<EngineEvent>& events);
  [[nodiscard]] Outcome death_of(const Seat& seat, const InHand& job, const WorkerProcess::Death& death) const;

  ProcessOptions options_;
  Registry& registry_;
  std::optional<ipc::Inbound> inbound_;
  std::unique_ptr<Launcher> launcher_;
  WorkerSettings settings_;
  UniqueFd epoll_;
  std::vector<Seat> seats_;
  std::vector<int> cores_;            // by worker; empty: nobody is bound
  std::vector<EngineEvent> pending_;  // told by the next wait()
  Prefetch prefetch_;
  bool last_was_command_ = false;
  Duration last_expected_ = Prefetch::kWindow;
  bool patient_ = true;  // workers with a short queue may ring only when half of it is done
  bool lazy_ = false;    // at least one was told so
  std::uint32_t idle_deaths_ = 0;
  std::uint64_t lost_ = 0;
  EngineCosts costs_;
  TimePoint opened_{}, last_finish_{}, looked_{};
};

}  // namespace runner::master
