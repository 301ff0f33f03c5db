#include "ipc/hello.hpp"

#include <runner/utf8.hpp>
#include <runner/version.hpp>
#include <runner/wire.hpp>

#include "ipc/layout.hpp"

namespace runner::ipc {

namespace {

// Any build can read the first word, whatever comes after it.
constexpr std::uint32_t kHelloMagic = 0x6f6c6c68;  // "hllo", little endian
constexpr std::size_t kLongestVersion = 64;

template <class T>
Result<void> send(int socket, std::uint32_t magic, const T& value, std::span<const int> files) {
  const std::string wire = to_wire(magic) + to_wire(value);
  if (wire.size() > kMaxControlBytes) {
    return fail(ErrorCode::usage, "the paths of the plug-ins are too long to send to a worker: " + std::to_string(wire.size()) +
                                      " bytes, at most " + std::to_string(kMaxControlBytes));
  }
  return send_control(socket, as_bytes(wire), files);
}

template <class T>
Result<T> read(const ControlMessage& message, const char* what) try {
  WireReader in(as_bytes(message.bytes));
  std::uint32_t magic = 0;
  in(magic);
  if (magic != kHelloMagic) throw WireError("it begins with other bytes");
  T build;
  WireReader front(as_bytes(message.bytes).subspan(sizeof magic));
  front(build.version, build.layout);
  if (build.version.size() > kLongestVersion || !is_printable(build.version)) throw WireError("it names no version");
  try {
    T value;
    in(value);
    return value;
  } catch (const std::exception&) {
    // Another build may say other things after these two; they tell that it is another one.
    if (mismatch("", build.version, build.layout).empty()) throw;
    return build;
  }
} catch (const std::exception& error) {
  return fail(ErrorCode::protocol, std::string("no ") + what + " of this version: " + error.what());
}

}  // namespace

Result<void> send_hello(int socket, const Hello& hello, std::span<const int> files) {
  return send(socket, kHelloMagic, hello, files);
}
Result<Hello> read_hello(const ControlMessage& message) { return read<Hello>(message, "hello"); }

Result<void> send_ready(int socket, const Ready& ready) { return send(socket, kHelloMagic, ready, {}); }
Result<Ready> read_ready(const ControlMessage& message) { return read<Ready>(message, "answer to hello"); }

std::string mismatch(std::string_view who, std::string_view version, std::uint64_t layout) {
  if (version == RUNNER_VERSION_STRING && layout == layout_hash()) return {};
  const std::string own = RUNNER_VERSION_STRING;
  if (version != own) {
    return "the " + std::string(who) + " is of version " + std::string(version) + ", this program of version " + own +
           ": install both from one build";
  }
  return "the " + std::string(who) + " lays out shared memory in another way, though both are of version " + own +
         ": install both from one build";
}

}  // namespace runner::ipc
