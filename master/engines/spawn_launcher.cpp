#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "ipc/os.hpp"
#include "master/engines/launcher.hpp"

extern "C" {  // this header of glibc 2.36 forgets to say so
#include <sys/pidfd.h>
}

namespace runner::master {

namespace {

// Where a worker program expects its control socket.
constexpr int kControlFd = 3;

class SpawnLauncher final : public Launcher {
 public:
  explicit SpawnLauncher(UniqueFd program) : program_(std::move(program)) {}

  Result<Launched> launch(int control) override {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, control, kControlFd);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);

    const std::string path = "/proc/self/fd/" + std::to_string(program_.get());
    char name[] = "runner-worker";
    char* argv[] = {name, nullptr};
    pid_t pid = -1;
    // posix_spawn answers the error itself, so -1 from the seam is told apart by errno.
    int error = os::call("posix_spawn", ::posix_spawn, &pid, path.c_str(), &actions, &attributes,
                         static_cast<char* const*>(argv), environ);
    if (error == -1) error = errno;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) return os::failure("start a worker", "posix_spawn", error);
    return watched(pid);
  }

 private:
  UniqueFd program_;
};

Result<std::string> beside_this_program() {
  char self[PATH_MAX];
  const ssize_t length = os::call("readlink", ::readlink, "/proc/self/exe", self, sizeof self);
  if (length < 0 || static_cast<std::size_t>(length) >= sizeof self) {
    return os::failure("find the worker program", "readlink");
  }
  const std::string path(self, static_cast<std::size_t>(length));
  return path.substr(0, path.rfind('/') + 1) + "runner-worker";
}

}  // namespace

Result<Launched> watched(pid_t pid) {
  UniqueFd pidfd(os::call("pidfd_open", ::pidfd_open, pid, 0U));
  if (pidfd) return Launched{pid, std::move(pidfd)};
  const int why = errno;
  ::kill(pid, SIGKILL);
  static_cast<void>(os::reap("waitpid", ::waitpid, pid, static_cast<int*>(nullptr), static_cast<int>(__WALL)));
  return os::failure("watch a worker", "pidfd_open", why);
}

Result<std::unique_ptr<Launcher>> make_spawn_launcher(const std::string& program) {
  std::string path = program;
  if (path.empty()) {
    Result<std::string> found = beside_this_program();
    if (!found) return tl::unexpected(found.error());
    path = std::move(*found);
  }
  UniqueFd opened(os::retry("open", ::open, path.c_str(), O_PATH | O_CLOEXEC));
  if (!opened || os::call("access", ::access, path.c_str(), X_OK) != 0) {
    if (errno != ENOENT && errno != EACCES && errno != ENOTDIR)
      return os::failure("open the worker program `" + path + "`", "open");
    return fail(ErrorCode::usage, "cannot start workers: `" + path + "`: " + std::strerror(errno) +
                                      " (the worker program belongs beside `runner`: install both, or use --start fork)");
  }
  // Not the number that the child gives its control socket.
  UniqueFd high(os::call("fcntl", ::fcntl, opened.get(), F_DUPFD_CLOEXEC, kControlFd + 1));
  if (!high) return os::failure("open the worker program", "fcntl");
  return std::unique_ptr<Launcher>(std::make_unique<SpawnLauncher>(std::move(high)));
}

}  // namespace runner::master
