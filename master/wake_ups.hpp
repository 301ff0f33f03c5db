// wake_ups.hpp - one descriptor for all that may wake a run loop which waits in its engine: an interrupt, and input for which the
// source of jobs waits.
//
// Called from  the run loop's thread.
// Owns         an epoll instance; neither of the two descriptors.
// Fails with   system, when it is opened or told to watch.
// Call order   open (await)*
#pragma once

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>

namespace runner::master {

class WakeUps {
 public:
  // `interrupts` -1: there are none.
  [[nodiscard]] Result<void> open(int interrupts);
  // From now on input at `input` wakes too, as long as somebody waits for it (-1: nobody). Input that nobody waits for must not
  // wake: it stays where it is, and so would the readiness.
  [[nodiscard]] Result<void> await(int input);

  [[nodiscard]] int fd() const { return epoll_.get(); }

 private:
  UniqueFd epoll_;
  int input_ = -1;
};

}  // namespace runner::master
