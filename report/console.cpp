#include "report/console.hpp"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "ipc/os.hpp"
#include "report/job_control.hpp"
#include "report/printable.hpp"

namespace runner::report {

namespace {

bool same_terminal(int a, int b) {
  struct stat first{}, second{};
  return ::isatty(a) != 0 && ::isatty(b) != 0 && ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 &&
         first.st_rdev == second.st_rdev;
}

bool can_redraw(int fd) {
  const char* type = std::getenv("TERM");
  return ::isatty(fd) != 0 && (type == nullptr || std::string_view(type) != "dumb");
}

// POSIX, base definitions 8.2: the first of these that is set and not empty.
bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string locale(value);
    std::transform(locale.begin(), locale.end(), locale.begin(), [](unsigned char c) { return std::tolower(c); });
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

Console::Console(int out_fd, int err_fd, Clock clock)
    : out_(out_fd, "standard output"),
      err_(err_fd, "standard error"),
      live_(can_redraw(err_fd)),
      utf8_(speaks_utf8()),
      together_(same_terminal(out_fd, err_fd)),
      clock_(clock),
      continued_(JobControl::continued()) {
  const auto make_room = [this](char last) {
    erase();
    mid_line_ = last != '\n';
  };
  if (live_) err_.before_write(make_room);
  if (live_ && together_) out_.before_write(make_room);
}

std::size_t Console::columns() const {
  winsize size{};
  if (os::call("ioctl", ::ioctl, err_.fd(), static_cast<unsigned long>(TIOCGWINSZ), &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::size_t Console::rows() const {
  winsize size{};
  if (os::call("ioctl", ::ioctl, err_.fd(), static_cast<unsigned long>(TIOCGWINSZ), &size) != 0 || size.ws_row == 0) return 24;
  return size.ws_row;
}

// With the text that waited, in one go.
void Console::show(std::vector<std::string> lines) {
  if (!live_ || (lines.empty() && lines_.empty())) return;
  if (Result<void> printed = print(); !printed && !failed_) failed_ = printed.error();
  look_for_a_stop();
  std::string bytes = drawn_ ? erasure() : std::string();  // in one write with what follows, so that nothing flickers
  lines_ = std::move(lines);
  drawn_ = !lines_.empty();
  if (drawn_) bytes += picture();
  put(bytes);
  if (drawn_) drawn_at_ = clock_();
}

void Console::leave_lines() {
  drawn_ = false;
  lines_.clear();
  last_erasure_.clear();
}

void Console::look_for_a_stop() {
  if (std::exchange(continued_, JobControl::continued()) != continued_) drawn_ = false;
}

bool Console::in_background() const {
  const pid_t group = ::tcgetpgrp(err_.fd());  // fails where it is no terminal that we could be in the background of
  return group > 0 && group != ::getpgrp();
}

Result<void> Console::print() {
  const Result<void> written = out_.flush();
  const Result<void> said = err_.flush();
  return written ? said : written;
}

Result<void> Console::flush() {
  if (failed_) return tl::unexpected(*std::exchange(failed_, std::nullopt));
  const bool wait = hold_ && !lines_.empty() && just_drawn();
  if (wait) return together_ ? Result<void>{} : out_.flush();  // somebody may wait for it at the other end of a pipe
  const Result<void> printed = print();
  if (!drawn_ && !lines_.empty() && !just_drawn()) draw();
  return printed;
}

void Console::draw() {
  put(picture());
  drawn_ = true;
  drawn_at_ = clock_();
}

// The lines may have been folded by a terminal that became narrower since.
std::string Console::erasure() const {
  const std::size_t width = columns();
  std::string bytes = "\r\x1b[K";
  std::size_t rows = 0;
  for (const std::string& line : lines_) rows += std::max<std::size_t>(1, (columns_of(line) + width - 1) / width);
  for (; rows > 1; --rows) bytes += "\x1b[A\x1b[K";
  return bytes;
}

void Console::erase() {
  look_for_a_stop();
  if (!drawn_) return;
  put(erasure());
  drawn_ = false;
}

std::string Console::picture() {
  std::string bytes;
  if (std::exchange(mid_line_, false)) bytes += '\n';
  for (std::size_t i = 0; i < lines_.size(); ++i) bytes += (i == 0 ? "" : "\n") + lines_[i];
  last_erasure_ = erasure();
  return bytes;
}

void Console::put(const std::string& bytes) const {
  // A lost live line is no loss: the next one follows.
  static_cast<void>(os::retry("write", ::write, err_.fd(), static_cast<const void*>(bytes.data()), bytes.size()));
}

void Console::salvage() noexcept {
  if (drawn_ && ::write(err_.fd(), last_erasure_.data(), last_erasure_.size()) >= 0) drawn_ = false;
  out_.salvage();
  err_.salvage();
}

}  // namespace runner::report
