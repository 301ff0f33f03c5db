// command.hpp - one running program with its output captured: start, feed events, outcome.
//
// Output is read without ever waiting for its end: once the program has exited (pidfd), what it has left running is ended and named,
// what its pipes hold is drained, and they are closed, so a background grandchild cannot hold the job.
//
// What belongs to it: in a worker of a batch, which adopts orphans and runs one job at a time, everything below that process, however
// it detached itself. Elsewhere its process group, and what can be found below it while it lives. Where the run has a control group
// (job_group.hpp), all that is in that of its place, too: who was born there cannot leave it.
//
// Called from  the thread that started it, which must outlive it. Several may be watched by one thread.
// Owns         the program (ended with the object), its pidfd, pipes, captured output.
// Fails with   start: the text for the outcome of the job. Output that cannot be kept ends the program, and the outcome says so.
// Call order   start (read_out | read_err | terminate | kill)* exited -> outcome
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <runner/outcome.hpp>
#include "ipc/process_tree.hpp"
#include "worker/capture.hpp"
#include "worker/job_group.hpp"
#include "worker/spawn.hpp"

namespace runner::worker {

// Whether this process is a subreaper that has nothing below it but the one command.
enum class Adopts : bool { no, yes };

class Command {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Command>> start(const CommandWork& work, Adopts adopts = Adopts::no);
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // Descriptors to watch for reading; -1: no more to come there.
  [[nodiscard]] int exit_fd() const { return spawned_.pidfd.get(); }
  [[nodiscard]] int out_fd() const { return spawned_.out.get(); }
  [[nodiscard]] int err_fd() const { return spawned_.err.get(); }
  // When the descriptor is readable.
  void read_out() { drain(spawned_.out, out_, kBlocksAtOnce); }
  void read_err() { drain(spawned_.err, err_, kBlocksAtOnce); }

  // All that belongs to it: TERM; KILL until none is left.
  void terminate();
  void kill();
  [[nodiscard]] bool terminated() const { return terminated_; }
  // From terminate() to kill(), for whoever keeps the time.
  [[nodiscard]] Duration kill_after() const { return kill_after_; }

  // How often look() wants to be called; nothing: never.
  [[nodiscard]] std::optional<Duration> look_interval() const;
  // Ends it if it has more memory than it may.
  void look();
  // Those that were orphaned, came to us and died meanwhile.
  void reap_adopted();

  // After exit_fd() became readable: ends what is left of it, and tells how it went.
  [[nodiscard]] Outcome outcome();

 private:
  Command(Spawned spawned, TimePoint began, const CommandWork& work, Adopts adopts, JobGroup* group, bool limited);
  [[nodiscard]] os::Scope all() const;
  void end_rest(std::vector<std::string>* names);
  // Bounded, so that one busy writer cannot keep us from the other stream, or from the clock.
  static constexpr int kBlocksAtOnce = 16;
  void drain(UniqueFd& pipe, Capture& into, int blocks);

  Spawned spawned_;
  Adopts adopts_;
  JobGroup* group_;  // null: it is in none of its own
  bool limited_;     // the group sees to its memory
  pid_t self_;       // this process
  std::string cwd_;
  Duration kill_after_;
  Bytes memory_;  // limit; zero: none
  Bytes most_{};  // that was seen of all processes together
  Capture out_, err_;
  TimePoint started_;
  std::string unkept_;         // why output could not be kept
  std::string out_of_memory_;  // what it had, and what it may have
  bool terminated_ = false;
  bool killed_ = false;
  bool reaped_ = false;
};

// What whoever waits for a command wants of it. terminate: TERM, and KILL after its kill_after.
enum class Wish : std::uint8_t { go_on, terminate, kill };

// Runs a command to its end on this thread. When `watch_fd` (-1: none) is readable, or its other end is gone, `wish` is asked.
[[nodiscard]] Outcome run_command(const CommandWork& work, int watch_fd, const std::function<Wish()>& wish,
                                  Adopts adopts = Adopts::no);

}  // namespace runner::worker
