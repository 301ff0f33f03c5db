// axis.hpp - the keys of a job that change in step: one key of `matrix`, or all keys of `zip`. A job takes one place of each axis.
//
// Called from  entry.cpp, one thread.
// Owns         the lists and open files its values come from.
// Fails with   BadBatch: lists in step whose lengths differ (both are named), and all that the lists and files fail with.
// Call order   add* (select)*
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <runner/value.hpp>
#include "config/records.hpp"
#include "config/value_list.hpp"

namespace runner::config {

class Axis {
 public:
  // One more key that goes in step with those before; its variables follow `variables`.
  void add(const std::string& key, const Value& value, std::vector<std::string>& variables);

  // How many places; unknown while a file was not read to its end.
  [[nodiscard]] std::optional<std::uint64_t> size() const { return size_; }
  // Puts the values of place `i` into those of all variables; false: there are not so many.
  [[nodiscard]] bool select(std::uint64_t i, std::span<Value> values);
  // The descriptor on which select(i) would have to wait for somebody to write; -1: it would not wait.
  [[nodiscard]] int awaited(std::uint64_t i);

  // Whether places may be selected again: not when a pipe is read.
  [[nodiscard]] bool again() const;
  [[nodiscard]] bool reads_files() const;
  // Where in its files the place selected last stands: "names.txt:17"; empty for lists.
  [[nodiscard]] std::string place() const;
  // The file that a value at this line of a file stands in.
  [[nodiscard]] std::string file_of(std::uint64_t line) const;

  // Places whose values stand for all, of an axis of lists: see ValueList.
  [[nodiscard]] std::vector<std::uint64_t> representatives() const;

  // ---- of one variable, for names and messages ----
  [[nodiscard]] bool has(std::size_t variable) const;
  // No two places have the same text in it; which bytes are in the texts.
  [[nodiscard]] bool distinct(std::size_t variable) const;
  [[nodiscard]] std::bitset<256> bytes(std::size_t variable) const;
  // Whether it may be an argument of a kind: the number of a row is not.
  [[nodiscard]] bool is_value(std::size_t variable) const;
  // Whether its values are paths of files that are there: of a glob.
  [[nodiscard]] bool names_files(std::size_t variable) const;
  [[nodiscard]] Position position(std::size_t variable) const;
  [[nodiscard]] Position position() const { return keys_.front().at; }

 private:
  struct Key {
    std::string name;
    Position at;
    std::size_t first, count;  // its variables
    std::variant<ValueList, Records> values;
    [[nodiscard]] std::optional<std::uint64_t> size() const;
    [[nodiscard]] std::string length() const;  // "`a` has 3 values"
  };
  [[nodiscard]] const Key& key_of(std::size_t variable) const;
  void learn_size();

  std::vector<Key> keys_;
  std::optional<std::uint64_t> size_;
};

}  // namespace runner::config
