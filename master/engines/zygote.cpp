// The zygote: a process forked from the master while that is still small and has one thread. It clones workers on request,
// as children of the master (CLONE_PARENT), so that wait status, pidfd and PDEATHSIG are the master's.
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "ipc/control.hpp"
#include "ipc/os.hpp"
#include "ipc/still_thread.hpp"
#include "master/engines/launcher.hpp"
#include "worker/serve.hpp"

namespace runner::master {

namespace {

// glibc remembers its thread id and robust list in memory that the clone copies. A raw clone must renew both, or locks and
// raise() in the worker would speak of the zygote.
struct ThreadState {
  int* tid_address = nullptr;
  void* robust_list = nullptr;
  std::size_t robust_bytes = 0;
};

bool read_thread_state(ThreadState& state) {
  return ::prctl(PR_GET_TID_ADDRESS, &state.tid_address) == 0 &&
         ::syscall(SYS_get_robust_list, 0, &state.robust_list, &state.robust_bytes) == 0;
}

// As fork(), but the child's parent is this process's parent. Single-threaded callers only.
pid_t clone_sibling(const ThreadState& state) {
  constexpr unsigned long flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
#if defined(__x86_64__)
  const long pid = ::syscall(SYS_clone, flags, nullptr, nullptr, state.tid_address, nullptr);
#else  // the order of the last two differs on most others, aarch64 among them
  const long pid = ::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, state.tid_address);
#endif
  if (pid == 0) ::syscall(SYS_set_robust_list, state.robust_list, state.robust_bytes);
  return static_cast<pid_t>(pid);
}

// An answer that is lost leaves the master with a child it does not know: what fails on its way is tried once more.
template <class Step>
auto twice(Step&& step) {
  auto done = step();
  return done ? done : step();
}

// The pid of a new worker, or -errno. The master waits for it: a zygote that cannot say it leaves, which says as much.
void answer(int socket, int number) {
  if (!twice([&] { return ipc::send_control(socket, std::as_bytes(std::span(&number, 1)), {}); })) ::_exit(1);
}

// noexcept: what is thrown here ends this process, and is not caught by the code of the master that made it.
[[noreturn]] void live_as_zygote(UniqueFd socket, pid_t master, Registry& registry, const ipc::Modules& modules) noexcept {
  ::prctl(PR_SET_NAME, "runner-zygote");
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != master) ::_exit(0);
  for (const int asked : {SIGINT, SIGTERM, SIGHUP}) ::signal(asked, SIG_IGN);  // the master's to decide on
  ThreadState state;
  const bool mendable = read_thread_state(state);
  ipc::ControlMessage message;
  for (;;) {
    const Result<ipc::Received> got = ipc::receive_control(socket.get(), message, true);
    if (!got || *got != ipc::Received::message) ::_exit(0);  // the master is gone, or closed us
    if (message.files.size() != 1 || !mendable) {
      answer(socket.get(), mendable ? -EPROTO : -ENOSYS);
      continue;
    }
    const pid_t pid = clone_sibling(state);
    if (pid == 0) {
      socket.reset();
      // The worker's own life; it never comes back into this loop.
      const int status = worker::serve(std::move(message.files.front()), registry, &modules);
      std::fflush(nullptr);  // what jobs printed; all else was written before the zygote was forked
      ::_exit(status);
    }
    answer(socket.get(), pid < 0 ? -errno : pid);
    message.files.clear();
  }
}

// Whether a fork copies all there is of this process, but for threads that wait for it between two pieces of work.
bool can_be_copied() {
  std::error_code unknown;
  const auto tasks = std::filesystem::directory_iterator("/proc/self/task", unknown);
  return !unknown && std::distance(begin(tasks), end(tasks)) == std::ptrdiff_t{1} + ipc::still_threads();
}

class ForkLauncher final : public Launcher {
 public:
  ForkLauncher(Registry& registry, const ipc::Modules& modules, const Guardian* guardian)
      : registry_(registry), modules_(modules), guardian_(guardian) {}
  ~ForkLauncher() override { part(); }
  ForkLauncher(const ForkLauncher&) = delete;
  ForkLauncher& operator=(const ForkLauncher&) = delete;

