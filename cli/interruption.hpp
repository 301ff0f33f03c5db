// interruption.hpp - Ctrl-C while trials run: it is for the trial that runs then, and remembered.
//
// Called from  compare's main thread; there is at most one at a time.
// Owns         what SIGINT does in this process.
// Call order   (fork reaped)* ; came at any time
#pragma once

#include <signal.h>
#include <sys/types.h>

namespace runner::cli {

class Interruption {
 public:
  // Where whoever started us ignores SIGINT (a job in the background of a script), it stays ignored.
  Interruption();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  // fork(2); in the child SIGINT does what it did before. Until reaped() a SIGINT that only this process got is sent on to it.
  [[nodiscard]] pid_t fork() const;
  void reaped() const;
  [[nodiscard]] bool came() const;

 private:
  struct sigaction before_{};
};

}  // namespace runner::cli
