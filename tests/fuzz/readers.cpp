#include "tests/fuzz/readers.hpp"

#include <array>
#include <map>
#include <optional>
#include <runner/arg.hpp>
#include <runner/job.hpp>
#include <runner/registry.hpp>
#include <runner/utf8.hpp>
#include <runner/wire.hpp>
#include <string>
#include <variant>
#include <vector>

#include "config/read_batch.hpp"
#include "ipc/hello.hpp"
#include "ipc/message.hpp"
#include "ipc/note.hpp"
#include "ipc/shared_state.hpp"

namespace runner::fuzz {

namespace {

// Everything that an argument may be.
struct Leaf {
  bool yes = false;
  double real = 0;
  std::string text;
  template <class A>
  void serialize(A& a) {
    a(arg("yes", yes, ""), arg("real", real, ""), arg("text", text, ""));
  }
};
struct Tree {
  std::int8_t small = 0;
  std::uint64_t large = 0;
  Duration time{};
  Bytes size{};
  InputPath path;
  std::optional<Leaf> maybe;
  std::vector<Leaf> leaves;
  std::vector<std::vector<std::uint32_t>> rows;
  std::map<std::string, std::vector<std::string>> table;
  std::variant<std::int32_t, std::string, Leaf> either;
  std::array<std::uint16_t, 3> three{};
  template <class A>
  void serialize(A& a) {
    a(arg("small", small, ""), arg("large", large, ""), arg("time", time, ""), arg("size", size, ""), arg("path", path, ""),
      CEREAL_NVP(maybe), CEREAL_NVP(leaves), CEREAL_NVP(rows), CEREAL_NVP(table), CEREAL_NVP(either), CEREAL_NVP(three));
  }
};

const Registry& registry() {
  static const Registry all;
  return all;
}

void promise(bool kept, const char* what) {
  if (!kept) throw BrokenPromise(what);
}
void promise_sentence(const Error& error) {
  // What cannot be printed is made visible where it is printed; it must be text by then.
  if (!error.text.empty() && is_utf8(error.text)) return;
  throw BrokenPromise("an error is no text: " + error.text);
}

std::span<const std::byte> bytes_of(Input input) { return std::as_bytes(input); }

// What was read can be written, and reads as the same again.
template <class T>
void read_as(std::span<const std::byte> wire) {
  std::optional<T> value;
  try {
    value = from_wire<T>(wire);
  } catch (const BrokenPromise&) {
    throw;
  } catch (const std::exception&) {
    return;
  }
  const std::string again = to_wire(*value);
  promise(to_wire(from_wire<T>(as_bytes(again))) == again, "a value does not read as it was written");
}

std::string reply_wire(const ipc::JobReply& reply) {
  WireWriter sizing({});
  ipc::write_reply(sizing, reply);
  std::string wire(sizing.size(), '\0');
  WireWriter out(std::as_writable_bytes(std::span(wire)));
  ipc::write_reply(out, reply);
  return wire;
}

void read_reply(std::span<const std::byte> bytes, std::uint32_t files) {
  const Result<ipc::JobReply> reply = ipc::read_reply(bytes, files);
  if (!reply) {
    promise(reply.error().code == ErrorCode::protocol, "a bad reply is no protocol error");
    return;
  }
  promise(!describe(reply->outcome).empty() && !status_word(reply->outcome.ending).empty(), "an ending without words");
  const std::string again = reply_wire(*reply);
  const Result<ipc::JobReply> second = ipc::read_reply(as_bytes(again), files);
  promise(second.has_value() && reply_wire(*second) == again, "a reply does not read as it was written");
}

}  // namespace

void feed_wire(Input input) {
  if (input.empty()) return;
  const std::uint8_t choice = input.front();
  const std::span<const std::byte> wire = bytes_of(input.subspan(1));
  switch (choice % 8) {
    case 0: return read_as<Tree>(wire);
    case 1: return read_as<std::vector<std::string>>(wire);
    case 2: return read_as<std::map<std::string, double>>(wire);
    case 3: return read_as<std::vector<bool>>(wire);
    case 4: return read_as<std::vector<std::optional<Leaf>>>(wire);
    default: break;
  }
  // The results of the built-in kinds, as the master prints them.
  const std::vector<const Kind*> kinds = registry().all();
  if (kinds.empty()) return;
  try {
    const std::string json = kinds[choice / 8U % kinds.size()]->result_json(wire);
    promise(is_utf8(json) && json.find('\n') == std::string::npos, "a result is no line of text");
  } catch (const BrokenPromise&) {
    throw;
  } catch (const std::exception&) {
  }
}

void feed_message(Input input) {
  if (input.empty()) return;
  const std::uint8_t choice = input.front();
  const std::span<const std::byte> bytes = bytes_of(input.subspan(1));
  switch (choice % 4) {
    case 0: {
      const Result<ipc::JobRequest> request = ipc::read_request(bytes);
      promise(request.has_value() || request.error().code == ErrorCode::protocol, "a bad request is no protocol error");
      return;
    }
    case 1: return read_reply(bytes, choice / 4U % 5U);
    default: {
      ipc::ControlMessage message;
      message.bytes.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      const Result<ipc::Hello> hello = ipc::read_hello(message);
      const Result<ipc::Ready> ready = ipc::read_ready(message);
      const Result<ipc::Note> note = ipc::read_note(message);
      message.files.resize(choice / 4U % (ipc::kMaxControlFiles + 1));
      const Result<std::vector<ipc::SharedSegment>> shared = ipc::read_shared(message);
      promise(hello.has_value() || hello.error().code == ErrorCode::protocol, "a bad hello is no protocol error");
      promise(ready.has_value() || ready.error().code == ErrorCode::protocol, "a bad answer is no protocol error");
      promise(note.has_value() || note.error().code == ErrorCode::protocol, "a bad note is no protocol error");
      promise(shared.has_value() || shared.error().code == ErrorCode::protocol, "bad shared state is no protocol error");
      promise(!shared || shared->size() == message.files.size(), "shared state without its descriptors was accepted");
      if (hello) static_cast<void>(ipc::mismatch("worker", hello->version, hello->layout));
    }
  }
}

void feed_batch(Input input) {
  constexpr int jobs_looked_at = 200;
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  // Whatever a plug-in does when it is loaded is not the reader's doing.
  if (text.find("plugin") != std::string_view::npos) return;
  static Registry kinds;
  Result<config::CheckedBatch> checked = config::read_batch_text(text, "fuzz.yaml", "fuzz", kinds);
  if (!checked) {
    promise_sentence(checked.error());
    promise(checked.error().text.starts_with("fuzz.yaml"), "an error does not begin with its file");
    return;
  }
  promise(checked->entries > 0, "a batch without entries was accepted");
  JobSpec job;
  for (int i = 0; i < jobs_looked_at; ++i) {
    const Result<bool> more = checked->batch.jobs->next(job);
    promise(more.has_value(), "a checked batch cannot be expanded");
    if (!*more) {
      promise(!checked->batch.size || *checked->batch.size == static_cast<std::uint64_t>(i),
              "a batch has another size than announced");
      return;
    }
    promise(number(job.id) == static_cast<std::uint64_t>(i), "jobs are not numbered in order");
    promise(is_printable(job.name) && !job.name.empty(), "a job has a name that cannot be printed");
  }
}

}  // namespace runner::fuzz
