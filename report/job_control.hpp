// job_control.hpp - Ctrl-Z, `fg`, Ctrl-\ and sudden ends, for a program that has changed the modes of its terminal.
//
// Before the program stops (SIGTSTP) or dies of a signal that can be caught, `leave` gives the terminal back; then the signal does
// what it would have done: the shell sees a job that stopped, or died, of it. After it went on, continued() says so.
//
// Things to get right (APUE 2nd ed. 10.19 and 18.11, glibc manual 28.6 have the outline):
//   1. It stops of SIGTSTP itself, not of SIGSTOP: the kernel ignores it where nobody could make it go on (an orphaned process group).
//   2. A signal that was ignored stays so, and one that somebody else handles is left to them (SIGINT, SIGTERM, SIGHUP: Interrupts).
//   3. A child of fork() has the handlers as well: there they do nothing but what the signal does.
//
// Called from  the main thread makes and ends it, one at a time; the handlers run anywhere.
// Owns         the dispositions of those signals while it lives, but for those that somebody took over meanwhile.
// Fails with   nothing: what cannot be caught does what it does without this.
#pragma once

namespace runner::report {

class JobControl {
 public:
  // `leave` must be async-signal-safe; null: nothing.
  explicit JobControl(void (*leave)() noexcept);
  ~JobControl();
  JobControl(const JobControl&) = delete;
  JobControl& operator=(const JobControl&) = delete;

  // How often the program went on after it was stopped, by whomever and however.
  [[nodiscard]] static unsigned continued() noexcept;
};

}  // namespace runner::report
