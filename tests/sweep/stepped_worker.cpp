#include "tests/sweep/stepped_worker.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "ipc/os.hpp"
#include "worker/serve.hpp"

namespace runner::sweep {

Result<std::unique_ptr<SteppedWorker>> SteppedWorker::start(ipc::ChannelEnds& ends, Registry& registry,
                                                            const ipc::Modules& modules) {
  const pid_t pid = ::fork();
  if (pid < 0) return os::failure("fork a worker", "fork");
  if (pid == 0) {
    ends.master_control.reset();
    ::_exit(worker::serve(std::move(ends.worker_control), registry, &modules));
  }
  ends.worker_control.reset();
  std::unique_ptr<SteppedWorker> worker(new SteppedWorker(pid));
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0) return os::failure("trace a child", "ptrace");
  ipc::ControlMessage message;
  const Result<ipc::Received> got = ipc::receive_control(ends.master_control.get(), message, true);
  if (!got) return tl::unexpected(got.error());
  const Result<ipc::Ready> ready = ipc::read_ready(message);
  if (!ready) return tl::unexpected(ready.error());
  if (!ready->refusal.empty()) return fail(ErrorCode::protocol, ready->refusal);
  return worker;
}

SteppedWorker::SteppedWorker(pid_t pid) : pid_(pid) {
  cpu_set_t one;
  CPU_ZERO(&one);
  ::sched_getaffinity(0, sizeof before_, &before_);
  CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
  // Where that is not allowed it only takes longer.
  ::sched_setaffinity(0, sizeof one, &one);
  ::sched_setaffinity(pid, sizeof one, &one);
}

SteppedWorker::~SteppedWorker() {
  ::sched_setaffinity(0, sizeof before_, &before_);
  if (ended_) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, __WALL) == pid_ && !WIFEXITED(status) && !WIFSIGNALED(status)) {
  }
}

void SteppedWorker::stop() {
  ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr), 0);
  int signal = 0;
  ASSERT_TRUE(wait(signal)) << "the worker has ended";
}

bool SteppedWorker::step() {
  if (ended_ || ::ptrace(PTRACE_SINGLESTEP, pid_, nullptr, static_cast<long>(std::exchange(pending_, 0))) != 0) return false;
  int signal = 0;
  if (!wait(signal)) return false;
  if (signal != SIGTRAP) pending_ = signal;
  return true;
}

bool SteppedWorker::wait(int& signal) {
  int status = 0;
  pid_t got = -1;
  do {
    got = ::waitpid(pid_, &status, __WALL);
  } while (got < 0 && errno == EINTR);
  if (got == pid_ && WIFSTOPPED(status)) {
    signal = WSTOPSIG(status);
    return true;
  }
  ended_ = true;
  if (got == pid_ && WIFEXITED(status)) exit_status_ = WEXITSTATUS(status);
  return false;
}

}  // namespace runner::sweep
