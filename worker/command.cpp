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

#include "ipc/os.hpp"

namespace runner::worker {

namespace {

using std::chrono::steady_clock;

Duration time_of(const timeval& time) { return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec); }

}  // namespace

Result<std::unique_ptr<Command>> Command::start(const CommandWork& work) {
  const TimePoint began = steady_clock::now();  // the program computes before we hear that it is there
  Result<Spawned> spawned = spawn(work);
  if (!spawned) return tl::unexpected(spawned.error());
  return std::unique_ptr<Command>(new Command(std::move(*spawned), began));
}

Command::Command(Spawned spawned, TimePoint began) : spawned_(std::move(spawned)), started_(began) {}

Command::~Command() {
  if (reaped_) return;
  kill();
  static_cast<void>(os::reap("waitpid", ::waitpid, spawned_.pid, static_cast<int*>(nullptr), 0));
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
  // The group exists as long as its leader is not reaped, so the number cannot belong to somebody else.
  if (!reaped_) static_cast<void>(os::call("kill", ::kill, -spawned_.pid, SIGTERM));
}

void Command::kill() {
  if (!reaped_) static_cast<void>(os::call("kill", ::kill, -spawned_.pid, SIGKILL));
}

Outcome Command::outcome() {
  const Duration wall = steady_clock::now() - started_;
  kill();  // what is left of its group; before the leader is reaped
  // What the pipes still hold, and no more: a survivor outside of the group cannot make us wait.
  read_out();
  read_err();
  siginfo_t info{};
  rusage usage{};
  const long waited = os::reap("waitid", [&] { return ::syscall(SYS_waitid, P_PID, spawned_.pid, &info, WEXITED, &usage); });
  const int error = errno;
  reaped_ = true;
  spawned_.pidfd.reset();
  spawned_.out.reset();
  spawned_.err.reset();

  Outcome outcome;
  outcome.wall = wall;
  outcome.cpu = time_of(usage.ru_utime) + time_of(usage.ru_stime);
  outcome.out = out_.take();
  outcome.err = err_.take();
  if (waited != 0) {
    outcome.ending = Failed{os::describe("learn how the command ended", "waitid", error)};
  } else if (!unkept_.empty()) {
    outcome.ending = Failed{"its output could not be kept: " + unkept_};
  } else if (info.si_code != CLD_EXITED) {
    outcome.ending = Crashed{info.si_status, {}};
  } else {
    outcome.exit_code = info.si_status;
    if (info.si_status != 0) outcome.ending = Failed{"exit status " + std::to_string(info.si_status)};
  }
  return outcome;
}

Outcome run_command(const CommandWork& work, int watch_fd, const std::function<Wish()>& wish) {
  Result<std::unique_ptr<Command>> started = Command::start(work);
  if (!started) {
    Outcome outcome;
    outcome.ending = Failed{started.error().text};
    return outcome;
  }
  Command& command = **started;
  TimePoint kill_at = TimePoint::max();
  for (;;) {
    // poll passes over negative descriptors. A job that was told to end needs no telling again, unless nobody waits any more.
    std::array<pollfd, 4> fds{{{command.exit_fd(), POLLIN, 0},
                               {command.out_fd(), POLLIN, 0},
                               {command.err_fd(), POLLIN, 0},
                               {watch_fd, static_cast<short>(command.terminated() ? POLLRDHUP : POLLIN | POLLRDHUP), 0}}};
    timespec left{};
    const bool hurried = kill_at != TimePoint::max();
    if (hurried) {
      const auto ns = std::max<std::int64_t>(0, Duration(kill_at - steady_clock::now()).count());
      left = {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    }
    const int ready = os::call("ppoll", ::ppoll, fds.data(), fds.size(), hurried ? &left : nullptr, nullptr);
    if (ready < 0 && errno != EINTR) {
      Outcome outcome;
      outcome.ending = Failed{os::describe("wait for the command", "ppoll", errno)};
      return outcome;  // the destructor ends the program
    }
    if (ready == 0) {
      command.kill();
      kill_at = TimePoint::max();
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
        kill_at = steady_clock::now() + Command::kGrace;
        break;
      case Wish::kill:
        command.kill();
        watch_fd = -1;
        break;
    }
  }
}

}  // namespace runner::worker
