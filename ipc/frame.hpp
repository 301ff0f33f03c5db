// frame.hpp - messages with a length in front, over a byte stream such as a pipe.
//
// Called from  the one thread that owns the descriptor.
// Owns         the bytes not yet written or not yet taken.
// Fails with   system. A length is believed only as far as bytes really arrive: memory grows with them, not with the claim.
//              protocol: a length above the limit. fill: bad_alloc, with nothing read.
// Call order   FrameReader: (fill next*)* ; FrameWriter: (put* flush)*
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <runner/result.hpp>

namespace runner::ipc {

class FrameReader {
 public:
  enum class Filled : std::uint8_t { some, nothing_there, end_of_file };

  explicit FrameReader(std::size_t limit = UINT32_MAX) : limit_(limit) {}

  // One read; blocks if the descriptor does.
  [[nodiscard]] Result<Filled> fill(int fd);
  // The next whole message, valid until the next fill(); nothing: not all of it is here.
  [[nodiscard]] Result<std::optional<std::span<const std::byte>>> next();
  // After fill() threw bad_alloc: reads past the message that it came to, and gives as much of its beginning as there is room for,
  // valid until the next fill().
  [[nodiscard]] Result<std::span<const std::byte>> skip(int fd);
  // Whether a whole message is waiting.
  [[nodiscard]] bool ready() const;

 private:
  [[nodiscard]] std::span<const std::byte> rest() const {
    return std::as_bytes(std::span(buffer_)).subspan(taken_, filled_ - taken_);
  }
  std::size_t limit_;
  std::string buffer_;
  std::size_t taken_ = 0, filled_ = 0;
};

class FrameWriter {
 public:
  // Space for a message of `bytes`, to be filled before the next call.
  [[nodiscard]] std::span<std::byte> put(std::size_t bytes);
  // Writes what it can; true when nothing is left.
  [[nodiscard]] Result<bool> flush(int fd);
  [[nodiscard]] std::size_t waiting() const { return buffer_.size() - written_; }

 private:
  std::string buffer_;
  std::size_t written_ = 0;
};

}  // namespace runner::ipc
