#include "master/guardian.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "ipc/layout.hpp"
#include "ipc/os.hpp"
#include "ipc/process_tree.hpp"
#include "master/run_group.hpp"

namespace runner::master {

namespace {

constexpr const char* kVariable = "RUNNER_RUN";
constexpr Duration kLookInterval = std::chrono::milliseconds(1);
constexpr int kPatienceMs = 2'000;

enum Word : std::int32_t { kAdd, kRemove, kFarewell };
struct Message {
  std::int32_t what;
  std::int32_t whom;
};

// ---- the process: forked from a program that may have threads and locks, so it allocates nothing ----

struct Known {
  pid_t pid;
  std::uint64_t start;
};
struct Life {
  std::array<Known, ipc::kMaxWorkers> workers{};
  std::size_t count = 0;
  std::array<char, 128> mark{};  // "RUNNER_RUN=..." as it stands in an environment
  std::size_t mark_size = 0;
  std::array<char, PATH_MAX> group{};  // empty: none
  std::array<char, std::size_t{1} << 17> text{};
};

bool began_with_mark(pid_t pid, Life& life) {
  std::array<char, 32> path{};
  std::strcpy(path.data(), "/proc/");
  char* end = path.data() + 6;
  std::array<char, 12> digits{};
  std::size_t n = 0;
  for (pid_t rest = pid; rest > 0; rest /= 10) digits[n++] = static_cast<char>('0' + rest % 10);
  while (n > 0) *end++ = digits[--n];
  std::strcpy(end, "/environ");
  const int fd = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool found = false;
  std::size_t kept = 0;  // the end of the block before, in which the mark may begin
  for (ssize_t got = 0; !found && (got = ::read(fd, life.text.data() + kept, life.text.size() - kept)) > 0;) {
    const std::size_t size = kept + static_cast<std::size_t>(got);
    found = ::memmem(life.text.data(), size, life.mark.data(), life.mark_size) != nullptr;
    kept = std::min(size, life.mark_size);
    std::memmove(life.text.data(), life.text.data() + size - kept, kept);
  }
  ::close(fd);
  return found;
}

bool is_of_the_run(const os::Process& process, const void* with) {
  Life& life = *const_cast<Life*>(static_cast<const Life*>(with));
  for (const Known& worker : std::span(life.workers).first(life.count)) {
    if (worker.pid == process.pid && worker.start == process.start) return true;
  }
  return began_with_mark(process.pid, life);
}

void end_run(Life& life) {
  os::end_processes({&is_of_the_run, &life, -1});
  if (life.group[0] != 0) RunGroup::remove(life.group.data());
}

void note(Life& life, const Message& message) {
  const auto known = std::span(life.workers).first(life.count);
  const auto at = std::find_if(known.begin(), known.end(), [&](const Known& one) { return one.pid == message.whom; });
  if (message.what == kAdd && at == known.end() && life.count < life.workers.size()) {
    life.workers[life.count++] = {message.whom, os::start_of(message.whom)};
  } else if (message.what == kRemove && at != known.end()) {
    *at = life.workers[--life.count];
  }
}

[[noreturn]] void live_as_guardian(int socket, Life& life) {
  ::prctl(PR_SET_NAME, "runner-guardian");
  ::setsid();  // a kill of the master's group, or the end of its terminal, is not for us
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  // Whoever reads what the master writes is not to wait for us; and the socket's other end is open here, too.
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) ::dup2(null, fd);
  constexpr int kept = 3;
  if (socket != kept) ::dup2(socket, kept);
  if (::syscall(SYS_close_range, kept + 1, ~0U, 0) != 0) {
    for (int fd = kept + 1; fd < 65'536; ++fd) ::close(fd);
  }
  static_cast<void>(::chdir("/"));
  for (;;) {
    Message message{};
    const ssize_t got = ::recv(kept, &message, sizeof message, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got != sizeof message) {
      end_run(life);
      ::_exit(0);
    }
    if (message.what == kFarewell) {
      if (message.whom != 0) end_run(life);
      ::_exit(0);
    }
    note(life, message);
  }
}

Life& blank_life() {
  static Life life;  // not on the stack, nor on a heap whose lock a fork may have copied
  return life;
}

}  // namespace

// ---- the master's side ----

Result<std::unique_ptr<Guardian>> Guardian::start(Orphans orphans, const std::string& group) {
  // A shell that became this program by exec has left us its children: whatever they leave is not ours to end.
  const bool adopts =
      orphans == Orphans::adopt && !os::has_children() && os::call("prctl", ::prctl, PR_SET_CHILD_SUBREAPER, 1) == 0;
  std::unique_ptr<Guardian> guardian(new Guardian(orphans, adopts));
  guardian->run_ = std::to_string(::getpid()) + "-" + std::to_string(os::start_of(::getpid()));
  if (group.size() < PATH_MAX) guardian->group_ = group;
  if (::setenv(kVariable, guardian->run_.c_str(), 1) != 0) return os::failure("mark what belongs to this run", "setenv");
  if (Result<void> born = guardian->bear(); !born) return tl::unexpected(born.error());
  return guardian;
}

Guardian::~Guardian() {
  if (pid_ < 0) return;
  tell(kFarewell, orphans_ == Orphans::search ? 1 : 0);
  pollfd gone{pidfd_.get(), POLLIN, 0};
  if (os::call("poll", ::poll, &gone, nfds_t{1}, kPatienceMs) <= 0) ::kill(pid_, SIGKILL);
  static_cast<void>(os::reap("waitpid", ::waitpid, pid_, static_cast<int*>(nullptr), 0));
}

Result<void> Guardian::bear() {
  int ends[2];
  if (os::call("socketpair", ::socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return os::failure("start the guardian", "socketpair");
  }
  UniqueFd ours(ends[0]), theirs(ends[1]);
  Life& life = blank_life();
  const std::string mark = std::string(kVariable) + "=" + run_;
  life.mark_size = std::min(mark.size() + 1, life.mark.size());  // with the NUL behind it
  std::memcpy(life.mark.data(), mark.c_str(), life.mark_size);
  std::memcpy(life.group.data(), group_.c_str(), group_.size() + 1);
  const pid_t pid = os::call("fork", ::fork);
  if (pid < 0) return os::failure("start the guardian", "fork");
  if (pid == 0) live_as_guardian(theirs.get(), life);
  UniqueFd pidfd(static_cast<int>(os::call("pidfd_open", [&] { return ::syscall(SYS_pidfd_open, pid, 0); })));
  if (!pidfd) {
    const int error = errno;
    ::kill(pid, SIGKILL);
    static_cast<void>(os::reap("waitpid", ::waitpid, pid, static_cast<int*>(nullptr), 0));
    return os::failure("watch the guardian", "pidfd_open", error);
  }
  pid_ = pid;
  socket_ = std::move(ours);
  pidfd_ = std::move(pidfd);
  if (epoll_) {
    epoll_event event{};
    event.events = EPOLLIN;
    static_cast<void>(os::call("epoll_ctl", ::epoll_ctl, epoll_.get(), EPOLL_CTL_ADD, pidfd_.get(), &event));
  }
  for (const pid_t worker : workers_) tell(kAdd, worker);
  return {};
}

// One that does not listen (it was stopped) is replaced; one that is dead will be.
void Guardian::tell(std::int32_t what, std::int32_t whom) {
  const Message message{what, whom};
  if (os::retry("send", ::send, socket_.get(), static_cast<const void*>(&message), sizeof message,
                MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
    return;
  if (errno == EAGAIN) ::kill(pid_, SIGKILL);
}

void Guardian::add(pid_t worker) {
  workers_.push_back(worker);
  tell(kAdd, worker);
}

void Guardian::remove(pid_t worker) {
  std::erase(workers_, worker);
  tell(kRemove, worker);
}

std::vector<std::string> Guardian::end_strays(pid_t helper) {
  if (!adopts_) return {};
  const pid_t self = ::getpid();
  std::vector<pid_t> ours = workers_;
  ours.push_back(helper);
  ours.push_back(pid_);
  std::sort(ours.begin(), ours.end());
  const std::vector<pid_t> children = os::children_of(self);
  if (std::all_of(children.begin(), children.end(),
                  [&](pid_t child) { return std::binary_search(ours.begin(), ours.end(), child); }))
    return {};
  const auto stray = [](const os::Process& process, const void* known) {
    const auto& all = *static_cast<const std::vector<pid_t>*>(known);
    return process.parent == ::getpid() && !std::binary_search(all.begin(), all.end(), process.pid);
  };
  std::array<os::Process, os::kNamed> found;
  const std::size_t count = os::end_processes({stray, &ours, -1}, found);
  return os::names_of(found, count);
}

void Guardian::look(TimePoint now) {
  if (now - looked_ < kLookInterval) return;
  looked_ = now;
  if (pid_ >= 0) {
    if (::waitpid(pid_, nullptr, WNOHANG) == 0) return;
    pid_ = -1;
    if (epoll_) static_cast<void>(os::call("epoll_ctl", ::epoll_ctl, epoll_.get(), EPOLL_CTL_DEL, pidfd_.get(), nullptr));
    pidfd_.reset();
  }
  // Where that is refused (a limit of processes), it is tried again at the next look; workers follow the master all the same.
  static_cast<void>(bear());
}

Result<int> Guardian::watched_with(int other) {
  epoll_.reset(os::call("epoll_create1", ::epoll_create1, EPOLL_CLOEXEC));
  if (!epoll_) return os::failure("watch the guardian", "epoll_create1");
  for (const int fd : {pidfd_.get(), other}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (fd >= 0 && os::call("epoll_ctl", ::epoll_ctl, epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return os::failure("watch the guardian", "epoll_ctl");
    }
  }
  return epoll_.get();
}

}  // namespace runner::master
