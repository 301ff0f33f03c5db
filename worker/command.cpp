#include "worker/command.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "ipc/core_file.hpp"
#include "ipc/os.hpp"

namespace runner::worker {

namespace {

using std::chrono::steady_clock;

Duration time_of(const timeval& time) { return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec); }

}  // namespace

Result<std::unique_ptr<Command>> Command::start(const CommandWork& work, Adopts adopts) {
  const TimePoint began = steady_clock::now();  // the program computes before we hear that it is there
  JobGroup* const group = JobGroup::of_place(slot_in_use());
  const bool limited = group != nullptr && group->limit(work.memory);
  Result<Spawned> spawned = spawn(work, group != nullptr ? group->fd() : -1);
  if (!spawned) return tl::unexpected(spawned.error());
  const bool inside = spawned->grouped;
  return std::unique_ptr<Command>(
      new Command(std::move(*spawned), began, work, adopts, inside ? group : nullptr, inside && limited));
}

Command::Command(Spawned spawned, TimePoint began, const CommandWork& work, Adopts adopts, JobGroup* group, bool limited)
    : spawned_(std::move(spawned)),
      adopts_(adopts),
      group_(group),
      limited_(limited),
      self_(::getpid()),
      cwd_(work.cwd),
      kill_after_(work.kill_after),
      memory_(work.memory),
      started_(began) {}

Command::~Command() {
  if (reaped_) return;
  kill();
  static_cast<void>(os::reap("waitpid", ::waitpid, spawned_.pid, static_cast<int*>(nullptr), 0));
  end_rest(nullptr);
}

namespace {

// Its process group, and its children that have left that.
bool began_as(const os::Process& process, const void* leader) {
  const pid_t pid = *static_cast<const pid_t*>(leader);
  return process.group == pid || process.pid == pid;
}

}  // namespace

os::Scope Command::all() const {
  if (adopts_ == Adopts::no) return {&began_as, &spawned_.pid, spawned_.pid};
  os::Scope scope = os::below(self_);
  scope.waited_for = spawned_.pid;
  return scope;
}

// The program was waited for.
void Command::end_rest(std::vector<std::string>* names) {
  // The number of a group is nobody else's as long as the group has a member.
  const bool rest = adopts_ == Adopts::yes ? os::has_children() : ::kill(-spawned_.pid, 0) == 0;
  if (rest) {
    std::array<os::Process, os::kNamed> found;
    const std::size_t count = os::end_processes(adopts_ == Adopts::yes ? os::below(self_) : os::group_of(spawned_.pid), found);
    if (names != nullptr) *names = os::names_of(found, count);
  }
  // Who has left the process group, and his parent, is still in this one.
  if (group_ == nullptr || !group_->populated()) return;
  if (names != nullptr) {
    for (std::string& name : group_->names()) names->push_back(std::move(name));
  }
  group_->kill();
}

void Command::drain(UniqueFd& pipe, Capture& into, int blocks) {
  std::array<char, 64 * 1024> block;
  for (; pipe && blocks > 0; --blocks) {
    const ssize_t got = os::retry("read", ::read, pipe.get(), static_cast<void*>(block.data()), block.size());
    if (got > 0) {
      if (unkept_.empty()) {
        if (Result<void> kept = into.append({block.data(), static_cast<std::size_t>(got)}); !kept) {
          unkept_ = kept.error().text;
          kill();
        }
      }
      // A short block is the end of what is there, for one read call fewer.
      if (static_cast<std::size_t>(got) < block.size()) return;
    } else if (got < 0 && errno == EAGAIN) {
      return;
    } else {
      if (got < 0 && unkept_.empty()) {  // output may be lost: never in silence
        unkept_ = os::describe("read it", "read", errno);
        kill();
      }
      pipe.reset();  // end of file
    }
  }
}

void Command::terminate() {
  terminated_ = true;
  if (reaped_ || os::ask_to_end(all()) != 0) return;
  // Without /proc there is the group. It exists as long as its leader is not reaped, so the number cannot belong to somebody else.
  static_cast<void>(os::call("kill", ::kill, -spawned_.pid, SIGTERM));
}

void Command::kill() {
  if (reaped_) return;
  killed_ = true;
  if (group_ != nullptr) group_->kill();
  os::end_processes(all());
  static_cast<void>(os::call("kill", ::kill, -spawned_.pid, SIGKILL));
}

std::optional<Duration> Command::look_interval() const {
  if (memory_.count == 0 || limited_ || killed_) return std::nullopt;
  return std::chrono::milliseconds(20);
}

void Command::look() {
  if (memory_.count == 0 || limited_ || reaped_ || killed_) return;
  const bool adopts = adopts_ == Adopts::yes;
  const auto measure = [&](os::Count how) { return os::tree_memory(adopts ? self_ : spawned_.pid, !adopts, how); };
  Bytes found = measure(os::Count::quick);
  if (found > memory_) found = measure(os::Count::fair);
  most_ = std::max(most_, found);
  if (found <= memory_) return;
  out_of_memory_ = "its processes had " + format_size(found) + ", more than `memory` allows (" + format_size(memory_) + ")";
  kill();
}

void Command::reap_adopted() {
  if (adopts_ == Adopts::no || reaped_) return;
  for (;;) {
    siginfo_t dead{};
    const int waited = ::waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT | __WALL);
    if (waited != 0 || dead.si_pid == 0 || dead.si_pid == spawned_.pid) return;  // its own end is told by the pidfd
    if (::waitpid(dead.si_pid, nullptr, WNOHANG | __WALL) <= 0) return;
  }
}

