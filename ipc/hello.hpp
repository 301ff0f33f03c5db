// hello.hpp - the first words between a master and a new worker, before any job.
//
// The master sends a Hello with the descriptors of the channel; the worker answers Ready, or Refused with the reason. Both
// start with a version and the layout hash, so that programs of different builds part with a clear message instead of reading
// each other's memory wrong. What another build says after these two may not be readable: it is left out then.
//
// Called from  the master's loop thread and the worker's only thread.
// Fails with   protocol: another version, another layout, or bytes that are no hello.
#pragma once

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <runner/result.hpp>
#include "ipc/control.hpp"

namespace runner::ipc {

enum class Transport : std::uint8_t { shm = 0, pipe = 1 };

// Descriptors beside a Hello, in this order. shm: channel, in, out, doorbell. pipe: requests, replies.
struct Hello {
  std::string version;
  std::uint64_t layout = 0;
  Transport transport{};
  std::uint32_t worker = 0;
  std::uint64_t incarnation = 0;
  std::int32_t master_pid = 0;
  std::uint32_t depth = 0;
  std::uint64_t in_bytes = 0, out_bytes = 0;
  std::uint64_t memfd_from = 0;  // larger parts of a reply travel in a memfd of their own
  std::uint64_t max_result = 0;  // larger results fail their job
  std::vector<std::string> plugins;
  std::uint32_t shared = 0;  // descriptors of shared state that follow in messages of their own (shared_state.hpp)

  template <class Archive>
  void serialize(Archive& archive) {
    archive(version, layout, transport, worker, incarnation, master_pid, depth, in_bytes, out_bytes, memfd_from, max_result,
            plugins, shared);
  }
};

// What the worker answers: an empty `refusal` means that it is ready.
struct Ready {
  std::string version;
  std::uint64_t layout = 0;
  std::string refusal;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(version, layout, refusal);
  }
};

[[nodiscard]] Result<void> send_hello(int socket, const Hello& hello, std::span<const int> files);
[[nodiscard]] Result<Hello> read_hello(const ControlMessage& message);
[[nodiscard]] Result<void> send_ready(int socket, const Ready& ready);
[[nodiscard]] Result<Ready> read_ready(const ControlMessage& message);

// Nothing when `version` and `layout` are this build's; else the sentence that says what differs and what to do.
[[nodiscard]] std::string mismatch(std::string_view who, std::string_view version, std::uint64_t layout);

}  // namespace runner::ipc
