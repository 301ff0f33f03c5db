// shared_state.hpp - what the jobs of a batch share, as memory: made and mapped by the master, mapped once by every worker.
//
// A file is mapped as it is, read-only, without a copy. A region is a memfd of its own; all counters lie in one more memfd, each
// on cache lines that no other counter is on. The kernel brings pages in as they are touched, so a large input costs a worker no more
// than a small one. Shared memory of jobs never holds a byte that the protocol reads.
//
// Called from  create, send_shared: the master's loop thread. receive_shared: a worker's main thread, after the hello.
// Owns         descriptors and mappings. Not inherited by fork: a child of a job must not keep them alive.
// Fails with   usage: a specification that cannot be met. system: no file, no memory. protocol: a message or a descriptor that
//              is not what was announced.
// Never        believes a count, a name or a size from the other side before checking it.
//
// Message      "shrd", then as many segments as the message carries descriptors, at most 8; docs/shm-layout.md section 5.
#pragma once

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <runner/result.hpp>
#include <runner/shared.hpp>
#include "ipc/control.hpp"
#include "ipc/region.hpp"

namespace runner::ipc {

enum class SharedSort : std::uint8_t { file = 0, counters = 1, region = 2 };

// What one descriptor is.
struct SharedSegment {
  SharedSort sort{};
  std::uint64_t bytes = 0;
  std::vector<std::string> names;  // of counters: one for each kCounterBytes; else one

  template <class Archive>
  void serialize(Archive& archive) {
    archive(sort, bytes, names);
  }
};

inline constexpr std::size_t kCounterBytes = 128;  // two cache lines, because neighbours are fetched in pairs

class SharedState {
 public:
  [[nodiscard]] static Result<SharedState> create(std::span<const SharedSpec> specs);

  // Lives as long as this object, wherever that is moved to. Its memory too.
  [[nodiscard]] const Shared& view() const { return view_; }
  // How many descriptors a worker gets.
  [[nodiscard]] std::uint32_t segments() const { return static_cast<std::uint32_t>(segments_.size()); }

 private:
  struct Held {
    SharedSegment segment;
    SharedRegion memory;
  };
  [[nodiscard]] Result<void> make(const SharedSpec& spec);
  [[nodiscard]] Result<void> make_counters(std::span<const SharedSpec> specs);
  void add(SharedSegment segment, SharedRegion memory);
  friend Result<void> send_shared(int socket, const SharedState& state);
  friend Result<SharedState> receive_shared(int socket, std::uint32_t segments);

  std::vector<Held> segments_;
  Shared view_;
};

[[nodiscard]] Result<void> send_shared(int socket, const SharedState& state);
// `segments` is what the hello announced; waits for them. None: no look at the socket.
[[nodiscard]] Result<SharedState> receive_shared(int socket, std::uint32_t segments);

// The words of one message; as many segments as it carries descriptors.
[[nodiscard]] Result<std::vector<SharedSegment>> read_shared(const ControlMessage& message);

}  // namespace runner::ipc
