#include "ipc/message.hpp"

#include <signal.h>

#include <cereal/types/string.hpp>
#include <limits>
#include <new>
#include <string>
#include <utility>

namespace runner {

// The wire form of an ending is its index and its fields. cereal finds these by argument-dependent lookup.
template <class Archive>
void serialize(Archive&, Succeeded&) {}
template <class Archive>
void serialize(Archive& archive, Failed& failed) {
  archive(failed.reason);
}
template <class Archive>
void serialize(Archive& archive, Crashed& crashed) {
  archive(crashed.signal, crashed.reason);
}
template <class Archive>
void serialize(Archive& archive, TimedOut& timed_out) {
  archive(timed_out.limit, timed_out.reason);
}
template <class Archive>
void serialize(Archive& archive, Cancelled& cancelled) {
  archive(cancelled.reason);
}
template <class Archive>
void serialize(Archive& archive, OutOfMemory& out_of_memory) {
  archive(out_of_memory.reason);
}

}  // namespace runner

namespace runner::ipc {

namespace {

// Few typed jobs take more than one processor; those of one say nothing of it.
enum class RequestTag : std::uint8_t { typed = 0, command = 1, wide_typed = 2 };

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void write_request(WireWriter& out, JobId job, Attempt attempt, const Work& work) {
  out(number(job), number(attempt));
  if (const auto* typed = std::get_if<TypedWork>(&work)) {
    const bool wide = typed->cpus != 1;
    out(static_cast<std::uint8_t>(wide ? RequestTag::wide_typed : RequestTag::typed));
    if (wide) out(typed->cpus);
    out.put_size(typed->kind.size());
    out.put(typed->kind.data(), typed->kind.size());
    out.put(typed->args.data(), typed->args.size());  // the rest of the message
  } else {
    out(static_cast<std::uint8_t>(RequestTag::command), std::get<CommandWork>(work));
  }
}

void RequestContent::write(ByteWriter& out) const {
  WireWriter archive(out);
  write_request(archive, job_, attempt_, work_);
}

void ReplyContent::write(ByteWriter& out) const {
  WireWriter archive(out);
  write_reply(archive, reply_);
}

Result<JobRequest> read_request(std::span<const std::byte> bytes) try {
  WireReader in(bytes);
  std::uint64_t job = 0;
  std::uint32_t attempt = 0;
  std::uint8_t tag = 0;
  in(job, attempt, tag);
  JobRequest request{.job = JobId{job}, .attempt = Attempt{attempt}, .work = {}};
  switch (tag) {
    case static_cast<std::uint8_t>(RequestTag::typed):
    case static_cast<std::uint8_t>(RequestTag::wide_typed): {
      std::uint32_t cpus = 1;
      if (tag == static_cast<std::uint8_t>(RequestTag::wide_typed)) in(cpus);
      if (cpus == 0) return fail(ErrorCode::protocol, "a request gives its job no processor");
      const std::string_view kind = text_of(in.view(in.get_size()));
      request.work = TypedView{kind, in.view(in.left()), cpus};
      return request;
    }
    case static_cast<std::uint8_t>(RequestTag::command):
      in(request.work.emplace<CommandWork>());
      if (in.left() != 0) return fail(ErrorCode::protocol, "bytes are left over after a request");
      return request;
    default: return fail(ErrorCode::protocol, "a request has the unknown tag " + std::to_string(tag));
  }
} catch (const std::exception& error) {  // WireError, cereal::Exception, std::bad_alloc
  return fail(ErrorCode::protocol, std::string("a request cannot be read: ") + error.what());
}

std::uint32_t spilled_files(const Outcome& outcome) {
  return (outcome.out.spill ? kOutSpilled : 0) | (outcome.err.spill ? kErrSpilled : 0);
}

std::size_t file_count(std::uint32_t files) {
  return ((files & kOutSpilled) != 0 ? 1U : 0U) + ((files & kErrSpilled) != 0 ? 1U : 0U);
}

void attach_files(Outcome& outcome, std::uint32_t files, std::span<UniqueFd> arrived) {
  std::size_t next = 0;
  if ((files & kOutSpilled) != 0) outcome.out.spill = std::move(arrived[next++]);
  if ((files & kErrSpilled) != 0) outcome.err.spill = std::move(arrived[next]);
}

namespace {

// Rare parts of an outcome are announced by a bit, so that the common reply is a few dozen bytes.
constexpr std::uint8_t kHasExitCode = 1, kHasOutput = 2, kTerminated = 4, kHasEvidence = 8, kWoken = 16, kFree = 32;

void check(bool holds, const char* what) {
  if (!holds) throw WireError(what);
}

constexpr std::size_t kMostLeftBehind = 16, kLongestName = 256, kLongestPath = 4096;

bool has_evidence(const Outcome& outcome) {
  return outcome.peak_memory || !outcome.core.empty() || !outcome.left_behind.empty();
}

void check(const Captured& captured, bool spilled) {
  if (spilled) {
    check(captured.bytes > Captured::kCaptureInMemory && captured.text.size() <= Captured::kCaptureTail,
          "spilled output has an impossible size");
  } else {
    check(captured.bytes == captured.text.size(), "captured output has another size than announced");
  }
}

}  // namespace

void write_reply(WireWriter& out, const JobReply& reply) {
  const Outcome& outcome = reply.outcome;
  const bool output = outcome.out.bytes != 0 || outcome.err.bytes != 0;
  const auto bits = static_cast<std::uint8_t>(
      (outcome.exit_code ? kHasExitCode : 0) | (output ? kHasOutput : 0) | (reply.terminated ? kTerminated : 0) |
      (has_evidence(outcome) ? kHasEvidence : 0) | (reply.arriving ? kWoken : 0) | (reply.free ? kFree : 0));
  out(number(reply.job), number(reply.attempt), bits, outcome.wall.count(), outcome.cpu.count(), reply.deserialize.count(),
      outcome.ending);
  if (reply.arriving) out(reply.arriving->count());
  if (reply.free) out(reply.free->count());
  if (outcome.exit_code) out(*outcome.exit_code);
  if (output) out(outcome.out.bytes, outcome.out.text, outcome.err.bytes, outcome.err.text);
  if (has_evidence(outcome)) out(outcome.peak_memory, outcome.core, outcome.left_behind);
  out.put(outcome.result.bytes().data(), outcome.result.size());  // the rest of the message
}

Result<JobReply> read_reply(std::span<const std::byte> bytes, std::uint32_t files,
                            const std::shared_ptr<const void>& owner) try {
  WireReader in(bytes);
  std::uint64_t job = 0;
  std::uint32_t attempt = 0;
  std::uint8_t bits = 0;
  std::int64_t wall = 0, cpu = 0, deserialize = 0, arriving = 0, free = 0;
  JobReply reply;
  Outcome& outcome = reply.outcome;
  in(job, attempt, bits, wall, cpu, deserialize, outcome.ending);
  check((bits & ~(kHasExitCode | kHasOutput | kTerminated | kHasEvidence | kWoken | kFree)) == 0, "a reply has unknown flags");
  if ((bits & kWoken) != 0) in(arriving);
  if ((bits & kFree) != 0) in(free);
  check(wall >= 0 && cpu >= 0 && deserialize >= 0 && arriving >= 0 && free >= 0, "a reply has a negative duration");
  if ((bits & kHasExitCode) != 0) in(outcome.exit_code.emplace());
  if ((bits & kHasOutput) != 0) in(outcome.out.bytes, outcome.out.text, outcome.err.bytes, outcome.err.text);
  if ((bits & kHasEvidence) != 0) {
    in(outcome.peak_memory, outcome.core, outcome.left_behind);
    check(outcome.core.size() <= kLongestPath && outcome.left_behind.size() <= kMostLeftBehind, "evidence is too long");
    for (const std::string& name : outcome.left_behind) check(name.size() <= kLongestName, "evidence is too long");
  }
  check((files & ~(kOutSpilled | kErrSpilled)) == 0, "a reply announces unknown files");
  check(outcome.out, (files & kOutSpilled) != 0);
  check(outcome.err, (files & kErrSpilled) != 0);
  if (outcome.exit_code) check(*outcome.exit_code >= 0 && *outcome.exit_code <= 255, "an exit status is not in 0..255");
  if (const auto* crashed = std::get_if<Crashed>(&outcome.ending)) {
    check(crashed->signal >= 0 && crashed->signal < NSIG, "a signal number is out of range");
  }
  if (const auto* late = std::get_if<TimedOut>(&outcome.ending)) check(late->limit.count() >= 0, "a time limit is negative");
  const std::span<const std::byte> result = in.view(in.left());
  outcome.result = owner != nullptr ? Blob(owner, result) : Blob::copy_of(result);
  outcome.wall = Duration(wall);
  outcome.cpu = Duration(cpu);
  reply.job = JobId{job};
  reply.attempt = Attempt{attempt};
  reply.terminated = (bits & kTerminated) != 0;
  reply.deserialize = Duration(deserialize);
  if ((bits & kWoken) != 0) reply.arriving = Duration(arriving);
  if ((bits & kFree) != 0) reply.free = Duration(free);
  return reply;
} catch (const std::bad_alloc&) {
  throw;                                 // no fault of the peer: nothing it says can ask for more than it sent
} catch (const std::exception& error) {  // WireError, cereal::Exception
  return fail(ErrorCode::protocol, std::string("a reply cannot be read: ") + error.what());
}

}  // namespace runner::ipc
