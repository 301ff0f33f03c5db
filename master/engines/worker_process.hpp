// worker_process.hpp - one incarnation of a worker: its process, and the connection to it.
//
// A dead worker is never repaired: its incarnation is taken apart (what it had in hand tells how far each request came) and a new
// one takes its number.
//
// Called from  the thread of whoever owns the crew.
// Owns         the process (ended with the object), its pidfd, control socket and requester.
// Fails with   system; protocol when the worker broke the rules.
// Call order   start, until greeted: greet ; then requests ; reap once the pidfd is readable
#pragma once

#include <sys/types.h>

#include <chrono>
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
#include "master/guardian.hpp"

namespace runner::master {

struct WorkerSettings {
  ipc::Transport transport{};
  ipc::ShmGeometry geometry;
  std::uint64_t max_result = 0;
  std::vector<std::string> plugins;
  const ipc::SharedState* shared = nullptr;
  Guardian* guardian = nullptr;  // is told of every worker; null: there is none
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

  // Asks the worker to end the command that runs.
  [[nodiscard]] Result<void> terminate(ipc::Ticket ticket);
  // With everything that it has started.
  void kill();
  // After the pidfd became readable: how the process ended, in words and as a signal number (0: it left by itself).
  struct Death {
    int signal = 0;
    std::string how;
    Usage usage;                           // of this process
    Duration cpu{};                        // of this process, and of those that it had waited for
    std::optional<Bytes> peak_memory;      // resident, of this process
    std::string core;                      // path of its core file, where that can be told
    std::vector<std::string> left_behind;  // names of processes that its death left to us, and that were ended
  };
  [[nodiscard]] Death reap();
  void close() { requester_->close(); }
  // Nobody waits for it any more: it ends the command that runs with its whole group, and leaves.
  void hang_up();

  [[nodiscard]] WorkerId id() const { return id_; }
  [[nodiscard]] pid_t pid() const { return launched_.pid; }
  [[nodiscard]] int pidfd() const { return launched_.pidfd.get(); }
  [[nodiscard]] int control() const { return control_.get(); }
  [[nodiscard]] ipc::Requester& requester() { return *requester_; }
  [[nodiscard]] const ipc::Requester& requester() const { return *requester_; }

 private:
  WorkerProcess(WorkerId id, UniqueFd control, std::unique_ptr<ipc::Requester> requester, Guardian* guardian)
      : id_(id), control_(std::move(control)), requester_(std::move(requester)), guardian_(guardian) {}
  void signal(int number);

  WorkerId id_;
  UniqueFd control_;
  std::unique_ptr<ipc::Requester> requester_;
  Launched launched_;
  Guardian* guardian_;
  std::chrono::system_clock::time_point began_ = std::chrono::system_clock::now();
  bool greeted_ = false;
  bool reaped_ = false;
};

}  // namespace runner::master
