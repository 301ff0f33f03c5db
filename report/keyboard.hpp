// keyboard.hpp - keys as they are pressed, from the terminal that is standard input.
//
// Without line editing and echo, but with Ctrl-C and Ctrl-Z as ever. Nothing is touched, and nothing read, while this program is not
// in the foreground: a stopped or background job must not take keys from the shell. After `fg` the keys work again.
//
// Called from  the run loop's thread. restore() also from a handler of signals (it is async-signal-safe), see job_control.hpp.
// Owns         the modes of the terminal: what they were is put back when this ends. SIGKILL and SIGSTOP leave them (`stty sane`).
// Fails with   nothing: where there is no terminal there are no keys.
#pragma once

#include <termios.h>

namespace runner::report {

class Keyboard {
 public:
  // `wanted` false: standard input is somebody else's to read.
  explicit Keyboard(bool wanted);
  ~Keyboard();
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;

  [[nodiscard]] bool there() const { return there_; }
  // The next key, without waiting; 0: none.
  [[nodiscard]] char next();
  static void restore() noexcept;

 private:
  bool there_ = false;
  termios raw_{};
};

}  // namespace runner::report