Outcome Command::outcome() {
  const Duration wall = steady_clock::now() - started_;
  siginfo_t info{};
  rusage usage{};
  const long waited = os::reap("waitid", [&] { return ::syscall(SYS_waitid, P_PID, spawned_.pid, &info, WEXITED, &usage); });
  const int error = errno;
  reaped_ = true;
  Outcome outcome;
  if (limited_ && group_->out_of_memory()) {
    out_of_memory_ =
        "the kernel ended it, because its cgroup may have no more than `memory` allows (" + format_size(memory_) + ")";
  }
  // One that was ended early leaves nothing of its own will.
  end_rest(terminated_ || killed_ ? nullptr : &outcome.left_behind);
  // What the pipes still hold, and no more: whoever could not be found cannot make us wait.
  read_out();
  read_err();
  spawned_.pidfd.reset();
  spawned_.out.reset();
  spawned_.err.reset();

  outcome.wall = wall;
  if (waited == 0) {
    outcome.cpu = time_of(usage.ru_utime) + time_of(usage.ru_stime);
    outcome.peak_memory = std::max(most_, Bytes{static_cast<std::uint64_t>(std::max(0L, usage.ru_maxrss)) * 1024});
    if (info.si_code == CLD_DUMPED) {
      const auto began =
          std::chrono::system_clock::now() - std::chrono::duration_cast<std::chrono::system_clock::duration>(wall);
      outcome.core = os::core_file(spawned_.pid, info.si_status, cwd_, began);
    }
  }
  outcome.out = out_.take();
  outcome.err = err_.take();
  if (waited != 0) {
    outcome.ending = Failed{os::describe("learn how the command ended", "waitid", error)};
  } else if (!unkept_.empty()) {
    outcome.ending = Failed{"its output could not be kept: " + unkept_};
  } else if (!out_of_memory_.empty()) {
    outcome.ending = OutOfMemory{out_of_memory_};
  } else if (info.si_code != CLD_EXITED) {
    outcome.ending = Crashed{info.si_status, {}};
  } else {
    outcome.exit_code = info.si_status;
    if (info.si_status != 0) outcome.ending = Failed{"exit status " + std::to_string(info.si_status)};
  }
  return outcome;
}

namespace {

// A process that was orphaned and came to us is reaped when it dies, not only when the job ends: SIGCHLD ends the sleep. It has
// its default back for the code of typed jobs.
class ChildSignal {
 public:
  explicit ChildSignal(Adopts adopts) {
    if (adopts == Adopts::no) return;
    struct sigaction wake{};
    wake.sa_handler = [](int) {};
    wake.sa_flags = SA_RESTART;  // a sleep in ppoll ends all the same
    installed_ = ::sigaction(SIGCHLD, &wake, &before_) == 0;
  }
  ~ChildSignal() {
    if (installed_) ::sigaction(SIGCHLD, &before_, nullptr);
  }
  ChildSignal(const ChildSignal&) = delete;
  ChildSignal& operator=(const ChildSignal&) = delete;

 private:
  struct sigaction before_{};
  bool installed_ = false;
};

}  // namespace

Outcome run_command(const CommandWork& work, int watch_fd, const std::function<Wish()>& wish, Adopts adopts) {
  const ChildSignal woken(adopts);
  Result<std::unique_ptr<Command>> started = Command::start(work, adopts);
  if (!started) {
    Outcome outcome;
    outcome.ending = Failed{started.error().text};
    return outcome;
  }
  Command& command = **started;
  TimePoint kill_at = TimePoint::max(), look_at = steady_clock::now();
  for (;;) {
    const std::optional<Duration> looks = command.look_interval();
    const TimePoint next = std::min(kill_at, looks ? look_at : TimePoint::max());
    // poll passes over negative descriptors. A job that was told to end needs no telling again, unless nobody waits any more.
    std::array<pollfd, 4> fds{{{command.exit_fd(), POLLIN, 0},
                               {command.out_fd(), POLLIN, 0},
                               {command.err_fd(), POLLIN, 0},
                               {watch_fd, static_cast<short>(command.terminated() ? POLLRDHUP : POLLIN | POLLRDHUP), 0}}};
    timespec left{};
    const bool hurried = next != TimePoint::max();
    if (hurried) {
      const auto ns = std::max<std::int64_t>(0, Duration(next - steady_clock::now()).count());
      left = {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    }
    const int ready = os::call("ppoll", ::ppoll, fds.data(), fds.size(), hurried ? &left : nullptr, nullptr);
    if (ready < 0 && errno != EINTR) {
      Outcome outcome;
      outcome.ending = Failed{os::describe("wait for the command", "ppoll", errno)};
      return outcome;  // the destructor ends the program
    }
    if (ready < 0) command.reap_adopted();
    if (const TimePoint now = hurried ? steady_clock::now() : TimePoint(); hurried && now >= next) {
      if (now >= kill_at) {
        command.kill();
        kill_at = TimePoint::max();
      }
      if (looks && now >= look_at) {
        command.look();
        look_at = steady_clock::now() + *looks;
      }
    }
    if (ready <= 0) continue;
    if (fds[1].revents != 0) command.read_out();
    if (fds[2].revents != 0) command.read_err();
    if (fds[0].revents != 0) return command.outcome();
    if (fds[3].revents == 0) continue;
    switch (wish()) {
      case Wish::go_on: break;
      case Wish::terminate:
        if (command.terminated()) break;
        command.terminate();
        kill_at = command.kill_after() >= TimePoint::max() - steady_clock::now() ? TimePoint::max()
                                                                                 : steady_clock::now() + command.kill_after();
        break;
      case Wish::kill:
        command.kill();
        watch_fd = -1;
        break;
    }
  }
}

}  // namespace runner::worker
