// value.hpp - a value as a person wrote it in a batch file, with the place where it stands.
//
// Scalars keep their text, so that `${{ x }}` gives back what was written; who needs a number asks for one (read_value.hpp).
// Called from  config makes it; the readers of arguments (read_value.hpp) take it apart.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace runner {

// Counted from 1, as editors do; 0 where there is no place (a value that was computed).
struct Position {
  std::size_t line = 0;
  std::size_t column = 0;
};

struct Value;

struct Scalar {
  std::string text;
  bool plain = true;  // written without quotes, so that it may be a number, a truth value or null
};
using Sequence = std::vector<Value>;
struct Member;
using Mapping = std::vector<Member>;  // in the order written; keys are unique (the reader refuses others)

struct Value {
  std::variant<Scalar, Sequence, Mapping> data;
  Position at;

  [[nodiscard]] const Scalar* scalar() const { return std::get_if<Scalar>(&data); }
  [[nodiscard]] const Sequence* sequence() const { return std::get_if<Sequence>(&data); }
  [[nodiscard]] const Mapping* mapping() const { return std::get_if<Mapping>(&data); }
  [[nodiscard]] bool is_null() const {
    const Scalar* s = scalar();
    return s != nullptr && s->plain && (s->text.empty() || s->text == "~" || s->text == "null");
  }
};

struct Member {
  Scalar key;
  Value value;
};

// Thrown inside reading code only and turned into a Result at its edge: cereal's interface has no other way out.
struct ValueError {
  Position at;
  std::string text;  // without place: "`limit` must be a whole number, found `abc`"
};

// What was found, for a message: "`abc`", "the text \"5\"", "a list", "a mapping", "nothing".
[[nodiscard]] std::string found(const Value& value);

// The candidate closest to `word` by Damerau-Levenshtein distance, at most a third of its length away; empty if none is.
[[nodiscard]] std::string_view near_miss(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace runner
