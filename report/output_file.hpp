// output_file.hpp - a buffered writer to a file or a descriptor, whose buffer is made of whole records.
//
// Called from  the run loop's thread; salvage() also from a dying program.
// Owns         its buffer, and the file if it made it; a borrowed descriptor is never closed.
// Fails with   unwritable, once: path or name, what errno says, what to do. A file of ours then ends with the last record
//              that fitted, and whatever is given later is dropped.
// Call order   (buffer-append end_record | copy | flush)*
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <runner/result.hpp>
#include <runner/unique_fd.hpp>

namespace runner::report {

class OutputFile {
 public:
  // Makes the file, or opens it as it is; nobody else can meanwhile. empty() is for when it is sure that there will be output.
  [[nodiscard]] static Result<OutputFile> create(const std::string& path);
  // A file without a name in $TMPDIR, else /tmp; it may be read as well.
  [[nodiscard]] static Result<OutputFile> temporary();
  // A descriptor of somebody else's; `name` is for messages: "standard output".
  OutputFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  [[nodiscard]] Result<void> empty();
  // A record is appended here, then end_record() is called. Nothing that is not a whole record ever stays here.
  [[nodiscard]] std::string& buffer() { return buffer_; }
  [[nodiscard]] Result<void> end_record();
  // The next `bytes` come from another file, beginning at `offset`; its own position does not change.
  [[nodiscard]] Result<void> copy(int from, std::uint64_t offset, std::uint64_t bytes);
  [[nodiscard]] Result<void> flush();
  // Writes what is buffered with write(2) and does nothing else.
  void salvage() noexcept;

  // Everything accepted so far, buffered or written.
  [[nodiscard]] std::uint64_t size() const { return written_ + buffer_.size(); }
  [[nodiscard]] bool pending() const { return !buffer_.empty(); }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] UniqueFd take() { return std::move(owned_); }
  // For a temporary file whose content is of no use any more.
  [[nodiscard]] Result<void> rewind();

  // Told before bytes are written, with the last of them: who shares the terminal makes room.
  void before_write(std::function<void(char last)> told) { before_write_ = std::move(told); }

 private:
  OutputFile(UniqueFd owned, std::string name) : owned_(std::move(owned)), fd_(owned_.get()), name_(std::move(name)) {}
  [[nodiscard]] Result<void> copy_by_hand(int from, std::uint64_t offset, std::uint64_t bytes);
  [[nodiscard]] bool wait_until_writable() const;
  [[nodiscard]] tl::unexpected<Error> give_up(int error, std::size_t put);

  UniqueFd owned_;
  int fd_;
  std::string name_;
  std::string buffer_;
  std::vector<std::size_t> ends_;  // of the records in the buffer
  std::uint64_t written_ = 0;
  std::function<void(char)> before_write_;
  bool broken_ = false;
};

}  // namespace runner::report
