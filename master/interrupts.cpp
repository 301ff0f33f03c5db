#include "master/interrupts.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "ipc/os.hpp"

namespace runner::master {

namespace {

std::atomic<unsigned> signals{0};    // as count() tells them
std::atomic<std::uint64_t> rung{0};  // each adds one to the descriptor's counter, a moment later
std::atomic<int> wake{-1};

void on_signal(int signal) {
  const int saved = errno;
  unsigned now = signals.load(std::memory_order_relaxed);
  while (!signals.compare_exchange_weak(now, signal == SIGTERM ? std::max(now + 1, 2U) : now + 1)) {
  }
  rung.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t one = 1;
  // A counter that is full is readable already.
  if (::write(wake.load(std::memory_order_relaxed), &one, sizeof one) < 0) errno = saved;
  errno = saved;
}

}  // namespace

Result<std::unique_ptr<Interrupts>> Interrupts::install() {
  UniqueFd fd(os::call("eventfd", ::eventfd, 0U, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return os::failure("watch for Ctrl-C", "eventfd");
  std::unique_ptr<Interrupts> interrupts(new Interrupts(std::move(fd)));  // gives the signals back if the rest fails
  signals = 0;
  rung = 0;
  wake = interrupts->fd();
  struct sigaction action{};
  action.sa_handler = on_signal;  // without SA_RESTART: a blocking wait returns
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) {
    if (os::call("sigaction", ::sigaction, signal, &action, nullptr) != 0) return os::failure("watch for Ctrl-C", "sigaction");
  }
  return interrupts;
}

Interrupts::~Interrupts() {
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  wake = -1;
}

unsigned Interrupts::count() {
  // Asked in every turn of the loop: no system call when nothing rang since the last time.
  if (rung.load(std::memory_order_relaxed) != drained_) {
    std::uint64_t rings = 0;
    if (os::retry("read", ::read, fd_.get(), static_cast<void*>(&rings), sizeof rings) > 0) drained_ += rings;
  }
  return so_far();
}

unsigned Interrupts::so_far() const { return signals.load(std::memory_order_relaxed); }

}  // namespace runner::master
