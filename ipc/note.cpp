#include "ipc/note.hpp"

#include <poll.h>
#include <sys/stat.h>

#include <runner/wire.hpp>
#include <string>
#include <utility>

#include "ipc/os.hpp"

namespace runner::ipc {

namespace {
constexpr int kLookAgainMs = 1;
}

Result<void> send_note(int socket, Note note, std::span<const int> files, bool wait) {
  std::byte bytes[9];
  WireWriter out(bytes);
  out(static_cast<std::uint8_t>(note.tag), note.ticket);
  Result<void> sent = send_control(socket, bytes, files, wait);
  // As many descriptors are on their way as the user may have. They become fewer as the master collects.
  while (wait && !sent && sent.error().code == ErrorCode::exhausted && !hung_up(socket)) {
    static_cast<void>(::poll(nullptr, 0, kLookAgainMs));
    sent = send_control(socket, bytes, files, wait);
  }
  return sent;
}

Result<Note> read_note(const ControlMessage& message) try {
  WireReader in(as_bytes(message.bytes));
  std::uint8_t tag = 0;
  Note note;
  in(tag, note.ticket);
  note.tag = static_cast<NoteTag>(tag);
  if (in.left() != 0 || (note.tag != NoteTag::files && note.tag != NoteTag::terminate)) {
    throw WireError("unknown tag or length");
  }
  return note;
} catch (const WireError& error) {
  return fail(ErrorCode::protocol, std::string("a control message cannot be read: ") + error.what());
}

Result<std::vector<UniqueFd>> receive_files(int socket, std::uint64_t ticket, std::size_t wanted) {
  if (wanted == 0) return {};
  ControlMessage message;
  const Result<Received> got = receive_control(socket, message, false);
  if (!got) return tl::unexpected(got.error());
  if (*got != Received::message) return fail(ErrorCode::protocol, "the files of a reply did not come");
  const Result<Note> note = read_note(message);
  if (!note || note->tag != NoteTag::files || note->ticket != ticket || message.files.size() != wanted) {
    return fail(ErrorCode::protocol, "the files that came do not belong to this reply");
  }
  for (const UniqueFd& file : message.files) {
    // Whoever reads from a pipe or a terminal waits for somebody; a file (a memfd is one) only ever ends.
    struct stat info{};
    if (os::call("fstat", ::fstat, file.get(), &info) != 0) return os::failure("look at a worker's file", "fstat");
    if (!S_ISREG(info.st_mode)) return fail(ErrorCode::protocol, "a file of a reply is no regular file");
  }
  return std::move(message.files);
}

}  // namespace runner::ipc
