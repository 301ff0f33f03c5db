// value_list.hpp - the values of one matrix key, made when asked for.
//
//   [a, b, c]    1..1000    {range: [0, 1, 0.25]}    {glob: "photos/*.jpg"}
//
// Called from  entry.cpp, on one thread.
// Owns         listed values and file names; a range is three numbers however long it is.
// Fails with   BadBatch: empty, no match, a step that leads away from the end, a form that is none.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <runner/value.hpp>

namespace runner::config {

class ValueList {
 public:
  [[nodiscard]] static ValueList parse(const std::string& key, const Value& value);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  // `out` is overwritten; its memory is reused. i < size().
  void at(std::uint64_t i, Value& out) const;

  // Indices whose values stand for all when each value is looked at alone: every one of a list; first, second and last of a
  // range, because what is between two allowed numbers in equal steps is allowed.
  [[nodiscard]] std::vector<std::uint64_t> representatives() const;

  // For the proof that names are unique: no two values have the same text; and the bytes that occur in the texts.
  [[nodiscard]] bool distinct() const;
  [[nodiscard]] std::bitset<256> bytes() const;

  [[nodiscard]] Position position() const { return at_; }
  // Its values are files that are there: those of a glob.
  [[nodiscard]] bool files() const { return files_; }

 private:
  // start + i * step, in units of 10^-decimals: exact in decimal, so that 0.1 steps end at 1 and not at 0.9999999999999999.
  struct Range {
    std::int64_t start, step;
    unsigned decimals;
  };
  [[nodiscard]] static ValueList range(const std::string& key, const Value& value);
  [[nodiscard]] static ValueList glob(const std::string& key, const Value& value);

  std::variant<std::vector<Value>, Range> values_;
  std::uint64_t size_ = 0;
  bool files_ = false;
  Position at_;
};

}  // namespace runner::config
