// argument_list.hpp - the arguments of one input of `runner exec`, one after another; and several of them as one sequence.
//
// Called from  exec_batch.cpp, one thread.
// Owns         the open file, or the words that were given.
// Fails with   BadBatch, with the place in the file.
// Call order   (awaited next | rewind | at)*
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "config/record_reader.hpp"

namespace runner::config {

class ArgumentList {
 public:
  explicit ArgumentList(std::vector<std::string> words) : from_(std::move(words)) {}
  explicit ArgumentList(RecordReader reader, bool null) : from_(std::move(reader)), null_(null) {}

  // Arguments of nothing but blanks are left out from now on.
  void skip_blank();
  // False: there are no more.
  [[nodiscard]] bool next(std::string& argument);
  // The descriptor on which next() would have to wait for somebody to write; -1: it would not wait.
  [[nodiscard]] int awaited();
  // Whether it can be gone through again; else only once.
  [[nodiscard]] bool again() const;
  void rewind();
  // How many there are, if not more than `most` have to be looked at to know. Leaves it at its beginning.
  [[nodiscard]] std::optional<std::uint64_t> count(std::uint64_t most);
  // The words that were given, which can be had in any order; null: they are read from a file.
  [[nodiscard]] const std::vector<std::string>* words() const { return std::get_if<std::vector<std::string>>(&from_); }
  [[nodiscard]] std::string shown() const;

 private:
  [[nodiscard]] bool read(std::string& argument);
  std::variant<std::vector<std::string>, RecordReader> from_;
  std::size_t word_ = 0;
  bool null_ = false, skip_blank_ = false;
};

// Lists that go in step.
class LinkedLists {
 public:
  void add(ArgumentList list) { lists_.push_back(std::move(list)); }
  // Shorter ones begin again, and the longest one ends them; else the shortest does.
  void wrap() { wrap_ = true; }
  [[nodiscard]] std::size_t width() const { return lists_.size(); }

  // One argument of each; `values` has a place for each.
  [[nodiscard]] bool next(std::span<std::string> values);
  [[nodiscard]] int awaited();
  [[nodiscard]] bool again() const;
  void rewind();
  [[nodiscard]] std::optional<std::uint64_t> count(std::uint64_t most);
  // Whether at() can be asked.
  [[nodiscard]] bool direct() const;
  // What next() gives after so many others, `index` below count(). Leaves next() where it is.
  void at(std::uint64_t index, std::span<std::string> values) const;

 private:
  std::vector<ArgumentList> lists_;
  std::vector<bool> ended_;  // at least once
  bool wrap_ = false;
};

}  // namespace runner::config
