#include "cli/interruption.hpp"

#include <unistd.h>

#include <atomic>

namespace runner::cli {

namespace {

std::atomic<bool> heard{false};
std::atomic<pid_t> child{0};

void on_interrupt(int signal, siginfo_t* info, void*) {
  heard = true;
  // A terminal tells the whole group, and with it the child; kill(1) tells the process that was named.
  if (const pid_t running = child; info->si_code == SI_USER && running > 0) ::kill(running, signal);
}

sigset_t only_interrupt() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Interruption::Interruption() {
  heard = false;
  child = 0;
  ::sigaction(SIGINT, nullptr, &before_);
  if (before_.sa_handler == SIG_IGN) return;
  struct sigaction action{};
  action.sa_sigaction = on_interrupt;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
}

Interruption::~Interruption() { ::sigaction(SIGINT, &before_, nullptr); }

pid_t Interruption::fork() const {
  // Between the fork and the next line it could be sent on to nobody.
  const sigset_t interrupt = only_interrupt();
  sigset_t mask;
  ::sigprocmask(SIG_BLOCK, &interrupt, &mask);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::sigaction(SIGINT, &before_, nullptr);
  } else {
    child = pid;
  }
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  return pid;
}

void Interruption::reaped() const { child = 0; }

bool Interruption::came() const { return heard; }

}  // namespace runner::cli
