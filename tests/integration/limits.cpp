#include "tests/integration/limits.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

namespace runner::integration {

namespace {

bool write_to(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const bool done = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) ::close(fd);
  return done;
}

}  // namespace

std::function<void()> limited(__rlimit_resource resource, rlim_t most) {
  return [=] {
    const rlimit limit{most, most};
    if (::setrlimit(resource, &limit) != 0) ::_exit(kCannotLimit);
  };
}

std::function<void()> without_call(long number, int error) {
  return [=] {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{sizeof program / sizeof program[0], program};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
      ::_exit(kCannotLimit);
    }
  };
}

std::function<void()> with_processes(rlim_t most) {
  return [=] {
    constexpr uid_t nobody = 65534;
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(nobody) != 0 || ::setuid(nobody) != 0)) {
      ::_exit(kCannotLimit);
    }
    limited(RLIMIT_NPROC, most)();
  };
}

MemoryGroup::MemoryGroup(std::uint64_t bytes) {
  static int count = 0;
  const std::string name = "/runner-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
  for (const auto& [parent, limit] :
       {std::pair("/sys/fs/cgroup/memory", "/memory.limit_in_bytes"), std::pair("/sys/fs/cgroup", "/memory.max")}) {
    const std::string path = parent + name;
    if (::mkdir(path.c_str(), 0755) != 0) {
      why_not_ = path + ": " + std::strerror(errno);
      continue;
    }
    path_ = path;
    if (write_to(path + limit, std::to_string(bytes))) {
      why_not_.clear();
      return;
    }
    why_not_ = path + limit + ": " + std::strerror(errno);
    ::rmdir(path.c_str());
    path_.clear();
  }
}

MemoryGroup::~MemoryGroup() {
  if (path_.empty()) return;
  for (int tries = 0; tries < 500 && ::rmdir(path_.c_str()) != 0 && errno == EBUSY; ++tries) {
    std::ifstream members(path_ + "/cgroup.procs");
    for (pid_t pid = 0; members >> pid;) ::kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::function<void()> MemoryGroup::joined() const {
  return [path = path_] {
    if (!write_to(path + "/cgroup.procs", "0")) ::_exit(kCannotLimit);
  };
}

}  // namespace runner::integration
