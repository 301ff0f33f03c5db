// message.hpp - what crosses between master and worker for one attempt: a request, and its reply.
//
// Called from  both sides, on the thread that owns the connection.
// Fails with   ErrorCode::protocol from the readers: every byte of a peer is input, our own worker's too.
// Never        trusts a length, an index or an enum before checking it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include <runner/ids.hpp>
#include <runner/job_spec.hpp>
#include <runner/outcome.hpp>
#include <runner/result.hpp>
#include <runner/wire.hpp>

namespace runner::ipc {

void write_request(WireWriter& out, JobId job, Attempt attempt, const Work& work);

class RequestContent final : public WireContent {
 public:
  RequestContent(JobId job, Attempt attempt, const Work& work) : job_(job), attempt_(attempt), work_(work) {}
  void write(ByteWriter& out) const override;

 private:
  JobId job_;
  Attempt attempt_;
  const Work& work_;
};

// Views into the request's bytes, which stay where they are until the reply is published.
struct TypedView {
  std::string_view kind;
  std::span<const std::byte> args;
  std::uint32_t cpus = 1;
};
struct JobRequest {
  JobId job{};
  Attempt attempt{};
  std::variant<TypedView, CommandWork> work;
};
[[nodiscard]] Result<JobRequest> read_request(std::span<const std::byte> bytes);

// Which captured streams of the outcome are spilled to files; their descriptors travel beside the reply, in this order.
inline constexpr std::uint32_t kOutSpilled = 1, kErrSpilled = 2;
[[nodiscard]] std::uint32_t spilled_files(const Outcome& outcome);
[[nodiscard]] std::size_t file_count(std::uint32_t files);
// Gives the descriptors to the streams they belong to; `arrived` has file_count(files) of them.
void attach_files(Outcome& outcome, std::uint32_t files, std::span<UniqueFd> arrived);

struct JobReply {
  JobId job{};
  Attempt attempt{};
  Outcome outcome;
  bool terminated = false;  // the worker ended it because the master asked
  // Of the request: how long it was still on its way when the worker had woken for it (none: it had not slept), and how long
  // the worker took from having all of it to the job's own code.
  std::optional<Duration> arriving;
  std::optional<Duration> free;  // how long before that the reply before it was off the worker's hands, where that took time
  Duration deserialize{};
};

// The most that a reply to a job, or to a call, takes beside its result: captured output in memory, a reason.
inline constexpr std::uint64_t kMostBesideResult = std::uint64_t{4} << 20;
// No honest reply is longer where results may have `max_result` bytes.
[[nodiscard]] constexpr std::uint64_t longest_reply(std::uint64_t max_result) {
  return max_result > UINT64_MAX - kMostBesideResult ? UINT64_MAX : max_result + kMostBesideResult;
}

void write_reply(WireWriter& out, const JobReply& reply);
// `files` is what spilled_files() was on the other side; the descriptors themselves are attached by the caller. With an owner the
// result refers to `bytes`; without, it is a copy. Throws std::bad_alloc.
[[nodiscard]] Result<JobReply> read_reply(std::span<const std::byte> bytes, std::uint32_t files,
                                          const std::shared_ptr<const void>& owner = nullptr);

class ReplyContent final : public WireContent {
 public:
  explicit ReplyContent(const JobReply& reply) : reply_(reply) {}
  void write(ByteWriter& out) const override;

 private:
  const JobReply& reply_;
};

// A text as it is: the last part of a reply that is a failure.
class TextContent final : public WireContent {
 public:
  explicit TextContent(std::string_view text) : text_(text) {}
  void write(ByteWriter& out) const override { out.put(text_.data(), text_.size()); }

 private:
  std::string_view text_;
};

}  // namespace runner::ipc
