#include "master/engines/worker_process.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <runner/version.hpp>
#include <utility>

#include "ipc/core_file.hpp"
#include "ipc/layout.hpp"
#include "ipc/note.hpp"
#include "ipc/os.hpp"
#include "ipc/pipe_requester.hpp"
#include "ipc/process_tree.hpp"

extern "C" {  // this header of glibc 2.36 forgets to say so
#include <sys/pidfd.h>
}

namespace runner::master {

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(WorkerId id, std::uint64_t incarnation, Launcher& launcher,
                                                            ipc::Inbound* inbound, const WorkerSettings& settings) {
  Result<std::pair<UniqueFd, UniqueFd>> control = ipc::control_pair();
  if (!control) return tl::unexpected(control.error());
  ipc::Hello hello{.version = RUNNER_VERSION_STRING,
                   .layout = ipc::layout_hash(),
                   .transport = settings.transport,
                   .worker = number(id),
                   .incarnation = incarnation,
                   .master_pid = ::getpid(),
                   .depth = settings.geometry.depth,
                   .in_bytes = 0,
                   .out_bytes = settings.geometry.out_bytes,
                   .memfd_from = settings.geometry.memfd_from,
                   .max_result = settings.max_result,
                   .plugins = settings.plugins,
                   .shared = settings.shared != nullptr ? settings.shared->segments() : 0};
  std::unique_ptr<ipc::Requester> requester;
  std::vector<int> files;
  UniqueFd requests, replies;  // the worker's ends of pipes, closed here once they are sent
  if (settings.transport == ipc::Transport::shm) {
    auto made = ipc::ShmRequester::create(*inbound, number(id), incarnation, control->first.get(), settings.geometry,
                                          settings.max_result);
    if (!made) return tl::unexpected(made.error());
    hello.in_bytes = inbound->region().size();
    files = (*made)->files();
    requester = std::move(*made);
  } else {
    auto made = ipc::PipeRequester::create(control->first.get(), settings.max_result);
    if (!made) return tl::unexpected(made.error());
    requests = std::move(made->requests);
    replies = std::move(made->replies);
    files = {requests.get(), replies.get()};
    requester = std::move(made->requester);
  }
  // Said before the process exists: it finds its hello waiting.
  if (Result<void> sent = ipc::send_hello(control->first.get(), hello, files); !sent) return tl::unexpected(sent.error());
  if (settings.shared != nullptr) {
    if (Result<void> sent = ipc::send_shared(control->first.get(), *settings.shared); !sent)
      return tl::unexpected(sent.error());
  }
  std::unique_ptr<WorkerProcess> worker(
      new WorkerProcess(id, std::move(control->first), std::move(requester), settings.guardian));
  Result<Launched> launched = launcher.launch(control->second.get());
  if (!launched) return tl::unexpected(launched.error());
  worker->launched_ = std::move(*launched);
  if (settings.guardian != nullptr) settings.guardian->add(worker->pid());
  return worker;
}

WorkerProcess::~WorkerProcess() {
  if (launched_.pid < 0) close();  // should a process have come into being all the same, it leaves
  if (launched_.pid < 0 || reaped_) return;
  kill();
  static_cast<void>(reap());
}

Result<bool> WorkerProcess::greet() {
  ipc::ControlMessage message;
  const Result<ipc::Received> got = ipc::receive_control(control_.get(), message, false);
  if (!got) return tl::unexpected(got.error());
  if (*got != ipc::Received::message) return false;  // an end of file is its death, which the pidfd tells
  const Result<ipc::Ready> ready = ipc::read_ready(message);
  if (!ready) {
    return fail(ErrorCode::system, "the worker program does not answer as a worker (" + ready.error().text +
                                       "): install runner and runner-worker from one build");
  }
  if (std::string differs = ipc::mismatch("worker", ready->version, ready->layout); !differs.empty()) {
    return fail(ErrorCode::system, std::move(differs));
  }
  if (!ready->refusal.empty()) return fail(ErrorCode::system, "a worker refused to start: " + ready->refusal);
  greeted_ = true;
  return true;
}

void WorkerProcess::hang_up() {
  // Closing alone is not the end where another child of ours has inherited the descriptor.
  static_cast<void>(::shutdown(control_.get(), SHUT_RDWR));
  control_.reset();
}

Result<void> WorkerProcess::terminate(ipc::Ticket ticket) {
  return ipc::send_note(control_.get(), {ipc::NoteTag::terminate, number(ticket)}, {}, false);
}

void WorkerProcess::kill() {
  // Its death would leave what is below it to others.
  if (!reaped_ && !os::children_of(pid()).empty()) {
    signal(SIGSTOP);
    os::end_processes(os::below(launched_.pid));
  }
  signal(SIGKILL);
}

void WorkerProcess::signal(int number) {
  // ESRCH means that it is dead already, which is what was wanted.
  if (os::call("pidfd_send_signal", ::pidfd_send_signal, launched_.pidfd.get(), number, nullptr, 0U) == 0 || errno == ESRCH)
    return;
  // A sandbox may not know that call. It is not reaped, so the number is still its own.
  if (!reaped_) static_cast<void>(os::call("kill", ::kill, launched_.pid, number));
}

WorkerProcess::Death WorkerProcess::reap() {
  siginfo_t info{};
  rusage usage{};
  const long waited = os::reap(
      "waitid", [&] { return ::syscall(SYS_waitid, P_PIDFD, launched_.pidfd.get(), &info, WEXITED | __WALL, &usage); });
  reaped_ = waited == 0;
  Death death;
  if (!reaped_ && errno == ECHILD) {
    reaped_ = true;
    death.how = "ended, and nobody can say how: this program ignores SIGCHLD, or waited for children that are not its own";
    if (guardian_ != nullptr) guardian_->remove(launched_.pid);
    return death;
  }
  if (!reaped_) {
    death.how = os::describe("learn how a worker died", "waitid", errno);
    return death;
  }
  if (guardian_ != nullptr) guardian_->remove(launched_.pid);
  for (const timeval& spent : {usage.ru_utime, usage.ru_stime}) {
    death.cpu += std::chrono::seconds(spent.tv_sec) + std::chrono::microseconds(spent.tv_usec);
  }
  const auto count = [](long counted) { return static_cast<std::uint64_t>(counted); };
  death.usage = {count(usage.ru_nvcsw), count(usage.ru_nivcsw), count(usage.ru_minflt), count(usage.ru_majflt)};
  death.peak_memory = Bytes{static_cast<std::uint64_t>(usage.ru_maxrss) * 1024};
  if (info.si_code == CLD_EXITED) {
    death.how = "left with exit status " + std::to_string(info.si_status);
    return death;
  }
  death.signal = info.si_status;
  death.how = "died of " + signal_name(info.si_status);
  if (info.si_code == CLD_DUMPED) death.core = os::core_file(launched_.pid, info.si_status, {}, began_);
  return death;
}

}  // namespace runner::master
