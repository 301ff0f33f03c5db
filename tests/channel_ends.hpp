// channel_ends.hpp - both ends of one connection inside one process, over either transport, made as master and worker make
// them.
//
// Called from  tests and bench. Requester and responder may be used by one thread each.
// Owns         all of it; descriptors went over the control socket, so the two ends share none.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <runner/version.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ipc/hello.hpp"
#include "ipc/inbound.hpp"
#include "ipc/job_requester.hpp"
#include "ipc/layout.hpp"
#include "ipc/note.hpp"
#include "ipc/pipe_requester.hpp"
#include "ipc/pipe_responder.hpp"
#include "ipc/shm_requester.hpp"
#include "ipc/shm_responder.hpp"

namespace runner::ipc {

// The master's end as the engine uses it.
class RequesterEnd {
 public:
  explicit RequesterEnd(std::unique_ptr<Requester> requester) : requester_(std::move(requester)), jobs_(*requester_) {}
  [[nodiscard]] JobRequester* operator->() { return &jobs_; }
  [[nodiscard]] Requester& bytes() { return *requester_; }
  // Whether this very one came back; none other can with shared memory.
  [[nodiscard]] bool take_back(Ticket ticket) {
    std::vector<Ticket> taken;
    jobs_.take_back(ticket, taken);
    return taken == std::vector<Ticket>{ticket};
  }

 private:
  std::unique_ptr<Requester> requester_;
  JobRequester jobs_;
};

// The worker's end as a worker uses it for jobs.
class ResponderEnd {
 public:
  explicit ResponderEnd(Responder& responder) : responder_(responder) {}
  [[nodiscard]] Result<std::optional<JobRequest>> next() {
    const Result<std::optional<Incoming>> got = responder_.next();
    if (!got) return tl::unexpected(got.error());
    if (!*got) return std::optional<JobRequest>();
    Result<JobRequest> request = read_request((*got)->bytes);
    if (!request) return tl::unexpected(request.error());
    return std::optional(std::move(*request));
  }
  [[nodiscard]] Result<void> entering() { return responder_.entering(); }
  [[nodiscard]] Result<void> answer(const JobReply& reply) {
    std::vector<int> files;
    for (const UniqueFd* file : {&reply.outcome.out.spill, &reply.outcome.err.spill}) {
      if (*file) files.push_back(file->get());
    }
    const ReplyContent content(reply);
    return responder_.answer({LastPart::result, &content, spilled_files(reply.outcome), files});
  }
  [[nodiscard]] Result<bool> terminate_asked() { return responder_.terminate_asked(); }

 private:
  Responder& responder_;
};

struct ChannelEnds {
  UniqueFd master_control, worker_control;
  std::unique_ptr<Inbound> inbound;  // shm
  std::unique_ptr<RequesterEnd> jobs;
  std::unique_ptr<Responder> responder;
  Hello hello;

  [[nodiscard]] JobRequester& requester() const { return *jobs->operator->(); }
  [[nodiscard]] bool take_back(Ticket ticket) const { return jobs->take_back(ticket); }
  [[nodiscard]] ResponderEnd worker() const { return ResponderEnd(*responder); }

