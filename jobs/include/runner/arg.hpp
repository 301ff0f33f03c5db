// arg.hpp - one argument of a job kind, with what a person should know about it.
//
//   template <class A> void serialize(A& a) {
//     a(runner::arg("limit", limit, "primes below this are counted").range(0, 1'000'000'000'000));
//   }
//
// From the one serialize function come the wire form, the reading of `args:`, and the table of `runner kinds`. Archives
// of ours take the whole Arg; under any other cereal archive it is a plain name-value pair.
// An argument without or_default must be given (a std::optional may always be left out).
//
// Called from  serialize, for every job on its way over the wire. An Arg therefore owns nothing that would have to be
//              allocated: it is built, handed to the archive and gone within one expression, and what it refers to (the
//              texts of or_default and one_of) has to live no longer than that.
#pragma once

#include <cereal/cereal.hpp>
#include <initializer_list>
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
  static constexpr bool kIsText = std::is_same_v<T, std::string> || std::is_same_v<T, InputPath>;
  // A std::string made for every job and used for none would be the dearest part of a small message.
  using Default = std::conditional_t<kIsText, std::string_view, T>;

 public:
  using Choices = std::initializer_list<std::string_view>;

  Arg(const char* name, T& value, const char* description) : name_(name), value_(&value), description_(description) {}

  Arg& or_default(Default value) & {
    default_ = std::move(value);
    return *this;
  }
  Arg&& or_default(Default value) && { return std::move(or_default(std::move(value))); }
  Arg& range(T low, T high) & {
    range_ = Range<T>{low, high};
    return *this;
  }
  Arg&& range(T low, T high) && { return std::move(range(low, high)); }
  // The only words that are allowed, in the order in which a person should read them.
  Arg& one_of(Choices choices) &
    requires std::is_same_v<T, std::string>
  {
    choices_ = choices;
    return *this;
  }
  Arg&& one_of(Choices choices) &&
    requires std::is_same_v<T, std::string>
  {
    return std::move(one_of(choices));
  }
  Arg& unit(const char* unit) & {
    unit_ = unit;
    return *this;
  }
  Arg&& unit(const char* text) && { return std::move(unit(text)); }

  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] T& value() const { return *value_; }
  [[nodiscard]] const char* description() const { return description_; }
  [[nodiscard]] const char* unit() const { return unit_; }
  [[nodiscard]] std::optional<T> default_value() const {
    if constexpr (kIsText) {
      return default_ ? std::optional<T>(T{std::string(*default_)}) : std::nullopt;
    } else {
      return default_;
    }
  }
  [[nodiscard]] const std::optional<Range<T>>& range() const { return range_; }
  [[nodiscard]] Choices choices() const { return choices_; }  // empty: any value

 private:
  const char* name_;
  T* value_;
  const char* description_;
  const char* unit_ = "";
  std::optional<Default> default_;
  std::optional<Range<T>> range_;
  Choices choices_;
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
