// records.hpp - the values of matrix keys that stand in a file, one record a job, read as jobs are asked for.
//
//   {lines: FILE}    one variable, the key: a line of the file
//   {csv: FILE}      a variable for each name in its first line; the key is the number of the row, from 1
//   {jsonl: FILE}    a variable for each key of its first object; the key is the number of the object, from 1
//
// FILE "-" is standard input. One record is in memory, however long the file is.
//
// Called from  axis.cpp, one thread.
// Owns         the open file; the values of the record read last.
// Fails with   BadBatch with the place in that file: ragged rows, a name twice, no UTF-8, no JSON; what is wrong with the file as
//              a whole is known when it is opened, what is wrong with a record when it is read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <runner/value.hpp>
#include "config/record_reader.hpp"

namespace runner::config {

class Records {
 public:
  // Whether `{form: ...}` is one of the above.
  [[nodiscard]] static bool is_form(std::string_view form);
  // Opens the file; of csv and jsonl the first record is read, which has the names.
  Records(const std::string& key, std::string_view form, const Value& path);

  // The variables, in the order of values().
  [[nodiscard]] const std::vector<std::string>& variables() const { return variables_; }
  // Whether variable `v` counts the records: then no two have the same.
  [[nodiscard]] bool counts(std::size_t v) const { return v == 0 && counted_; }

  // Reads on to record `i`; false: there are not so many. An earlier one than the last only if again().
  [[nodiscard]] bool select(std::uint64_t i);
  [[nodiscard]] const std::vector<Value>& values() const { return values_; }  // of the record selected last
  // Whether select(i) would have to wait for somebody to write.
  [[nodiscard]] bool waits(std::uint64_t i);

  // How many there are, once the end was seen.
  [[nodiscard]] std::optional<std::uint64_t> size() const { return size_; }
  [[nodiscard]] bool again() const { return reader_.again(); }
  [[nodiscard]] int fd() const { return reader_.fd(); }
  [[nodiscard]] const std::string& shown() const { return reader_.shown(); }
  [[nodiscard]] std::uint64_t line() const { return reader_.line(); }
  [[nodiscard]] Position position() const { return at_; }

 private:
  enum class Form : std::uint8_t { lines, csv, jsonl };

  [[nodiscard]] bool read();
  void read_header();
  void add_variable(const std::string& name);
  // What was read becomes the values.
  void take_line(std::string_view record);
  void take_row(std::string_view record);
  void take_object(std::string_view record);
  [[nodiscard]] Value text_value(std::string text, bool quoted) const;

  std::string key_;
  Form form_;
  Position at_;
  RecordReader reader_;
  std::vector<std::string> variables_;
  std::vector<Value> values_;
  bool counted_ = false;    // the key is the number of the record
  std::uint64_t next_ = 0;  // number of the record that is read next
  std::optional<std::uint64_t> size_;
};

}  // namespace runner::config
