#include "tests/chaos/killer.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <string>

#include "runner/unique_fd.hpp"

namespace runner {

namespace {

pid_t parent_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(file, stat);                       // of a process that dies meanwhile: nothing
  const std::size_t name_ends = stat.rfind(')');  // "(name) S ppid"
  return name_ends == std::string::npos ? -1 : static_cast<pid_t>(std::atoi(stat.c_str() + name_ends + 4));
}

// One child of `master`, for as long as it is that one.
class Victim {
 public:
  Victim(pid_t pid, pid_t master) : pidfd_(pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1) {
    // Looked at after the descriptor is there: it is this very process, or the descriptor is that of a dead one.
    if (pidfd_ && parent_of(pid) != master) pidfd_.reset();
  }
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(pidfd_); }
  void signal(int number) const { ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0); }

 private:
  UniqueFd pidfd_;
};

// What it throws ends it: it must never go back into the test.
[[noreturn]] void rage(KillerPage& page, pid_t master) noexcept {
  std::mt19937 random(20'261'125);
  const auto nap = [&](unsigned most_us) { ::usleep(static_cast<useconds_t>(random() % most_us)); };
  while (!page.over) {
    if (page.steady) {
      ::usleep(5'000);
    } else {
      nap(8'000);
    }
    const Victim victim(page.victims[random() % kMostVictims], master);
    if (!victim || !page.armed) continue;
    if (page.steady || random() % 2 == 0) {
      ++page.kills;
      victim.signal(SIGKILL);
    } else {
      ++page.stops;
      victim.signal(SIGSTOP);
      nap(20'000);
      if (random() % 4 == 0) {
        ++page.kills;
        victim.signal(SIGKILL);  // while it is stopped
      }
      victim.signal(SIGCONT);
    }
  }
  ::_exit(0);
}

}  // namespace

Killer::Killer(KillerPage& page) : page_(page) {
  const pid_t master = ::getpid();
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != master) ::_exit(0);
  rage(page, master);
}

Killer::~Killer() {
  page_.over = true;
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

}  // namespace runner
