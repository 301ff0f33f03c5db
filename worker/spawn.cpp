#include "worker/spawn.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/os.hpp"
#include "ipc/thread_caps.hpp"
#include "worker/job_group.hpp"

namespace runner::worker {

namespace {

enum class Step : int { none, orphaned, streams, folder, exec };

// What the child needs and what it answers; it lives in the parent's memory while the parent stands still.
struct Plan {
  const char* program = nullptr;
  char* const* argv = nullptr;
  char* const* envp = nullptr;
  const char* cwd = nullptr;
  int in = -1, out = -1, err = -1;
  pid_t parent = -1;
  Step failed = Step::none;
  int error = 0;
};

// The child runs in our memory until it has become the program: a sanitizer's bookkeeping there would be taken for ours.
#define RUNNER_IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))

// What the kernel takes for a disposition: handler, flags, restorer, mask; all zero is the default.
struct KernelAction {
  std::array<std::uint64_t, 4> words{};
};

RUNNER_IN_CHILD void give_up(Plan& plan, Step step) {
  plan.error = errno;
  plan.failed = step;
  ::_exit(127);
}

// Runs on a stack of its own: system calls only, nothing that allocates or locks.
RUNNER_IN_CHILD int become_program(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) give_up(plan, Step::orphaned);
  // exec resets handlers but keeps what is ignored, and we ignore some. Not by sigaction(3): a sanitizer keeps its own table of
  // handlers behind that, which is ours too as long as we share memory.
  const KernelAction usual;
  for (const int ignored : {SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGHUP, SIGCHLD, SIGXFSZ}) {
    ::syscall(SYS_rt_sigaction, ignored, &usual, nullptr, sizeof(std::uint64_t));
  }
  if (::dup2(plan.in, STDIN_FILENO) < 0 || ::dup2(plan.out, STDOUT_FILENO) < 0 || ::dup2(plan.err, STDERR_FILENO) < 0) {
    give_up(plan, Step::streams);
  }
  if (plan.cwd != nullptr && ::chdir(plan.cwd) != 0) give_up(plan, Step::folder);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program, plan.argv, plan.envp);
  give_up(plan, Step::exec);
  return 127;
}

using Stack = std::array<char, 64 * 1024>;

RUNNER_IN_CHILD int leave_at_once(void*) { ::_exit(0); }

// As clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD), but born into a control group: the C library has no way to ask for that.
pid_t clone_into([[maybe_unused]] int group, [[maybe_unused]] Stack& stack, [[maybe_unused]] int (*run)(void*),
                 [[maybe_unused]] void* with, [[maybe_unused]] int& pidfd) {
#if defined(__x86_64__)
  clone_args how{};
  how.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_INTO_CGROUP;
  how.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  how.exit_signal = SIGCHLD;
  how.stack = reinterpret_cast<std::uint64_t>(stack.data());
  how.stack_size = stack.size();
  how.cgroup = static_cast<__u64>(group);
  long result = SYS_clone3;
  // In the child everything is as here but the stack, so it takes what it needs from registers.
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "mov %[with], %%rdi\n\t"
      "call *%[run]\n\t"
      "mov %%eax, %%edi\n\t"
      "mov %[leave], %%eax\n\t"
      "syscall\n\t"
      "1:"
      : "+a"(result)
      : "D"(&how), "S"(sizeof how), [run] "r"(run), [with] "r"(with), [leave] "i"(SYS_exit)
      : "rcx", "r11", "memory");
  if (result < 0) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return static_cast<pid_t>(result);
#else
  errno = ENOSYS;
  return -1;
#endif
}

bool is_program(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

// As execvp looks: a name with a slash is a path, any other is looked up. Empty: not found.
std::string resolve(const std::string& name, std::string_view path) {
  if (name.find('/') != std::string::npos) return name;
  while (!name.empty()) {
    const std::size_t colon = path.find(':');
    const std::string_view folder = path.substr(0, colon);
    std::string candidate = (folder.empty() ? std::string(".") : std::string(folder)) + "/" + name;
    if (is_program(candidate)) return candidate;
    if (colon == std::string_view::npos) break;
    path.remove_prefix(colon + 1);
  }
  return {};
}

constexpr std::string_view kSlot = "RUNNER_SLOT=";
thread_local std::uint32_t slot_of_this_thread = 1;

// What a job that takes several places gets in place of what every job has.
void add_caps(const CommandWork& work, std::vector<std::string>& own) {
  const char* mark = std::getenv(ipc::kMark);
  const ipc::ThreadCaps caps = ipc::ThreadCaps::of(mark != nullptr ? mark : "");
  const std::string threads = std::to_string(std::uint64_t{caps.threads} * work.cpus);
  own.push_back(std::string(ipc::kCpus) + "=" + threads);
  if (work.cpus == 1) return;
  for (const std::string_view name : caps.ours) {
    if (!work.env.contains(std::string(name))) own.push_back(std::string(name) + "=" + threads);
  }
}

std::string_view name_in(std::string_view entry) { return entry.substr(0, entry.find('=')); }

std::vector<std::string> merged_environment(const CommandWork& work) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!work.env.contains(std::string(text.substr(0, text.find('='))))) merged.emplace_back(text);
  }
  for (const auto& [name, value] : work.env) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

