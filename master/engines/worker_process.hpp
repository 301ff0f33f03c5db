// worker_process.hpp - one incarnation of a worker: its process, the connection to it, and what it has in hand.
//
// A dead worker is never repaired: its incarnation is taken apart (what it had in hand tells how far each job came) and a new
// one takes its number.
//
// Called from  the processes engine's thread.
// Owns         the process (ended with the object), its pidfd, control socket and requester.
// Fails with   system; protocol when the worker broke the rules.
// Call order   start, until greeted: greet ; then (give | collect | take_back ...)* ; end
#pragma once

#include <sys/types.h>

#include <boost/circular_buffer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ipc/hello.hpp"
#include "ipc/inbound.hpp"
#include "ipc/requester.hpp"
#include "ipc/shared_state.hpp"
#include "ipc/shm_requester.hpp"
#include "master/engine.hpp"
#include "master/engines/launcher.hpp"

namespace runner::master {

// A job that was given to a worker and has not come back.
struct InHand {
  const JobSpec* job = nullptr;
  Attempt attempt{};
  ipc::Ticket ticket{};
  Duration expected{};
  bool announced = false;  // JobStarted was told
  bool taken_back = false;
  std::optional<StopReason> stopping;
};

struct WorkerSettings {
  ipc::Transport transport{};
  ipc::ShmGeometry geometry;
  Duration spin{};
  std::vector<std::string> plugins;
  const ipc::SharedState* shared = nullptr;
};

class WorkerProcess {
 public:
  // `inbound` is null for pipes.
  [[nodiscard]] static Result<std::unique_ptr<WorkerProcess>> start(WorkerId id, std::uint64_t incarnation, Launcher& launcher,
                                                                    ipc::Inbound* inbound, const WorkerSettings& settings);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  // The answer to the hello, when the control socket is readable. False: not there yet.
  [[nodiscard]] Result<bool> greet();
  [[nodiscard]] bool greeted() const { return greeted_; }

  [[nodiscard]] Result<void> give(const JobSpec& job, Attempt attempt, Duration expected);
  // The next completed job, out of the hand and into `job`.
  [[nodiscard]] Result<bool> collect(ipc::Completion& completion, InHand& job);
  // Newest first; nothing: there is none that the worker has not begun.
  [[nodiscard]] std::optional<InHand> take_back_newest();

  // One of the hand that the requester took back.
  void forget(InHand& job);

  // The oldest in hand: the one that runs, if any does.
  [[nodiscard]] InHand* head();
  [[nodiscard]] std::uint32_t held() const { return held_; }
  [[nodiscard]] Duration queued() const { return queued_; }
  [[nodiscard]] boost::circular_buffer<InHand>& hand() { return hand_; }

  // Asks the worker to end the command that runs.
  [[nodiscard]] Result<void> terminate(ipc::Ticket ticket);
  void kill();
  // After the pidfd became readable: how the process ended, in words and as a signal number (0: it left by itself).
  struct Death {
    int signal = 0;
    std::string how;
  };
  [[nodiscard]] Death reap();
  void close() { requester_->close(); }
  // Nobody waits for it any more: it ends the command that runs with its whole group, and leaves.
  void hang_up() { control_.reset(); }

  [[nodiscard]] WorkerId id() const { return id_; }
  [[nodiscard]] pid_t pid() const { return launched_.pid; }
  [[nodiscard]] int pidfd() const { return launched_.pidfd.get(); }
  [[nodiscard]] int control() const { return control_.get(); }
  [[nodiscard]] ipc::Requester& requester() { return *requester_; }
  [[nodiscard]] const ipc::Requester& requester() const { return *requester_; }

 private:
  WorkerProcess(WorkerId id, UniqueFd control, std::unique_ptr<ipc::Requester> requester)
      : id_(id), control_(std::move(control)), requester_(std::move(requester)), hand_(kMostInHand) {}

  static constexpr std::size_t kMostInHand = 512;

  WorkerId id_;
  UniqueFd control_;
  std::unique_ptr<ipc::Requester> requester_;
  Launched launched_;
  boost::circular_buffer<InHand> hand_;  // in the order of tickets
  std::uint32_t held_ = 0;               // of those: not taken back
  Duration queued_{};                    // expected length of those
  bool greeted_ = false;
  bool reaped_ = false;
};

}  // namespace runner::master
