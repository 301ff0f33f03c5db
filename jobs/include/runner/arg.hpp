// arg.hpp - one argument of a job kind, with what a person should know about it.
//
//   template <class A> void serialize(A& a) {
//     a(runner::arg("limit", limit, "primes below this are counted").range(0, 1'000'000'000'000));
//   }
//
// From the one serialize function come the wire form, the reading of `args:`, and the table of `runner kinds`. Archives
// of ours take the whole Arg; under any other cereal archive it is a plain name-value pair.
// An argument without or_default must be given (a std::optional may always be left out).
#pragma once

#include <cereal/cereal.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "runner/units.hpp"

namespace runner {

// The path of a file that the job reads. A type of its own, so that the run can tell when the job's input has changed.
struct InputPath {
  std::string text;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text);
  }
};

// Both ends are allowed values.
template <class T>
struct Range {
  T low, high;
};

template <class T>
class Arg {
 public:
  Arg(const char* name, T& value, const char* description) : name_(name), value_(&value), description_(description) {}

  Arg& or_default(T value) & {
    default_ = std::move(value);
    return *this;
  }
  Arg&& or_default(T value) && { return std::move(or_default(std::move(value))); }
  Arg& range(T low, T high) & {
    range_ = Range<T>{low, high};
    return *this;
  }
  Arg&& range(T low, T high) && { return std::move(range(low, high)); }
  Arg& unit(const char* unit) & {
    unit_ = unit;
    return *this;
  }
  Arg&& unit(const char* text) && { return std::move(unit(text)); }

  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] T& value() const { return *value_; }
  [[nodiscard]] const char* description() const { return description_; }
  [[nodiscard]] const char* unit() const { return unit_; }
  [[nodiscard]] const std::optional<T>& default_value() const { return default_; }
  [[nodiscard]] const std::optional<Range<T>>& range() const { return range_; }

 private:
  const char* name_;
  T* value_;
  const char* description_;
  const char* unit_ = "";
  std::optional<T> default_;
  std::optional<Range<T>> range_;
};

template <class T>
[[nodiscard]] Arg<std::remove_const_t<T>> arg(const char* name, T& value, const char* description) {
  // Output archives hand serialize a const object; they only read through the reference.
  return {name, const_cast<std::remove_const_t<T>&>(value), description};
}

template <class Archive, class T>
void serialize(Archive& archive, Arg<T>& argument) {
  if constexpr (requires { archive.argument(argument); }) {
    archive.argument(argument);
  } else {
    archive(cereal::make_nvp(argument.name(), argument.value()));
  }
}

}  // namespace runner
