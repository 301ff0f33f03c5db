// read_value.hpp - arguments of a kind, read from what a person wrote.
//
// A cereal input archive over a Mapping, independent of the order of keys. A missing, unknown, ill-typed or out-of-range
// argument is a ValueError with its place, saying what was found and what is expected.
//
// Called from  any thread; values on the caller's stack.
// Supports     bool, integers, floating point, std::string, Duration, Bytes, InputPath, std::optional, std::vector,
//              std::map<std::string, T>, and structs with a cereal serialize.
#pragma once

#include <cereal/cereal.hpp>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "runner/arg.hpp"
#include "runner/units.hpp"
#include "runner/value.hpp"

namespace runner {

// Scalars; `name` is for the message. All throw ValueError.
void read_scalar(const Value& value, const std::string& name, bool& out);
void read_scalar(const Value& value, const std::string& name, std::string& out);
void read_scalar(const Value& value, const std::string& name, Duration& out);
void read_scalar(const Value& value, const std::string& name, Bytes& out);
// Decimal, 0x and 0o; a sign where it is signed; exact whole numbers in scientific notation (`1e6`) are whole numbers.
[[nodiscard]] std::int64_t read_signed(const Value& value, const std::string& name, std::int64_t low, std::int64_t high);
[[nodiscard]] std::uint64_t read_unsigned(const Value& value, const std::string& name, std::uint64_t high);
[[nodiscard]] double read_real(const Value& value, const std::string& name, double highest);

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

// Amounts, of which a range of allowed ones can be told. (Containers have a `<` too, but no bounds a person would write.)
template <class T>
inline constexpr bool has_range = std::is_arithmetic_v<T> || std::is_same_v<T, Duration> || std::is_same_v<T, Bytes>;

template <class T>
void read_value(const Value& value, const std::string& name, T& out);

class ValueReader : public cereal::InputArchive<ValueReader, cereal::AllowEmptyClassElision> {
 public:
  // `owner` names what the mapping belongs to, for messages: "kind `primes`".
  ValueReader(const Value& value, std::string owner);

  template <class T>
  void argument(Arg<T>& argument) {
    const Value* given = take(argument.name());
    if (given == nullptr) {
      if (std::optional<T> value = argument.default_value()) {
        argument.value() = std::move(*value);
      } else if constexpr (is_optional<T>::value) {
        argument.value().reset();
      } else {
        missing(argument.name(), argument.description());
      }
      return;
    }
    read_value(*given, argument.name(), argument.value());
    if constexpr (std::is_same_v<T, std::string>) {
      if (argument.choices().size() != 0) check_choice(*given, argument.name(), argument.value(), argument.choices());
    }
    if constexpr (has_range<T>) {
      if (argument.range() && (argument.value() < argument.range()->low || argument.range()->high < argument.value())) {
        out_of_range(*given, argument.name(), show(argument.range()->low), show(argument.range()->high));
      }
    }
  }
  template <class T>
  void named(const char* name, T& out) {
    const Value* given = take(name);
    if (given != nullptr) return read_value(*given, name, out);
    if constexpr (is_optional<T>::value) {
      out.reset();
    } else {
      missing(name, "");
    }
  }
  // To be called after the struct was read: a key that no field asked for is an error, with a near miss.
  void finish() const;

 private:
  [[nodiscard]] const Value* take(const char* name);
  // Noted only: what looks missing may be a slip of the pen, which finish() sees.
  void missing(const char* name, const char* description);
  [[noreturn]] void out_of_range(const Value& given, const char* name, const std::string& low, const std::string& high) const;
  static void check_choice(const Value& given, const char* name, std::string_view text,
                           std::initializer_list<std::string_view> choices);
  template <class T>
  [[nodiscard]] static std::string show(const T& bound) {
    if constexpr (std::is_same_v<T, Duration>) {
      return format_duration(bound);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      return format_size(bound);
    } else if constexpr (std::is_floating_point_v<T>) {
      return show_real(bound);
    } else {
      return std::to_string(bound);
    }
  }
  [[nodiscard]] static std::string show_real(double bound);

  const Value* value_;
  std::string owner_;
  std::vector<const char*> asked_;  // names the struct has, for finish()
  std::string missing_;             // the message for the first of them that was not given
};

template <class T>
void CEREAL_LOAD_FUNCTION_NAME(ValueReader& archive, cereal::NameValuePair<T>& pair) {
  archive.named(pair.name, pair.value);
}

template <class T>
void read_value(const Value& value, const std::string& name, T& out) {
  if constexpr (std::is_same_v<T, InputPath>) {
    read_scalar(value, name, out.text);
  } else if constexpr (requires { read_scalar(value, name, out); } && (std::is_same_v<T, bool> || !std::is_arithmetic_v<T>)) {
    read_scalar(value, name, out);
  } else if constexpr (std::signed_integral<T>) {
    out = static_cast<T>(read_signed(value, name, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  } else if constexpr (std::unsigned_integral<T>) {
    out = static_cast<T>(read_unsigned(value, name, std::numeric_limits<T>::max()));
  } else if constexpr (std::floating_point<T>) {
    out = static_cast<T>(read_real(value, name, static_cast<double>(std::numeric_limits<T>::max())));
  } else if constexpr (is_optional<T>::value) {
    if (value.is_null()) return out.reset();
    read_value(value, name, out.emplace());
  } else if constexpr (requires { typename T::mapped_type; }) {
    static_assert(std::is_same_v<typename T::key_type, std::string>, "keys of a mapping argument are text");
    const Mapping* mapping = value.mapping();
    if (mapping == nullptr) throw ValueError{value.at, "`" + name + "` must be a mapping, found " + found(value)};
    out.clear();
    for (const auto& [key, item] : *mapping) read_value(item, name + "." + key.text, out[key.text]);
  } else if constexpr (requires {
                         typename T::value_type;
                         out.emplace_back();
                       }) {
    const Sequence* sequence = value.sequence();
    if (sequence == nullptr) throw ValueError{value.at, "`" + name + "` must be a list, found " + found(value)};
    out.clear();
    for (const Value& item : *sequence) {
      typename T::value_type element{};
      read_value(item, name, element);
      out.push_back(std::move(element));
    }
  } else {
    ValueReader inner(value, "`" + name + "`");
    inner(out);
    inner.finish();
  }
}

}  // namespace runner

CEREAL_REGISTER_ARCHIVE(runner::ValueReader)
