#include "bench/ipc/guard.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "bench/ipc/brief_name.hpp"

namespace runner::bench {

namespace {

// Everything that is still a child of ours: the measuring process, and its children once it is gone (each dies by itself as soon
// as that happens).
int reap(pid_t measuring) {
  int status = 0;
  for (;;) {
    int one = 0;
    const pid_t ended = ::waitpid(-1, &one, 0);
    if (ended == measuring) status = one;
    if (ended < 0 && errno != EINTR) return status;
  }
}

}  // namespace

int guarded(const char* program, const std::function<int()>& measure, std::chrono::seconds at_most) {
  brief_name::set(::getpid());
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t waited, before;
  sigemptyset(&waited);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&waited, number);
  ::sigprocmask(SIG_BLOCK, &waited, &before);
  const pid_t guard = ::getpid(), measuring = ::fork();
  if (measuring < 0) {
    std::fprintf(stderr, "%s: fork: %s\n", program, std::strerror(errno));
    return 2;
  }
  if (measuring == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != guard) ::_exit(2);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    const int status = measure();
    std::fflush(nullptr);
    ::_exit(status);
  }

  const auto until = std::chrono::steady_clock::now() + at_most;
  int stopped_by = 0;
  for (;;) {
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(measuring), &ended, WEXITED | WNOHANG | WNOWAIT);
    if (ended.si_pid == measuring) break;
    const auto left = until - std::chrono::steady_clock::now();
    const timespec patience{std::max<std::time_t>(0, std::chrono::ceil<std::chrono::seconds>(left).count()), 0};
    const int number = ::sigtimedwait(&waited, nullptr, &patience);
    if (number < 0 && errno == EAGAIN) {
      std::fprintf(stderr, "%s: not done after %lld s: something hangs\n", program, static_cast<long long>(at_most.count()));
      break;
    }
    if (number > 0 && number != SIGCHLD) {
      stopped_by = number;
      break;
    }
  }
  ::kill(measuring, SIGKILL);  // nothing happens to one that has ended: it is a zombie until it is reaped
  const int status = reap(measuring);
  brief_name::remove();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (stopped_by != 0) return 128 + stopped_by;
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  std::fprintf(stderr, "%s: the measuring process ended by %s\n", program, ::strsignal(WTERMSIG(status)));
  return 2;
}

}  // namespace runner::bench