  // What the engine does when it has nothing to do: until something at or after `from` is done, or the pipe takes more.
  void sleep(Ticket from) const {
    requester().arm(from);
    if (inbound) inbound->sleep_begins();
    const bool asleep = !requester().done(from);
    pollfd fds[2] = {{requester().doorbell(), POLLIN, 0}, {requester().blocked_fd(), POLLOUT, 0}};
    if (asleep) static_cast<void>(::poll(fds, 2, -1));
    if (inbound) inbound->sleep_ends();
    requester().hush();
    if (requester().blocked_fd() >= 0) static_cast<void>(requester().kick());
  }
  // The next completion, slept for.
  [[nodiscard]] Result<Completion> wait(Ticket from) const {
    for (;;) {
      Completion completion;
      const Result<bool> got = requester().collect(completion);
      if (!got) return tl::unexpected(got.error());
      if (*got) return completion;
      sleep(from);
    }
  }
};

// The master's half: requester and hello, the hello sent.
[[nodiscard]] inline Result<ChannelEnds> offer_channel(Transport transport, const ShmGeometry& geometry = {},
                                                       std::size_t arena_bytes = std::size_t{1} << 20,
                                                       std::uint32_t spin_ns = 0, Bytes max_result = kMaxResult) {
  Result<std::pair<UniqueFd, UniqueFd>> control = control_pair();
  if (!control) return tl::unexpected(control.error());
  ChannelEnds ends;
  ends.master_control = std::move(control->first);
  ends.worker_control = std::move(control->second);
  ends.hello = {.version = RUNNER_VERSION_STRING,
                .layout = layout_hash(),
                .transport = transport,
                .worker = 3,
                .incarnation = 2,
                .master_pid = ::getpid(),
                .depth = geometry.depth,
                .in_bytes = 0,
                .out_bytes = geometry.out_bytes,
                .memfd_from = geometry.memfd_from,
                .max_result = max_result.count,
                .plugins = {}};
  std::vector<int> files;
  UniqueFd requests, replies;
  if (transport == Transport::shm) {
    Result<Inbound> inbound = Inbound::create(arena_bytes);
    if (!inbound) return tl::unexpected(inbound.error());
    ends.inbound = std::make_unique<Inbound>(std::move(*inbound));
    ends.inbound->state().may_spin_ns[ends.hello.worker].store(spin_ns, std::memory_order_relaxed);
    ends.hello.in_bytes = ends.inbound->region().size();
    auto made = ShmRequester::create(*ends.inbound, ends.hello.worker, ends.hello.incarnation, ends.master_control.get(),
                                     geometry, ends.hello.max_result);
    if (!made) return tl::unexpected(made.error());
    files = (*made)->files();
    ends.jobs = std::make_unique<RequesterEnd>(std::move(*made));
  } else {
    auto made = PipeRequester::create(ends.master_control.get(), ends.hello.max_result);
    if (!made) return tl::unexpected(made.error());
    requests = std::move(made->requests);
    replies = std::move(made->replies);
    files = {requests.get(), replies.get()};
    ends.jobs = std::make_unique<RequesterEnd>(std::move(made->requester));
  }
  if (Result<void> sent = send_hello(ends.master_control.get(), ends.hello, files); !sent) return tl::unexpected(sent.error());
  return ends;
}

// The worker's half: the hello read, the responder opened.
[[nodiscard]] inline Result<void> accept_channel(ChannelEnds& ends) {
  ControlMessage message;
  const Result<Received> got = receive_control(ends.worker_control.get(), message, true);
  if (!got) return tl::unexpected(got.error());
  if (*got != Received::message) return fail(ErrorCode::protocol, "no hello came");
  const Result<Hello> hello = read_hello(message);
  if (!hello) return tl::unexpected(hello.error());
  if (hello->transport == Transport::shm) {
    auto responder = ShmResponder::open(*hello, std::move(message.files), ends.worker_control.get());
    if (!responder) return tl::unexpected(responder.error());
    ends.responder = std::move(*responder);
  } else {
    auto responder = PipeResponder::open(*hello, std::move(message.files), ends.worker_control.get());
    if (!responder) return tl::unexpected(responder.error());
    ends.responder = std::move(*responder);
  }
  return {};
}

[[nodiscard]] inline Result<ChannelEnds> make_channel(Transport transport, const ShmGeometry& geometry = {},
                                                      std::size_t arena_bytes = std::size_t{1} << 20,
                                                      std::uint32_t spin_ns = 0, Bytes max_result = kMaxResult) {
  Result<ChannelEnds> ends = offer_channel(transport, geometry, arena_bytes, spin_ns, max_result);
  if (!ends) return ends;
  if (Result<void> accepted = accept_channel(*ends); !accepted) return tl::unexpected(accepted.error());
  return ends;
}

// Answers every request with `make(request)` until the master closes, as a worker does.
template <class Make>
[[nodiscard]] Result<void> answer_all(ResponderEnd worker, Make&& make) {
  for (;;) {
    const Result<std::optional<JobRequest>> request = worker.next();
    if (!request) return tl::unexpected(request.error());
    if (!*request) return {};
    if (Result<void> entered = worker.entering(); !entered) return entered;
    JobReply reply{.job = (*request)->job, .attempt = (*request)->attempt, .outcome = make(**request), .terminated = false};
    if (Result<void> answered = worker.answer(reply); !answered) return answered;
  }
}

[[nodiscard]] inline std::string transport_name(Transport transport) { return transport == Transport::shm ? "shm" : "pipe"; }

}  // namespace runner::ipc
