// matrix.hpp - the axes of an entry (`zip` and `matrix`), and the values of the one job that is selected.
//
// Called from  entry.cpp and typed_arguments.cpp, one thread.
// Owns         the lists and open files, and the current value of each variable.
// Fails with   BadBatch: a key that cannot be one, a file that is read twice, too many jobs; and all that the axes fail with.
// Call order   read (await_first)? (select)*
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <runner/value.hpp>
#include "config/axis.hpp"
#include "config/bad_batch.hpp"

namespace runner::config {

// Who reads standard input: it can be read only once.
struct StandardInput {
  std::string reader;  // for a message; empty: nobody yet
};

class Matrix {
 public:
  // Each may be null. What goes in step (`zip`) is one axis, and the slowest. The first values are selected.
  void read(const Value* matrix, const Value* zip, StandardInput& input);
  // What cannot be gone through again has its first values from here on; waits for them.
  void await_first();

  // How many combinations: the product of the axes; 1 without any. Unknown while a file was not read to its end.
  [[nodiscard]] std::optional<std::uint64_t> size() const { return size_; }
  // Looks again, after files were read.
  void learn_size();
  [[noreturn]] void too_many() const;
  [[nodiscard]] bool reads_files() const { return reads_files_; }

  // Names of the variables, and their current values in the same order, which stay where they are.
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }
  [[nodiscard]] const std::vector<Value>& values() const { return values_; }
  [[nodiscard]] const std::vector<Axis>& axes() const { return axes_; }  // slowest first
  [[nodiscard]] const Axis& axis_of(std::size_t variable) const;

  // Combination `index`, the last axis fastest. False: there are not so many. All axes but the first must have a size.
  [[nodiscard]] bool select(std::uint64_t index);
  // One axis only.
  [[nodiscard]] bool select(std::size_t axis, std::uint64_t place);
  // The descriptor on which select(index) would have to wait for somebody to write; -1: it would not wait.
  [[nodiscard]] int awaited(std::uint64_t index);

  // Adds where the current values come from to what is wrong with them: a value from a file stands in that file; a text that such
  // values are put into stands in the batch file, and the message says with which of them.
  void tell_place(BadBatch& error) const;

 private:
  void add_axis(const Mapping& keys, std::string_view section);

  std::vector<std::string> keys_;
  std::vector<Axis> axes_;
  std::vector<std::uint64_t> chosen_;  // the current place of each
  std::vector<Value> values_;
  std::optional<std::uint64_t> size_ = 1;
  bool reads_files_ = false;
  Position at_;
};

}  // namespace runner::config
