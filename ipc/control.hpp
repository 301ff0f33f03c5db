// control.hpp - one message at a time over a worker's control socket, with the descriptors that belong to it.
//
// A SEQPACKET pair: hello, ready, "terminate that command", and the descriptors of payloads and spilled output. Jobs do not
// go this way.
//
// Called from  the one thread that owns the end.
// Owns         nothing beyond its descriptor.
// Fails with   system, a limit of open files that lets in no more of them included; protocol for a message that is too long or
//              has descriptors that nobody announced.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>

namespace runner::ipc {

inline constexpr std::size_t kMaxControlBytes = 16 * 1024;
inline constexpr std::size_t kMaxControlFiles = 8;

struct ControlMessage {
  std::string bytes;
  std::vector<UniqueFd> files;
};

// Master's end, worker's end; both close-on-exec and blocking (the master receives with MSG_DONTWAIT).
[[nodiscard]] Result<std::pair<UniqueFd, UniqueFd>> control_pair();

// Not asked to wait, it fails where the other side has left so much unread that there is no room.
[[nodiscard]] Result<void> send_control(int socket, std::span<const std::byte> bytes, std::span<const int> files,
                                        bool wait = true);

// Whether the other side is gone, so that nothing that is sent will be read.
[[nodiscard]] bool hung_up(int socket);

// end_of_file: the other side is gone. nothing_there: only when not asked to wait.
enum class Received { message, end_of_file, nothing_there };
[[nodiscard]] Result<Received> receive_control(int socket, ControlMessage& message, bool wait);

}  // namespace runner::ipc
