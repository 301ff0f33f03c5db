#include "config/record_reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

RecordReader::RecordReader(const std::string& path, RecordEnd end, Position at)
    : shown_(path == "-" ? "<stdin>" : path), end_(end), fd_(STDIN_FILENO) {
  if (path != "-") {
    file_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file_) {
      bad(at, fmt::format("the file `{}` cannot be opened: {}; paths are relative to the working directory", path,
                          std::strerror(errno)));
    }
    fd_ = file_.get();
  }
  struct stat info{};
  if (::fstat(fd_, &info) != 0) bad(at, fmt::format("{} cannot be read: {}", shown_, std::strerror(errno)));
  if (S_ISDIR(info.st_mode))
    bad(at, fmt::format("{} is a folder; a file was expected", path == "-" ? "standard input" : "`" + path + "`"));
  // Standard input may be a file that others have begun to read: its beginning is where they stopped.
  again_ = S_ISREG(info.st_mode) && path != "-";
}

void RecordReader::bad_record(std::string text) const { throw BadBatch{{line_, 0}, std::move(text), shown_}; }

std::optional<std::size_t> RecordReader::find_end() {
  if (found_) return found_;
  if (end_ != RecordEnd::csv) {
    const char mark = end_ == RecordEnd::nul ? '\0' : '\n';
    const void* found = std::memchr(buffer_.data() + looked_, mark, buffer_.size() - looked_);
    looked_ = buffer_.size();
    if (found == nullptr) return std::nullopt;
    return found_ = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
  }
  for (; looked_ < buffer_.size(); ++looked_) {
    const char c = buffer_[looked_];
    if (c == '"') {
      // A quote opens at the beginning of a field only; inside, a doubled one closes and opens again.
      if (quoted_) {
        quoted_ = false;
        field_begins_ = true;
      } else if (field_begins_) {
        quoted_ = true;
      }
    } else if (!quoted_) {
      if (c == '\n') return found_ = looked_;
      field_begins_ = c == ',';
    }
  }
  return std::nullopt;
}

bool RecordReader::read_block() {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    looked_ -= begin_;
    begin_ = 0;
  }
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kBlock);
  for (;;) {
    const ssize_t got = ::read(fd_, buffer_.data() + before, kBlock);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {  // whoever gave us this file made it so; then wait as others do by reading
      pollfd input{fd_, POLLIN, 0};
      ::poll(&input, 1, -1);
      continue;
    }
    buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) throw BadBatch{{next_line_, 0}, fmt::format("this cannot be read on: {}", std::strerror(errno)), shown_};
    if (got == 0) over_ = true;
    return got > 0;
  }
}

bool RecordReader::readable() const {
  pollfd input{fd_, POLLIN, 0};
  return ::poll(&input, 1, 0) != 0;
}

bool RecordReader::waits() {
  if (again_ || over_) return false;
  while (buffer_.size() - begin_ <= kLongest) {
    if (find_end()) return false;
    if (!readable()) return true;
    try {
      if (!read_block()) return false;
    } catch (const BadBatch&) {
      return false;  // and again, when somebody listens
    }
  }
  return false;
}

bool RecordReader::next(std::string_view& record) {
  std::optional<std::size_t> end;
  while (!(end = find_end())) {
    if (buffer_.size() - begin_ > kLongest) {
      throw BadBatch{
          {next_line_, 0},
          fmt::format("this record is longer than {} MiB{}", kLongest >> 20, quoted_ ? ", or its quote is never closed" : ""),
          shown_};
    }
    if (over_ || !read_block()) break;
  }
  if (!end) {
    if (begin_ == buffer_.size()) return false;
    if (quoted_) throw BadBatch{{next_line_, 0}, "the quote that is opened in this record is never closed", shown_};
    end = buffer_.size();
  }
  record = std::string_view(buffer_).substr(begin_, *end - begin_);
  line_ = next_line_;
  next_line_ += 1;
  if (end_ == RecordEnd::csv) next_line_ += static_cast<std::uint64_t>(std::count(record.begin(), record.end(), '\n'));
  begin_ = looked_ = std::min(*end + 1, buffer_.size());
  found_.reset();
  quoted_ = false;
  field_begins_ = true;
  if (end_ != RecordEnd::nul && record.ends_with('\r')) record.remove_suffix(1);
  if (end_ != RecordEnd::nul && line_ == 1 && record.starts_with(kByteOrderMark)) record.remove_prefix(kByteOrderMark.size());
  return true;
}

void RecordReader::rewind() {
  ::lseek(fd_, 0, SEEK_SET);  // only of a file that can
  buffer_.clear();
  found_.reset();
  begin_ = looked_ = 0;
  over_ = quoted_ = false;
  field_begins_ = true;
  line_ = 0;
  next_line_ = 1;
}

}  // namespace runner::config
