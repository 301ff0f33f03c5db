// record_reader.hpp - a file of lines, read from its beginning to its end, one record at a time.
//
// At most one record and one block of the file are in memory. Standard input, a pipe or a terminal is read only as far as records
// are asked for, so whoever writes into it waits.
//
// Called from  records.cpp and exec_batch.cpp, one thread.
// Owns         the open file (not standard input), and its buffer. Never changes the flags of the file it reads.
// Fails with   BadBatch with the place in that file: it cannot be opened or read, a record is too long. waits() fails with
//              nothing; the next next() does.
// Call order   (waits next | rewind)*
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <runner/unique_fd.hpp>
#include <runner/value.hpp>

namespace runner::config {

enum class RecordEnd : std::uint8_t {
  newline,  // or "\r\n"; the last line needs none
  csv,      // as newline, but not inside of double quotes: RFC 4180
  nul,
};

class RecordReader {
 public:
  static constexpr std::size_t kLongest = std::size_t{16} << 20;

  // `path` "-" is standard input; `at` is where it is named, for messages.
  RecordReader(const std::string& path, RecordEnd end, Position at);

  // False: there are no more. `record` is valid until the next call.
  [[nodiscard]] bool next(std::string_view& record);
  // Whether next() would have to wait for somebody to write.
  [[nodiscard]] bool waits();
  // Readable when there is more.
  [[nodiscard]] int fd() const { return fd_; }
  // Whether it can be read again from the beginning; else it can be read only once.
  [[nodiscard]] bool again() const { return again_; }
  void rewind();

  // Of the record given last: the number of the line where it begins.
  [[nodiscard]] std::uint64_t line() const { return line_; }
  [[nodiscard]] const std::string& shown() const { return shown_; }
  // Throws BadBatch with the place of the record given last.
  [[noreturn]] void bad_record(std::string text) const;

 private:
  // Looks at what is in the buffer and was not looked at yet. Where the record ends, without its end mark; none: not in there.
  [[nodiscard]] std::optional<std::size_t> find_end();
  // One block more. False: end of file.
  bool read_block();
  [[nodiscard]] bool readable() const;

  std::string shown_;
  RecordEnd end_;
  UniqueFd file_;
  int fd_;
  bool again_ = false, over_ = false;
  std::string buffer_;
  std::size_t begin_ = 0, looked_ = 0;  // of the record to come; what was looked at
  std::optional<std::size_t> found_;    // its end
  bool quoted_ = false, field_begins_ = true;
  std::uint64_t line_ = 0, next_line_ = 1;
};

}  // namespace runner::config
