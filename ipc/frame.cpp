#include "ipc/frame.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ipc/os.hpp"

namespace runner::ipc {

namespace {
constexpr std::size_t kHeader = sizeof(std::uint32_t);
constexpr std::size_t kLeastRead = std::size_t{64} << 10, kMostRead = std::size_t{4} << 20;
}  // namespace

Result<FrameReader::Filled> FrameReader::fill(int fd) {
  if (taken_ == filled_) {
    taken_ = filled_ = 0;
  } else if (taken_ > filled_ / 2) {
    std::memmove(buffer_.data(), buffer_.data() + taken_, filled_ - taken_);
    filled_ -= taken_;
    taken_ = 0;
  }
  // Twice what came so far: linear for a large message, and never more than what the peer really sent.
  const std::size_t step = std::clamp(filled_, kLeastRead, kMostRead);
  if (buffer_.size() < filled_ + step) buffer_.resize(filled_ + step);
  const ssize_t got = os::retry("read", ::read, fd, static_cast<void*>(buffer_.data() + filled_), step);
  if (got > 0) {
    filled_ += static_cast<std::size_t>(got);
    return Filled::some;
  }
  if (got == 0) return Filled::end_of_file;
  if (errno == EAGAIN) return Filled::nothing_there;
  return os::failure("read from a worker's pipe", "read");
}

Result<std::span<const std::byte>> FrameReader::skip(int fd) {
  std::uint32_t length = 0;
  std::memcpy(&length, rest().data(), kHeader);
  const std::span<const std::byte> kept = rest().subspan(kHeader);
  std::array<char, 4096> past;
  for (std::size_t left = length - kept.size(); left > 0;) {
    const ssize_t got = os::retry("read", ::read, fd, static_cast<void*>(past.data()), std::min(left, past.size()));
    if (got < 0) return os::failure("read from a worker's pipe", "read");
    if (got == 0) return fail(ErrorCode::protocol, "a pipe ended in the middle of a message");
    left -= static_cast<std::size_t>(got);
  }
  taken_ = filled_ = 0;
  return kept;
}

bool FrameReader::ready() const {
  if (filled_ - taken_ < kHeader) return false;
  std::uint32_t length = 0;
  std::memcpy(&length, rest().data(), kHeader);
  return filled_ - taken_ - kHeader >= length;
}

Result<std::optional<std::span<const std::byte>>> FrameReader::next() {
  if (filled_ - taken_ < kHeader) return std::nullopt;
  std::uint32_t length = 0;
  std::memcpy(&length, rest().data(), kHeader);
  if (length > limit_) return fail(ErrorCode::protocol, "a message is longer than allowed");
  if (filled_ - taken_ - kHeader < length) return std::nullopt;
  const std::span<const std::byte> message = rest().subspan(kHeader, length);
  taken_ += kHeader + length;
  return message;
}

std::span<std::byte> FrameWriter::put(std::size_t bytes) {
  if (written_ == buffer_.size()) {
    buffer_.clear();
    written_ = 0;
  }
  const auto length = static_cast<std::uint32_t>(bytes);
  const std::size_t at = buffer_.size();
  buffer_.resize(at + kHeader + bytes);
  std::memcpy(buffer_.data() + at, &length, kHeader);
  return std::as_writable_bytes(std::span(buffer_)).subspan(at + kHeader);
}

Result<bool> FrameWriter::flush(int fd) {
  while (written_ < buffer_.size()) {
    const ssize_t put =
        os::retry("write", ::write, fd, static_cast<const void*>(buffer_.data() + written_), buffer_.size() - written_);
    if (put < 0) {
      if (errno == EAGAIN) {
        // What is written goes, or a queue that is never empty would keep all that ever passed through it.
        buffer_.erase(0, written_);
        written_ = 0;
        return false;
      }
      return os::failure("write to a worker's pipe", "write");
    }
    written_ += static_cast<std::size_t>(put);
  }
  buffer_.clear();
  written_ = 0;
  return true;
}

}  // namespace runner::ipc
