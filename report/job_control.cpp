#include "report/job_control.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

namespace runner::report {

namespace {

// Those whose default is to end the program, but for what Interrupts has, what nobody can catch, and what a write to nobody gets.
constexpr std::array kFatal{SIGQUIT, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT, SIGSYS,    SIGTRAP,
                            SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU, SIGXFSZ, SIGPROF, SIGVTALRM, SIGSTKFLT};

std::atomic<void (*)() noexcept> leaving{nullptr};
std::atomic<pid_t> owner{0};
std::atomic<unsigned> times_continued{0};
static_assert(std::atomic<void (*)() noexcept>::is_always_lock_free && std::atomic<unsigned>::is_always_lock_free);

void leave() noexcept {
  void (*const last)() noexcept = leaving.load();
  if (last != nullptr && ::getpid() == owner.load()) last();
}

void on_fatal(int signal) {
  leave();
  // It is blocked until the handler returns, and then ends the program as if it had never been caught.
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void on_stop(int signal);

void on_continue(int) { times_continued.fetch_add(1, std::memory_order_relaxed); }

void catch_signal(int signal, void (*handler)(int), int flags) noexcept {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

void on_stop(int signal) {
  const int saved = errno;
  leave();
  ::signal(signal, SIG_DFL);
  ::raise(signal);  // to this thread, which has it blocked
  sigset_t one, before;
  sigemptyset(&one);
  sigaddset(&one, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &one, &before);  // here the program stops, and here it goes on
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  catch_signal(signal, on_stop, SA_RESTART);
  errno = saved;
}

void take(int signal, void (*handler)(int), int flags) noexcept {
  struct sigaction now{};
  if (::sigaction(signal, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) return;
  catch_signal(signal, handler, flags);
}

void give_back(int signal, void (*handler)(int)) noexcept {
  struct sigaction now{};
  if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == handler) ::signal(signal, SIG_DFL);
}

}  // namespace

JobControl::JobControl(void (*leave)() noexcept) {
  leaving = leave;
  owner = ::getpid();
  for (const int signal : kFatal) take(signal, on_fatal, SA_ONSTACK);
  take(SIGTSTP, on_stop, SA_RESTART);
  take(SIGCONT, on_continue, SA_RESTART);
}

JobControl::~JobControl() {
  for (const int signal : kFatal) give_back(signal, on_fatal);
  give_back(SIGTSTP, on_stop);
  give_back(SIGCONT, on_continue);
  leaving = nullptr;
}

unsigned JobControl::continued() noexcept { return times_continued.load(std::memory_order_relaxed); }

}  // namespace runner::report