  // `again`: what this process has opened since is to be closed in the new one, or the other ends would never see that it ended.
  Result<void> bear(bool again) {
    Result<std::pair<UniqueFd, UniqueFd>> pair = ipc::control_pair();
    if (!pair) return tl::unexpected(pair.error());
    const pid_t master = ::getpid();
    std::fflush(nullptr);  // or each worker would print what is buffered here again
    const pid_t zygote = os::call("fork", ::fork);
    if (zygote < 0) return os::failure("fork the zygote", "fork");
    if (zygote == 0) {
      const int kept = pair->second.get();
      if (again) {
        ::syscall(SYS_close_range, STDERR_FILENO + 1, kept - 1, 0);
        ::syscall(SYS_close_range, kept + 1, ~0U, 0);
        static_cast<void>(pair->first.release());
      } else {
        pair->first.reset();
        if (guardian_ != nullptr) ::close(guardian_->socket());  // its end of file is to tell of the master's death
      }
      live_as_zygote(std::move(pair->second), master, registry_, modules_);
    }
    zygote_ = zygote;
    socket_ = std::move(pair->first);
    if (guardian_ == nullptr) return {};
    pidfd_.reset(static_cast<int>(os::call("pidfd_open", [&] { return ::syscall(SYS_pidfd_open, zygote, 0); })));
    return pidfd_ ? Result<void>{} : os::failure("watch the zygote", "pidfd_open");
  }

  Result<Launched> launch(int control) override {
    Result<Launched> launched = ask(control);
    // It died a moment ago, before its pidfd was looked at.
    if (!launched && !socket_ && replace_helper()) launched = ask(control);
    return launched;
  }

  pid_t helper() const override { return zygote_; }
  int helper_fd() const override { return pidfd_.get(); }

  Result<void> replace_helper() override {
    if (guardian_ == nullptr) return fail(ErrorCode::system, "cannot fork workers any more: the zygote is gone");
    part();
    if (!can_be_copied()) {
      return fail(ErrorCode::system,
                  "cannot fork workers any more: the zygote is gone, and a process with threads cannot make another");
    }
    return bear(true);
  }

 private:
  Result<Launched> ask(int control) {
    const std::byte one{1};
    if (!socket_) return fail(ErrorCode::system, "cannot fork a worker: the zygote is gone");
    if (Result<void> sent = ipc::send_control(socket_.get(), std::span(&one, 1), std::span(&control, 1)); !sent) {
      hang_up();
      return fail(ErrorCode::system, "cannot fork a worker, the zygote is gone: " + sent.error().text);
    }
    ipc::ControlMessage message;
    const Result<ipc::Received> got = twice([&] { return ipc::receive_control(socket_.get(), message, true); });
    int number = 0;
    if (!got || *got != ipc::Received::message || message.bytes.size() != sizeof number) {
      hang_up();  // whatever it still says would be no answer to a later question
      return fail(ErrorCode::system, "cannot fork a worker: the zygote is gone");
    }
    std::memcpy(&number, message.bytes.data(), sizeof number);
    if (number == -ENOSYS) {
      return fail(ErrorCode::system, "cannot fork workers: the kernel does not tell PR_GET_TID_ADDRESS (use --start spawn)");
    }
    if (number < 0) return os::failure("fork a worker", "clone", -number);
    return watched(number);
  }

  void part() {
    hang_up();
    pidfd_.reset();
    if (zygote_ >= 0) static_cast<void>(os::reap("waitpid", ::waitpid, zygote_, static_cast<int*>(nullptr), 0));
    zygote_ = -1;
  }

  // Ends the zygote. Closing alone would not, where a later zygote or another child of ours has inherited the descriptor.
  void hang_up() {
    if (socket_) static_cast<void>(::shutdown(socket_.get(), SHUT_RDWR));
    socket_.reset();
  }

  Registry& registry_;
  const ipc::Modules& modules_;
  const Guardian* guardian_;
  UniqueFd socket_, pidfd_;
  pid_t zygote_ = -1;
};

}  // namespace

Result<std::unique_ptr<Launcher>> make_fork_launcher(Registry& registry, const ipc::Modules& modules,
                                                     const Guardian* guardian) {
  auto launcher = std::make_unique<ForkLauncher>(registry, modules, guardian);
  if (Result<void> born = launcher->bear(false); !born) return tl::unexpected(born.error());
  return std::unique_ptr<Launcher>(std::move(launcher));
}

}  // namespace runner::master
