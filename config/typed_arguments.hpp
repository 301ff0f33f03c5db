// typed_arguments.hpp - `kind` and `args` of an entry: checked once, then made into bytes for each job with the values of its matrix.
//
// A key of the matrix that is the name of an argument is passed on to it; any text in `args` may have ${{ }} in it.
//
// Called from  entry.cpp, one thread.
// Owns         the arguments with the current values in place, and the bytes made last.
// Fails with   BadBatch: an unknown kind, arguments that it does not take, whether as written or with some value of the matrix.
// Call order   read (encode)*
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <runner/registry.hpp>
#include <runner/units.hpp>
#include <runner/value.hpp>
#include "config/matrix.hpp"
#include "config/text_template.hpp"

namespace runner::config {

class TypedArguments {
 public:
  TypedArguments() = default;
  TypedArguments(const TypedArguments&) = delete;  // points go into it
  TypedArguments& operator=(const TypedArguments&) = delete;

  // `args` may be null; `at` is where the job is.
  void read(const Value& kind, const Value* args, Position at, const Registry& registry, const Matrix& matrix);

  // Null before read(): the job is a command.
  [[nodiscard]] const Kind* kind() const { return kind_; }
  // Those of the values that are selected.
  void encode(const Matrix& matrix);
  [[nodiscard]] const std::string& wire() const { return wire_; }
  [[nodiscard]] Duration encoding() const { return encoding_; }  // how long making those took, as far as that was measured

  // Whether some are paths, and what these are now.
  [[nodiscard]] bool has_paths() const { return !paths_.empty(); }
  void append_paths(std::vector<std::string>& out) const;

  // A value may be right with the first value of every other key and wrong with another: tries all combinations of keys that meet in
  // one argument.
  void check_combinations(Matrix& matrix);

 private:
  struct Point {  // a place in the arguments that depends on the matrix
    Value* target;
    TextTemplate text;
    bool plain;
  };
  void find_points(Value& value, const Matrix& matrix);
  void make_wire(const Matrix& matrix);

  const Kind* kind_ = nullptr;
  Value args_;  // with the current values in place
  std::vector<Point> points_;
  std::vector<std::string> paths_;  // names of arguments
  std::string wire_;                // args_ encoded
  Duration encoding_{};
  std::uint64_t encoded_ = 0;  // how often
};

// Every scalar in a value.
void append_texts(const Value& value, std::vector<std::string>& out);

}  // namespace runner::config
