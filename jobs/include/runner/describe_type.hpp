// describe_type.hpp - what the arguments of a kind are, for `runner kinds`, from the same serialize function.
//
// Called from  any thread, once per kind at registration.
#pragma once

#include <cereal/cereal.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "runner/arg.hpp"
#include "runner/read_value.hpp"
#include "runner/to_json.hpp"
#include "runner/units.hpp"

namespace runner {

// One row of the table. `type` is a word people know: whole number, number, text, truth value, duration, size, path, list of
// ..., mapping to ..., or the names of a nested struct's fields.
struct FieldInfo {
  std::string name;
  std::string type;
  std::string unit;
  std::optional<std::string> default_text;
  std::optional<Range<std::string>> range;
  std::vector<std::string> choices;  // the only values allowed; empty: any
  std::string description;
  bool required = true;
  bool is_input_path = false;
};

template <class T>
[[nodiscard]] std::string type_word();

class Describer : public cereal::OutputArchive<Describer, cereal::AllowEmptyClassElision> {
 public:
  Describer() : OutputArchive(this) {}

  template <class T>
  void argument(const Arg<T>& argument) {
    FieldInfo info{.name = argument.name(),
                   .type = type_word<T>(),
                   .unit = argument.unit(),
                   .default_text = {},
                   .range = {},
                   .choices = {argument.choices().begin(), argument.choices().end()},
                   .description = argument.description(),
                   .required = !argument.default_value() && !is_optional<T>::value,
                   .is_input_path = std::is_same_v<T, InputPath>};
    if (const std::optional<T> value = argument.default_value()) info.default_text = text(*value);
    if (argument.range()) info.range = Range<std::string>{text(argument.range()->low), text(argument.range()->high)};
    fields_.push_back(std::move(info));
  }
  template <class T>
  void named(const char* name) {
    fields_.push_back({.name = name,
                       .type = type_word<T>(),
                       .unit = {},
                       .default_text = {},
                       .range = {},
                       .choices = {},
                       .description = {},
                       .required = !is_optional<T>::value,
                       .is_input_path = std::is_same_v<T, InputPath>});
  }
  [[nodiscard]] std::vector<FieldInfo> take() { return std::move(fields_); }

 private:
  template <class T>
  [[nodiscard]] static std::string text(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      return value;
    } else if constexpr (std::is_same_v<T, Duration>) {
      return format_duration(value);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      return format_size(value);
    } else {
      return to_json_value(value).dump();
    }
  }
  std::vector<FieldInfo> fields_;
};

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(Describer& archive, const cereal::NameValuePair<T>& pair) {
  archive.named<std::remove_cvref_t<T>>(pair.name);
}

template <class T>
std::vector<FieldInfo> describe_fields() {
  const T value{};
  Describer describer;
  describer(value);
  return describer.take();
}

template <class T>
std::string type_word() {
  if constexpr (std::is_same_v<T, bool>) {
    return "truth value";
  } else if constexpr (std::is_integral_v<T>) {
    return "whole number";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "number";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "text";
  } else if constexpr (std::is_same_v<T, InputPath>) {
    return "path";
  } else if constexpr (std::is_same_v<T, Duration>) {
    return "duration";
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return "size";
  } else if constexpr (is_optional<T>::value) {
    return type_word<typename T::value_type>();
  } else if constexpr (requires { typename T::mapped_type; }) {
    return "mapping to " + type_word<typename T::mapped_type>();
  } else if constexpr (requires(T t) {
                         typename T::value_type;
                         t.begin();
                       }) {
    return "list of " + type_word<typename T::value_type>();
  } else {
    std::string word = "{";
    for (const FieldInfo& field : describe_fields<T>()) word += (word.size() > 1 ? ", " : "") + field.name;
    return word + "}";
  }
}

}  // namespace runner

CEREAL_REGISTER_ARCHIVE(runner::Describer)
