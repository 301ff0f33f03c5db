// note.hpp - what is said over a control socket between hello and the end, and the descriptors that go with it.
//
// Called from  the one thread that owns the end.
// Fails with   system; protocol for a note that cannot be read, or files that do not belong where they arrived.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>
#include "ipc/control.hpp"

namespace runner::ipc {

enum class NoteTag : std::uint8_t {
  files = 1,      // either way: descriptors of the request or reply `ticket`, sent before it is published
  terminate = 2,  // to the worker: end the command that runs as `ticket`
};
struct Note {
  NoteTag tag{};
  std::uint64_t ticket = 0;
};
// `wait`: until the other side takes it, or is gone. A master does not wait for its workers.
[[nodiscard]] Result<void> send_note(int socket, Note note, std::span<const int> files, bool wait = true);
[[nodiscard]] Result<Note> read_note(const ControlMessage& message);

// The `wanted` descriptors of reply `ticket`, which is published, so they must be there; none wanted: no look at the socket.
[[nodiscard]] Result<std::vector<UniqueFd>> receive_files(int socket, std::uint64_t ticket, std::size_t wanted);

}  // namespace runner::ipc
