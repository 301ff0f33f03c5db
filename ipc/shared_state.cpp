#include "ipc/shared_state.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

#include <runner/wire.hpp>
#include "ipc/os.hpp"

namespace runner::ipc {

namespace {

constexpr std::uint32_t kSharedMagic = 0x64726873;  // "shrd", little endian
// The names of all counters go in one message.
static_assert(64 + kMaxControlFiles * 16 + kMostShared * (kLongestSharedName + 2) <= kMaxControlBytes);

SharedCount* counter_at(std::byte* memory, std::size_t i) { return reinterpret_cast<SharedCount*>(memory + i * kCounterBytes); }

tl::unexpected<Error> of_file(const std::string& name, const std::string& path, std::string_view what) {
  return fail(ErrorCode::usage, "the shared file `" + path + "` of `" + name + "` " + std::string(what));
}

Result<SharedRegion> open_file(const std::string& name, const std::string& path) {
  // Without O_NONBLOCK a fifo would wait for a writer before it could be refused.
  UniqueFd fd(os::retry("open", ::open, path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return os::failure("open the shared file `" + path + "` of `" + name + "`", "open");
  struct stat info{};
  if (os::call("fstat", ::fstat, fd.get(), &info) != 0) return os::failure("look at the shared file `" + path + "`", "fstat");
  if (!S_ISREG(info.st_mode)) {
    return of_file(name, path, S_ISDIR(info.st_mode) ? "is a folder; a file was expected" : "is no regular file");
  }
  return SharedRegion::open_file(std::move(fd), static_cast<std::size_t>(info.st_size));
}

// More than there is would be given until the machine has nothing left for anybody, us included.
std::uint64_t memory_of_this_machine() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Result<SharedRegion> make_region(const std::string& name, Bytes bytes) {
  const std::uint64_t most = memory_of_this_machine();
  if (bytes.count == 0 || bytes.count > most) {
    return fail(ErrorCode::usage, "the shared region `" + name + "` cannot have " + format_size(bytes) +
                                      ": more than nothing, and at most the memory of this machine (" + format_size({most}) +
                                      ") was expected");
  }
  return SharedRegion::create("runner-shared", bytes.count, Access::read_write);
}

tl::unexpected<Error> bad_message(const char* what) {
  return fail(ErrorCode::protocol, std::string("a message of shared state ") + what);
}

// A descriptor from the other side, as it was announced.
Result<SharedRegion> accept(const SharedSegment& segment, UniqueFd fd) {
  switch (segment.sort) {
    case SharedSort::file: return SharedRegion::open_file(std::move(fd), segment.bytes);
    case SharedSort::counters:
    case SharedSort::region: return SharedRegion::open(std::move(fd), segment.bytes, Access::read_write);
  }
  return bad_message("holds an unknown sort");
}

bool plausible(const SharedSegment& segment) {
  const std::set<std::string_view> different(segment.names.begin(), segment.names.end());
  if (different.size() != segment.names.size() || !std::all_of(different.begin(), different.end(), &is_shared_name))
    return false;
  switch (segment.sort) {
    case SharedSort::file: return segment.names.size() == 1;
    case SharedSort::region: return segment.names.size() == 1 && segment.bytes != 0;
    case SharedSort::counters:
      return !segment.names.empty() && segment.names.size() <= kMostShared &&
             segment.bytes == segment.names.size() * kCounterBytes;
  }
  return false;
}

}  // namespace

// ---- the master's side ----

Result<SharedState> SharedState::create(std::span<const SharedSpec> specs) {
  if (specs.size() > kMostShared) {
    return fail(ErrorCode::usage,
                "a batch may share " + std::to_string(kMostShared) + " things, found " + std::to_string(specs.size()));
  }
  for (const SharedSpec& spec : specs) {
    if (!is_shared_name(spec.name)) return fail(ErrorCode::usage, "`" + spec.name + "` cannot be the name of shared state");
    if (std::count_if(specs.begin(), specs.end(), [&](const SharedSpec& other) { return other.name == spec.name; }) > 1) {
      return fail(ErrorCode::usage, "two shared things are called `" + spec.name + "`");
    }
  }
  SharedState state;
  for (const SharedSpec& spec : specs) {
    if (Result<void> made = state.make(spec); !made) return tl::unexpected(made.error());
  }
  if (Result<void> made = state.make_counters(specs); !made) return tl::unexpected(made.error());
  return state;
}

Result<void> SharedState::make(const SharedSpec& spec) {
  if (std::holds_alternative<SharedCounter>(spec.what)) return {};
  const auto* file = std::get_if<SharedFile>(&spec.what);
  Result<SharedRegion> memory =
      file != nullptr ? open_file(spec.name, file->path) : make_region(spec.name, std::get<SharedBytes>(spec.what).bytes);
  if (!memory) return tl::unexpected(memory.error());
  const std::uint64_t bytes = memory->size();
  add({file != nullptr ? SharedSort::file : SharedSort::region, bytes, {spec.name}}, std::move(*memory));
  return {};
}

Result<void> SharedState::make_counters(std::span<const SharedSpec> specs) {
  SharedSegment counters{SharedSort::counters, 0, {}};
  std::vector<std::int64_t> initial;
  for (const SharedSpec& spec : specs) {
    if (const auto* counter = std::get_if<SharedCounter>(&spec.what)) {
      counters.names.push_back(spec.name);
      initial.push_back(counter->initial);
    }
  }
  if (initial.empty()) return {};
  counters.bytes = initial.size() * kCounterBytes;
  Result<SharedRegion> memory = SharedRegion::create("runner-shared", counters.bytes, Access::read_write);
  if (!memory) return tl::unexpected(memory.error());
  for (std::size_t i = 0; i < initial.size(); ++i) std::construct_at(counter_at(memory->data(), i), initial[i]);
  add(std::move(counters), std::move(*memory));
  return {};
}

void SharedState::add(SharedSegment segment, SharedRegion memory) {
  for (std::size_t i = 0; i < segment.names.size(); ++i) {
    switch (segment.sort) {
      case SharedSort::file: view_.add(segment.names[i], std::span<const std::byte>(memory.bytes())); break;
      case SharedSort::counters: view_.add(segment.names[i], counter_at(memory.data(), i)); break;
      case SharedSort::region: view_.add(segment.names[i], memory.bytes()); break;
    }
  }
  segments_.push_back({std::move(segment), std::move(memory)});
}

Result<void> send_shared(int socket, const SharedState& state) {
  const std::span<const SharedState::Held> all = state.segments_;
  for (std::size_t first = 0; first < all.size(); first += kMaxControlFiles) {
    std::vector<SharedSegment> words;
    std::vector<int> files;
    for (const SharedState::Held& held : all.subspan(first, std::min(kMaxControlFiles, all.size() - first))) {
      words.push_back(held.segment);
      files.push_back(held.memory.fd());
    }
    const std::string wire = to_wire(kSharedMagic) + to_wire(words);
    if (Result<void> sent = send_control(socket, as_bytes(wire), files); !sent) return sent;
  }
  return {};
}

// ---- the worker's side ----

Result<std::vector<SharedSegment>> read_shared(const ControlMessage& message) try {
  WireReader in(as_bytes(message.bytes));
  std::uint32_t magic = 0;
  std::vector<SharedSegment> words;
  in(magic);
  if (magic != kSharedMagic) return bad_message("begins with other bytes");
  in(words);
  if (in.left() != 0) return bad_message("goes on after its end");
  if (words.empty() || words.size() != message.files.size())
    return bad_message("has another number of descriptors than it says");
  if (!std::all_of(words.begin(), words.end(), &plausible)) return bad_message("holds a segment that cannot be");
  return words;
} catch (const std::exception& error) {
  return fail(ErrorCode::protocol, std::string("a message of shared state cannot be read: ") + error.what());
}

Result<SharedState> receive_shared(int socket, std::uint32_t segments) {
  if (segments > kMostShared) return bad_message("was announced with more segments than a batch may have");
  SharedState state;
  while (state.segments() < segments) {
    ControlMessage message;
    const Result<Received> got = receive_control(socket, message, true);
    if (!got) return tl::unexpected(got.error());
    if (*got != Received::message) return fail(ErrorCode::system, "the master left before it had sent what jobs share");
    Result<std::vector<SharedSegment>> words = read_shared(message);
    if (!words) return tl::unexpected(words.error());
    if (words->size() > segments - state.segments()) return bad_message("brings more segments than were announced");
    for (std::size_t i = 0; i < words->size(); ++i) {
      SharedSegment& segment = (*words)[i];
      for (const std::string& name : segment.names) {
        if (state.view().has(name)) return bad_message("gives a name twice");
      }
      Result<SharedRegion> memory = accept(segment, std::move(message.files[i]));
      if (!memory) return tl::unexpected(memory.error());
      state.add(std::move(segment), std::move(*memory));
    }
  }
  return state;
}

}  // namespace runner::ipc
