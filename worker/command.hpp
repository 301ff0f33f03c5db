// command.hpp - one running program with its output captured: start, feed events, outcome.
//
// Output is read without ever waiting for its end: once the program has exited (pidfd), the rest of its process group is ended,
// what its pipes hold is drained, and they are closed, so a background grandchild cannot hold the job.
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

#include <runner/outcome.hpp>
#include "worker/capture.hpp"
#include "worker/spawn.hpp"

namespace runner::worker {

class Command {
 public:
  // Between TERM and KILL.
  static constexpr Duration kGrace = std::chrono::seconds(2);

  [[nodiscard]] static Result<std::unique_ptr<Command>> start(const CommandWork& work);
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

  // To the whole process group: TERM; KILL.
  void terminate();
  void kill();
  [[nodiscard]] bool terminated() const { return terminated_; }

  // After exit_fd() became readable: ends what is left of the group, and tells how it went.
  [[nodiscard]] Outcome outcome();

 private:
  Command(Spawned spawned, TimePoint began);
  // Bounded, so that one busy writer cannot keep us from the other stream, or from the clock.
  static constexpr int kBlocksAtOnce = 16;
  void drain(UniqueFd& pipe, Capture& into, int blocks);

  Spawned spawned_;
  Capture out_, err_;
  TimePoint started_;
  std::string unkept_;  // why output could not be kept
  bool terminated_ = false;
  bool reaped_ = false;
};

// What whoever waits for a command wants of it. terminate: TERM, and KILL after the grace.
enum class Wish : std::uint8_t { go_on, terminate, kill };

// Runs a command to its end on this thread. When `watch_fd` (-1: none) is readable, or its other end is gone, `wish` is asked.
[[nodiscard]] Outcome run_command(const CommandWork& work, int watch_fd, const std::function<Wish()>& wish);

}  // namespace runner::worker
