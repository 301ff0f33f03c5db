#include "master/interrupts.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "ipc/os.hpp"

namespace runner::master {

namespace {

std::atomic<unsigned> signals{0};    // as count() tells them
std::atomic<std::uint64_t> rung{0};  // each adds one to the descriptor's counter, a moment later
std::atomic<int> bell{-1};
std::atomic<std::int64_t> last_urgent{0};
std::atomic<void (*)()> last_call{nullptr};

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
constexpr unsigned kNotHeard = 4;  // the third one ends everything; if there is a fourth, nobody listens
// `timeout` and service managers send SIGTERM to the process and to its group: that is one wish.
constexpr std::int64_t kOneWish = 200'000'000;

std::int64_t monotonic_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void on_signal(int signal) {
  const int saved = errno;
  const bool urgent = signal != SIGINT;
  if (urgent) {
    const std::int64_t at = monotonic_ns();
    if (at - last_urgent.exchange(at) < kOneWish) return;
  }
  unsigned before = signals.load(std::memory_order_relaxed), after = 0;
  do {
    after = urgent ? std::max(before + 1, 2U) : before + 1;
  } while (!signals.compare_exchange_weak(before, after));
  // A write that blocks for ever, say: only the end of the process helps, and it takes the workers with it.
  if (after >= kNotHeard) {
    if (void (*const last)() = last_call.load()) last();
    ::_exit(130);
  }
  const std::uint64_t one = 1;
  // A counter that is full is readable already.
  if (::write(bell.load(std::memory_order_relaxed), &one, sizeof one) > 0) rung.fetch_add(1, std::memory_order_relaxed);
  errno = saved;
}

}  // namespace

void Interrupts::before_the_end(void (*last)()) noexcept { last_call = last; }

Result<std::unique_ptr<Interrupts>> Interrupts::install() {
  UniqueFd fd(os::call("eventfd", ::eventfd, 0U, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return os::failure("watch for Ctrl-C", "eventfd");
  std::unique_ptr<Interrupts> interrupts(new Interrupts(std::move(fd)));  // gives the signals back if the rest fails
  signals = 0;
  rung = 0;
  last_urgent = 0;
  bell = interrupts->fd();
  struct sigaction action{};
  action.sa_handler = on_signal;  // without SA_RESTART: a blocking wait returns
  sigemptyset(&action.sa_mask);
  sigset_t ours;
  sigemptyset(&ours);
  for (const int signal : kSignals) {
    // Ignored by whoever started us (nohup; a job in the background of a script): then it is not meant for us.
    struct sigaction before{};
    if (os::call("sigaction", ::sigaction, signal, nullptr, &before) != 0) return os::failure("watch for Ctrl-C", "sigaction");
    if (before.sa_handler == SIG_IGN && signal != SIGTERM) continue;
    if (os::call("sigaction", ::sigaction, signal, &action, nullptr) != 0) return os::failure("watch for Ctrl-C", "sigaction");
    sigaddset(&ours, signal);
  }
  // Blocked by whoever started us, they would never come.
  if (os::call("sigprocmask", ::sigprocmask, SIG_UNBLOCK, &ours, nullptr) != 0)
    return os::failure("watch for Ctrl-C", "sigprocmask");
  return interrupts;
}

Interrupts::~Interrupts() {
  for (const int signal : kSignals) {
    struct sigaction now{};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == on_signal) ::signal(signal, SIG_DFL);
  }
  bell = -1;
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
