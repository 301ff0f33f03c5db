#include "worker/serve.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <runner/version.hpp>
#include <string>
#include <utility>
#include <variant>

#include "ipc/call_message.hpp"
#include "ipc/control.hpp"
#include "ipc/hello.hpp"
#include "ipc/inheritance.hpp"
#include "ipc/layout.hpp"
#include "ipc/message.hpp"
#include "ipc/os.hpp"
#include "ipc/pipe_responder.hpp"
#include "ipc/process_tree.hpp"
#include "ipc/shared_state.hpp"
#include "ipc/shm_responder.hpp"
#include "worker/command.hpp"
#include "worker/executor.hpp"

namespace runner::worker {

namespace {

struct Served {
  ipc::Responder& responder;
  const Registry& registry;
  const ipc::Modules* modules;
  int control;
  std::uint64_t max_result;
  const Shared& shared;
  Adopts adopts;
  std::uint32_t forks;  // of this process
};

// Exit statuses of a worker that leaves by itself, for the master's message.
constexpr int kDone = 0, kNoHello = 70, kBrokenConnection = 71, kNoMemory = 72, kStray = 73;

void go_first_when_memory_runs_out() {
  constexpr int adjustment = 500;  // of 1000: as if it used half of all memory more than it does
  const UniqueFd file(os::retry("open", ::open, "/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC));
  char now[16] = {};
  if (!file || os::retry("read", ::read, file.get(), static_cast<void*>(now), sizeof now - 1) <= 0) return;
  if (std::atoi(now) >= adjustment) return;
  const std::string wanted = std::to_string(adjustment);
  // Where it is not allowed, the kernel chooses as it would anyway.
  static_cast<void>(
      os::retry("pwrite", ::pwrite, file.get(), static_cast<const void*>(wanted.data()), wanted.size(), off_t{0}));
}

// What the kernel sends when the master is dead. Not SIGKILL: what the job has started would be left. Where no handler is left (the
// job's code became another program), it kills all the same.
int orphaned_signal() { return SIGRTMAX; }

void end_with_everything_below(int) {
  const pid_t self = ::getpid();
  os::end_processes(os::below(self));
  ::kill(self, SIGKILL);
}

// A batch hands out one job at a time, so all that is below this process belongs to the job that runs, and to nobody when none runs.
Adopts adopt_orphans() { return os::call("prctl", ::prctl, PR_SET_CHILD_SUBREAPER, 1) == 0 ? Adopts::yes : Adopts::no; }

// Things a worker must get right before it runs anybody's code:
//  1. It dies with its master, and what is below it too. PDEATHSIG counts from now, so whether the master died a moment ago is looked
//     at afterwards.
//  2. A terminal's Ctrl-C or its end, or a SIGTERM to the whole group, is the master's to decide on. Crash signals kill: the status is the evidence.
//  3. Its standard input is nobody's; what a job prints goes to stderr, so that stdout carries results only.
//  4. Where memory runs out, the kernel ends a worker, or what it has started, before the master, which can tell of it.
Result<void> take_over_process(const ipc::Hello& hello) {
  ::prctl(PR_SET_NAME, ("runner-w" + std::to_string(hello.worker)).c_str());
  use_slot(hello.worker + 1);
  struct sigaction orphaned{};
  orphaned.sa_handler = end_with_everything_below;
  sigfillset(&orphaned.sa_mask);
  if (os::call("sigaction", ::sigaction, orphaned_signal(), &orphaned, nullptr) != 0 ||
      os::call("prctl", ::prctl, PR_SET_PDEATHSIG, orphaned_signal()) != 0) {
    return os::failure("follow the master", "prctl");
  }
  if (::getppid() != hello.master_pid) return fail(ErrorCode::system, "the master is gone");

  for (const int asked : {SIGINT, SIGTERM, SIGHUP}) ::signal(asked, SIG_IGN);
  for (const int fatal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPIPE}) ::signal(fatal, SIG_DFL);
  // exit() in a job ends this process, and runs nothing that the master has set up for its own end.
  if (::on_exit([](int status, void*) { std::fflush(nullptr), ::_exit(status); }, nullptr) != 0) {
    return os::failure("prepare for its end", "on_exit");
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // it leads to where standard error does, and is read as promptly
  ::signal(SIGCHLD, SIG_DFL);                     // ignored by whoever started us, the kernel would forget how commands end

  const UniqueFd null(os::retry("open", ::open, "/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) return os::failure("open /dev/null", "open");
  if (os::call("dup2", ::dup2, null.get(), STDIN_FILENO) < 0 || os::call("dup2", ::dup2, STDERR_FILENO, STDOUT_FILENO) < 0) {
    return os::failure("set up standard input and output", "dup2");
  }
  go_first_when_memory_runs_out();
  return {};
}

Result<std::unique_ptr<ipc::Responder>> connect(const ipc::Hello& hello, std::vector<UniqueFd> files, int control) {
  switch (hello.transport) {
    case ipc::Transport::shm: {
      auto responder = ipc::ShmResponder::open(hello, std::move(files), control);
      if (!responder) return tl::unexpected(responder.error());
      return std::unique_ptr<ipc::Responder>(std::move(*responder));
    }
    case ipc::Transport::pipe: {
      auto responder = ipc::PipeResponder::open(hello, std::move(files), control);
      if (!responder) return tl::unexpected(responder.error());
      return std::unique_ptr<ipc::Responder>(std::move(*responder));
    }
  }
  return fail(ErrorCode::protocol, "the hello names an unknown transport");
}

Result<std::unique_ptr<ipc::Responder>> greet(const ipc::Hello& hello, std::vector<UniqueFd> files, int control,
                                              Registry& registry, ipc::SharedState& shared) {
  if (std::string differs = ipc::mismatch("master", hello.version, hello.layout); !differs.empty()) {
    return fail(ErrorCode::protocol, std::move(differs));
  }
  if (Result<void> ours = take_over_process(hello); !ours) return tl::unexpected(ours.error());
  for (const std::string& plugin : hello.plugins) {
    if (Result<std::string> loaded = registry.load_plugin(plugin); !loaded) return tl::unexpected(loaded.error());
  }
  Result<ipc::SharedState> received = ipc::receive_shared(control, hello.shared);
  if (!received) return tl::unexpected(received.error());
  shared = std::move(*received);
  return connect(hello, std::move(files), control);
}

const std::string kUnsent = "its result could not be sent: ";

Result<void> answer(const Served& by, const ipc::Answer& answer) try {
  return by.responder.answer(answer);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::unwritable, os::describe("write it down", "malloc", ENOMEM));
}

// What cannot be sent fails its job; its worker is well.
bool is_too_much(const Result<void>& answered) { return !answered && answered.error().code == ErrorCode::unwritable; }

// What a typed job leaves running, and how much memory this worker has had. Nobody starts a process in less than kStarting.
void add_evidence(Outcome& outcome) {
  constexpr Duration kStarting = std::chrono::microseconds(20);
  if (outcome.wall >= kStarting && os::has_children()) {
    std::array<os::Process, os::kNamed> found;
    const pid_t self = ::getpid();
    outcome.left_behind = os::names_of(found, os::end_processes(os::below(self), found));
  }
  if (outcome.wall < Outcome::kMeasured) return;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) outcome.peak_memory = Bytes{static_cast<std::uint64_t>(usage.ru_maxrss) * 1024};
}

// The code of jobs is anybody's. A process that it forked, and let come back out of it, has no business in our name.
void end_strays(const Served& by) {
  if (ipc::fork_count() != by.forks) ::_exit(kStray);
}

// What there is no memory for fails, and takes nobody with it.
Result<void> refuse(const Served& by, const Error& why) {
  if (Result<void> entered = by.responder.entering(); !entered) return entered;
  const std::string reason = "its arguments could not be taken in by a worker: " + why.text;
  const ipc::TextContent text(reason);
  return answer(by, {.last_part = ipc::LastPart::failure, .last = &text, .files = 0, .attached = {}});
}

// One job of a batch, from "entered" to "answered".
Result<void> run_job(const Served& by, const ipc::Incoming& incoming) {
  const Result<ipc::JobRequest> request = ipc::read_request(incoming.bytes);
  if (!request) return tl::unexpected(request.error());
  ipc::JobReply reply;
  reply.job = request->job;
  reply.attempt = request->attempt;
  const bool timed = incoming.seen != TimePoint{};
  if (timed && incoming.woken != TimePoint{}) reply.arriving = incoming.seen - incoming.woken;
  if (timed && incoming.free != TimePoint{}) reply.free = incoming.seen - incoming.free;
  if (Result<void> entered = by.responder.entering(); !entered) return entered;
  if (const auto* typed = std::get_if<ipc::TypedView>(&request->work)) {
    const Kind* kind = by.registry.find(typed->kind);
    if (kind == nullptr) {
      reply.outcome.ending = Failed{"this worker knows no kind `" + std::string(typed->kind) + "`"};
    } else {
      JobContext context(request->job, request->attempt, {}, &by.shared, typed->cpus);
      Executed executed = execute(*kind, typed->args, context, by.max_result);
      reply.outcome = std::move(executed.outcome);
      if (timed) reply.deserialize = executed.entered - incoming.seen;
      if (by.adopts == Adopts::yes) add_evidence(reply.outcome);
    }
  } else {
    Result<void> broken;
    const auto wish = [&] {
      const Result<bool> asked = by.responder.terminate_asked();
      if (!asked) broken = tl::unexpected(asked.error());
      reply.terminated = reply.terminated || !asked || *asked;
      // With the master gone there is nobody to be patient for.
      return !asked ? Wish::kill : reply.terminated ? Wish::terminate : Wish::go_on;
    };
    if (timed) reply.deserialize = std::chrono::steady_clock::now() - incoming.seen;
    reply.outcome = run_command(std::get<CommandWork>(request->work), by.control, wish, by.adopts);
    if (!broken) return broken;
  }
  end_strays(by);
  std::array<int, 2> files{};
  std::size_t count = 0;
  for (const UniqueFd* file : {&reply.outcome.out.spill, &reply.outcome.err.spill}) {
    if (*file) files[count++] = file->get();
  }
  const ipc::ReplyContent content(reply);
  Result<void> answered = answer(by, {.last_part = ipc::LastPart::result,
                                      .last = &content,
                                      .files = ipc::spilled_files(reply.outcome),
                                      .attached = std::span(files).first(count)});
  if (!is_too_much(answered)) return answered;
  Outcome failed;
  failed.ending = Failed{kUnsent + answered.error().text};
  failed.wall = reply.outcome.wall;
  failed.cpu = reply.outcome.cpu;
  reply.outcome = std::move(failed);
  const ipc::ReplyContent less(reply);
  return answer(by, {.last_part = ipc::LastPart::result, .last = &less, .files = 0, .attached = {}});
}

// The calls of one request, from the first item entered to "answered".
Result<void> run_calls(const Served& by, const ipc::Incoming& incoming) {
  const Result<ipc::CallRequest> request = ipc::read_call(incoming.bytes);
  if (!request) return tl::unexpected(request.error());
  if (Result<void> entered = by.responder.entering(); !entered) return entered;
  std::optional<Failed> failed;
  const auto trampoline = by.modules != nullptr ? by.modules->find(request->header.trampoline) : nullptr;
  const auto function = by.modules != nullptr ? by.modules->find(request->header.function) : nullptr;
  if (trampoline == nullptr || function == nullptr) {
    failed = Failed{"this worker is another program than its master, and has no function of that name (fork the workers)"};
  } else {
    ByteReader args(request->args, incoming.owner);
    JobContext context({}, Attempt{1}, {}, &by.shared);
    CallItems call{function, incoming.items, args, by.responder.items(), context};
    failed = execute(reinterpret_cast<Trampoline>(trampoline), call);
    end_strays(by);
  }
  if (!failed) {
    Result<void> answered = answer(by, {});
    if (!is_too_much(answered)) return answered;
    failed = Failed{kUnsent + answered.error().text};
  }
  const ipc::TextContent text(failed->reason);
  return answer(by, {.last_part = ipc::LastPart::failure, .last = &text, .files = 0, .attached = {}});
}

}  // namespace

int serve(UniqueFd control, Registry& registry, const ipc::Modules* modules) {
  ipc::ControlMessage message;
  const Result<ipc::Received> got = ipc::receive_control(control.get(), message, true);
  if (got && *got != ipc::Received::message) return kNoHello;
  const Result<ipc::Hello> hello = got ? ipc::read_hello(message) : tl::unexpected(got.error());

  ipc::SharedState shared;
  Result<std::unique_ptr<ipc::Responder>> responder =
      hello ? greet(*hello, std::move(message.files), control.get(), registry, shared) : tl::unexpected(hello.error());
  const ipc::Ready ready{RUNNER_VERSION_STRING, ipc::layout_hash(), responder ? std::string() : responder.error().text};
  if (!ipc::send_ready(control.get(), ready) || !responder) return kNoHello;

  Served by{**responder, registry, modules, control.get(), hello->max_result, shared.view(), Adopts::no, ipc::fork_count()};
  for (;;) try {
      const Result<std::optional<ipc::Incoming>> request = by.responder.next();
      if (!request) return kBrokenConnection;
      if (!*request) return kDone;
      const ipc::Incoming& incoming = **request;
      const bool calls = incoming.form == ipc::Form::call;
      if (!calls && by.adopts == Adopts::no) by.adopts = adopt_orphans();
      const Result<void> done = incoming.lost ? refuse(by, *incoming.lost)
                                : calls       ? run_calls(by, incoming)
                                              : run_job(by, incoming);
      if (!done) return kBrokenConnection;
    } catch (const std::bad_alloc&) {
      return kNoMemory;  // jobs have left none; in the next worker there is some
    }
}

}  // namespace runner::worker
