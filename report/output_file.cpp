#include "report/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "ipc/os.hpp"

namespace runner::report {

namespace {

constexpr std::size_t kFlushAt = std::size_t{64} << 10;

std::string why_not(const std::string& path, int error) {
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  switch (error) {
    case EISDIR: return fmt::format("cannot write `{}`: it is a folder; give the name of a file", path);
    case ENOENT:
      if (std::error_code unknown; std::filesystem::is_directory(folder, unknown))
        return fmt::format("cannot write `{}`: no file can be made in `{}`; give another path", path, folder);
      return fmt::format("cannot write `{}`: there is no folder `{}`; make it first", path, folder);
    case ENOTDIR: return fmt::format("cannot write `{}`: `{}` is not a folder; give another path", path, folder);
    case EACCES:
    case EPERM:
      return fmt::format("cannot write `{}`: you have no permission to write it; give a path where you may write", path);
    case EROFS: return fmt::format("cannot write `{}`: the file system is read-only; give another path", path);
    default: return os::describe(fmt::format("write `{}`", path), "open", error);
  }
}

}  // namespace

Result<OutputFile> OutputFile::create(const std::string& path) {
  if (path == "-") return fail(ErrorCode::usage, "`-` is not a file to write; `/dev/stdout` is the standard output");
  UniqueFd fd(os::retry("open", ::open, path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  if (!fd) return fail(ErrorCode::unwritable, why_not(path, errno));
  // Kept until the file is closed. A file system that knows no locks lets everybody in.
  if (os::retry("flock", ::flock, fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return fail(ErrorCode::unwritable, fmt::format("cannot write `{}`: another run writes it; give another name", path));
  }
  return OutputFile(std::move(fd), "`" + path + "`");
}

Result<OutputFile> OutputFile::temporary() {
  const char* wanted = std::getenv("TMPDIR");
  const std::string folder = wanted != nullptr && *wanted != '\0' ? wanted : "/tmp";
  const std::string name = "a temporary file in " + folder;
  UniqueFd fd(os::retry("open", ::open, folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) {  // not every file system knows O_TMPFILE
    std::string path = folder + "/runner-results-XXXXXX";
    fd.reset(os::call("mkostemp", ::mkostemp, path.data(), O_CLOEXEC));
    if (!fd) {
      return fail(ErrorCode::unwritable, os::describe("make " + name, "mkostemp", errno) + "; set TMPDIR to another folder");
    }
    ::unlink(path.c_str());
  }
  return OutputFile(std::move(fd), name);
}

Result<void> OutputFile::empty() {
  // Only a regular file has anything to lose; others cannot be cut.
  if (os::retry("ftruncate", ::ftruncate, fd_, off_t{0}) == 0 || errno == EINVAL) return {};
  return fail(ErrorCode::unwritable, os::describe(fmt::format("empty {}", name_), "ftruncate", errno));
}

Result<void> OutputFile::end_record() {
  ends_.push_back(buffer_.size());
  return buffer_.size() < kFlushAt ? Result<void>{} : flush();
}

Result<void> OutputFile::flush() {
  if (!buffer_.empty() && !broken_) {
    if (before_write_) before_write_(buffer_.back());
    std::size_t put = 0;
    while (put < buffer_.size()) {
      const ssize_t n = os::retry("write", ::write, fd_, static_cast<const void*>(buffer_.data() + put), buffer_.size() - put);
      if (n >= 0) {
        put += static_cast<std::size_t>(n);
      } else if (errno != EAGAIN || !wait_until_writable()) {
        return give_up(errno, put);
      }
    }
    written_ += put;
  }
  buffer_.clear();
  ends_.clear();
  return {};
}

Result<void> OutputFile::copy(int from, std::uint64_t offset, std::uint64_t bytes) {
  if (Result<void> flushed = flush(); !flushed || broken_ || bytes == 0) return flushed;
  if (before_write_) {
    char last = '\0';
    if (os::retry("pread", ::pread, from, static_cast<void*>(&last), std::size_t{1}, static_cast<off_t>(offset + bytes - 1)) <
        0) {
      last = '\0';
    }
    before_write_(last);
  }
  auto at = static_cast<off_t>(offset);
  while (bytes > 0) {
    const ssize_t n = os::retry("sendfile", ::sendfile, fd_, from, &at, static_cast<std::size_t>(bytes));
    if (n > 0) {
      bytes -= static_cast<std::uint64_t>(n);
      written_ += static_cast<std::uint64_t>(n);
    } else if (n == 0) {
      return fail(ErrorCode::unwritable, fmt::format("a captured output is {} bytes shorter than it was", bytes));
    } else if (errno == EINVAL || errno == ENOSYS) {  // e.g. a descriptor opened for appending
      return copy_by_hand(from, static_cast<std::uint64_t>(at), bytes);
    } else if (errno != EAGAIN || !wait_until_writable()) {
      return give_up(errno, 0);
    }
  }
  return {};
}

Result<void> OutputFile::copy_by_hand(int from, std::uint64_t offset, std::uint64_t bytes) {
  while (bytes > 0) {
    buffer_.resize(std::min<std::uint64_t>(bytes, kFlushAt));
    const ssize_t n =
        os::retry("pread", ::pread, from, static_cast<void*>(buffer_.data()), buffer_.size(), static_cast<off_t>(offset));
    if (n <= 0) {
      const int error = n == 0 ? EIO : errno;
      buffer_.clear();
      return fail(ErrorCode::unwritable, os::describe("read a captured output again", "pread", error));
    }
    buffer_.resize(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
    bytes -= static_cast<std::uint64_t>(n);
    if (Result<void> flushed = flush(); !flushed) return flushed;
  }
  return {};
}

bool OutputFile::wait_until_writable() const {
  pollfd waited{fd_, POLLOUT, 0};
  return os::retry("poll", ::poll, &waited, nfds_t{1}, -1) > 0;
}

tl::unexpected<Error> OutputFile::give_up(int error, std::size_t put) {
  broken_ = true;
  written_ += put;
  const auto next = std::upper_bound(ends_.begin(), ends_.end(), put);
  const std::size_t whole = next == ends_.begin() ? 0 : *(next - 1);
  // Half a line would spoil the file for its readers. What is not a regular file cannot be cut, and need not be.
  const bool cut = owned_ && ::ftruncate(fd_, static_cast<off_t>(written_ - (put - whole))) == 0;
  if (cut) written_ -= put - whole;
  buffer_.clear();
  ends_.clear();
  if (error == EPIPE) {
    return fail(ErrorCode::unwritable,
                fmt::format("{} was closed by whoever read it (as `| head` does), so nothing more can be written there; "
                            "--results FILE keeps every result",
                            name_));
  }
  std::string text = os::describe("write " + name_, "write", error);
  if (cut) text += fmt::format("; the {} bytes written before are whole", written_);
  return fail(ErrorCode::unwritable, std::move(text));
}

void OutputFile::salvage() noexcept {
  if (broken_) return;
  std::size_t put = 0;
  while (put < buffer_.size()) {
    const ssize_t n = ::write(fd_, buffer_.data() + put, buffer_.size() - put);
    if (n < 0 && errno != EINTR) break;
    if (n > 0) put += static_cast<std::size_t>(n);
  }
  buffer_.clear();
}

Result<void> OutputFile::rewind() {
  buffer_.clear();
  ends_.clear();
  written_ = 0;
  if (os::retry("ftruncate", ::ftruncate, fd_, off_t{0}) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0) {
    return fail(ErrorCode::unwritable, os::describe("empty " + name_, "ftruncate", errno));
  }
  return {};
}

}  // namespace runner::report
