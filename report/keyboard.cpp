#include "report/keyboard.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "ipc/os.hpp"

namespace runner::report {

namespace {

termios cooked;                       // what the terminal was like
std::atomic<bool> is_changed{false};  // by us, and not put back

// From here until it ends no Ctrl-Z gets between a look at who has the terminal and a change of its modes.
class NoStop {
 public:
  NoStop() noexcept {
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    ::pthread_sigmask(SIG_BLOCK, &stop, &before_);
  }
  ~NoStop() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoStop(const NoStop&) = delete;
  NoStop& operator=(const NoStop&) = delete;

 private:
  sigset_t before_{};
};

bool in_foreground() { return ::tcgetpgrp(STDIN_FILENO) == ::getpgrp(); }

}  // namespace

Keyboard::Keyboard(bool wanted) {
  if (!wanted || ::isatty(STDIN_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &cooked) != 0) return;
  raw_ = cooked;
  raw_.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw_.c_cc[VMIN] = 0;
  raw_.c_cc[VTIME] = 0;
  there_ = true;
}

Keyboard::~Keyboard() { restore(); }

void Keyboard::restore() noexcept {
  // In the background the terminal is the shell's, which has set it as it likes.
  if (is_changed.exchange(false) && in_foreground()) ::tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

char Keyboard::next() {
  if (!there_ || !in_foreground()) return 0;
  termios now{};
  if (::tcgetattr(STDIN_FILENO, &now) != 0) return 0;
  if ((now.c_lflag & (ICANON | ECHO)) != 0) {  // at first, and after the shell had it
    const NoStop no_stop;
    if (!in_foreground()) return 0;
    is_changed = true;
    if (::tcsetattr(STDIN_FILENO, TCSANOW, &raw_) != 0) return 0;
  }
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (os::call("poll", ::poll, &input, nfds_t{1}, 0) != 1 || (input.revents & POLLIN) == 0) return 0;
  char key = 0;
  return os::retry("read", ::read, STDIN_FILENO, static_cast<void*>(&key), std::size_t{1}) == 1 ? key : '\0';
}

}  // namespace runner::report