std::string why_not(const CommandWork& work, const std::string& program, const Plan& plan) {
  switch (plan.failed) {
    case Step::none: break;
    case Step::orphaned: return "its worker is going away";
    case Step::streams: return std::string("its streams cannot be set up: ") + std::strerror(plan.error);
    case Step::folder: return "the folder `" + work.cwd + "` cannot be entered: " + std::strerror(plan.error);
    case Step::exec: {
      const std::string at = work.cwd.empty() || program.starts_with('/') ? program : work.cwd + "/" + program;
      struct stat info{};
      if (plan.error == ENOENT && ::stat(at.c_str(), &info) == 0) {
        return "`" + program + "` cannot be run: the interpreter named in its first line does not exist";
      }
      if (plan.error == ENOENT) return "the command `" + program + "` does not exist";
      if (plan.error == EACCES && ::stat(at.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
        return "`" + program + "` is a folder, not a program";
      }
      if (plan.error == EACCES) return "`" + program + "` is not executable (chmod +x?)";
      if (plan.error == ENOEXEC) return "`" + program + "` is not a program (a script needs a #! line)";
      if (plan.error == E2BIG) return "the arguments and environment of `" + program + "` are longer than the system allows";
      return "`" + program + "` cannot be run: " + std::strerror(plan.error);
    }
  }
  return {};
}

struct Pipe {
  UniqueFd read, write;
};
Result<Pipe> make_pipe() {
  int ends[2];
  // O_NONBLOCK on our end only: a program that finds its stdout non-blocking may misbehave.
  if (os::call("pipe2", ::pipe2, ends, O_CLOEXEC) != 0) return os::failure("capture the output of a command", "pipe2");
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  if (os::call("fcntl", ::fcntl, ends[0], F_SETFL, O_NONBLOCK) != 0)
    return os::failure("capture the output of a command", "fcntl");
  return pipe;
}

}  // namespace

void use_slot(std::uint32_t slot) { slot_of_this_thread = slot; }
std::uint32_t slot_in_use() { return slot_of_this_thread; }

bool can_be_born_into(int group) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  alignas(16) Stack stack;
  int pidfd = -1;
  const pid_t pid = os::call("clone3", [&] { return clone_into(group, stack, &leave_at_once, nullptr, pidfd); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return false;
  const UniqueFd closed(pidfd);
  int status = 0;
  return os::reap("waitpid", ::waitpid, pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Result<Spawned> spawn(const CommandWork& work, int group) {
  if (work.argv.empty()) return fail(ErrorCode::bad_batch, "the command is empty");
  const auto own_path = work.env.find("PATH");
  const char* inherited = std::getenv("PATH");
  const std::string_view path = own_path != work.env.end()
                                    ? std::string_view(own_path->second)
                                    : std::string_view(inherited != nullptr ? inherited : "/usr/bin:/bin");
  const std::string program = resolve(work.argv.front(), path);
  if (program.empty()) {
    return fail(ErrorCode::bad_batch, "the command `" + work.argv.front() + "` was not found in PATH");
  }
  const char* input = work.stdin_path.empty() ? "/dev/null" : work.stdin_path.c_str();
  // Not blocking, or a FIFO that nobody writes to would hold us for ever; the program itself gets it blocking.
  const UniqueFd in(os::retry("open", ::open, input, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!in) {
    return fail(ErrorCode::bad_batch, std::string("its stdin `") + input + "` cannot be opened: " + std::strerror(errno));
  }
  if (os::call("fcntl", ::fcntl, in.get(), F_SETFL, 0) != 0) return os::failure("set up the stdin of a command", "fcntl");
  Result<Pipe> out = make_pipe();
  if (!out) return tl::unexpected(out.error());
  Result<Pipe> err = make_pipe();
  if (!err) return tl::unexpected(err.error());

  const std::vector<char*> argv = pointers(work.argv);
  const std::vector<std::string> environment = work.env.empty() ? std::vector<std::string>() : merged_environment(work);
  std::vector<std::string> own{std::string(kSlot) + std::to_string(slot_of_this_thread)};
  add_caps(work, own);
  std::vector<char*> envp = pointers(environment);
  if (work.env.empty()) {
    envp.pop_back();
    for (char** entry = environ; *entry != nullptr; ++entry) envp.push_back(*entry);
    envp.push_back(nullptr);
  }
  std::erase_if(envp, [&own](const char* entry) {
    if (entry == nullptr) return false;
    const std::string_view name = name_in(entry);
    return name == ipc::kMark || name == kRunGroup ||
           std::any_of(own.begin(), own.end(), [&](const auto& one) { return name_in(one) == name; });
  });
  for (std::string& variable : own) envp.insert(envp.begin(), variable.data());
  Plan plan{.program = program.c_str(),
            .argv = argv.data(),
            .envp = envp.data(),
            .cwd = work.cwd.empty() ? nullptr : work.cwd.c_str(),
            .in = in.get(),
            .out = out->write.get(),
            .err = err->write.get(),
            .parent = ::getpid()};

  // No handler of ours may run in the child while it shares our memory.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  alignas(16) Stack stack;
  int pidfd = -1;
  pid_t pid = group < 0 ? -1 : os::call("clone3", [&] { return clone_into(group, stack, &become_program, &plan, pidfd); });
  const bool grouped = pid >= 0;
  // Without the group it is started all the same.
  if (!grouped)
    pid = os::call("clone", [&] {
      return ::clone(become_program, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan,
                     &pidfd);
    });
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return os::failure("start `" + program + "`", "clone", error);
  Spawned spawned{pid, UniqueFd(pidfd), std::move(out->read), std::move(err->read), grouped};
  if (plan.failed != Step::none) {
    static_cast<void>(os::reap("waitpid", ::waitpid, pid, static_cast<int*>(nullptr), 0));
    return fail(ErrorCode::bad_batch, why_not(work, program, plan));
  }
  return spawned;
}

}  // namespace runner::worker
