// to_json.hpp - a result struct as JSON, field names from its own serialize function.
//
// Called from  any thread. Non-finite numbers become null (JSON has no other word); text that is not UTF-8 has its bad
// bytes replaced by U+FFFD when it is printed.
// Supports     what read_value.hpp supports.
#pragma once

#include <cereal/cereal.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>

#include "runner/arg.hpp"
#include "runner/read_value.hpp"
#include "runner/units.hpp"

namespace runner {

using Json = nlohmann::ordered_json;

template <class T>
[[nodiscard]] Json to_json_value(const T& value);

class JsonWriter : public cereal::OutputArchive<JsonWriter, cereal::AllowEmptyClassElision> {
 public:
  JsonWriter() : OutputArchive(this) {}

  template <class T>
  void argument(const Arg<T>& argument) {
    object_[argument.name()] = to_json_value(argument.value());
  }
  template <class T>
  void named(const char* name, const T& value) {
    object_[name] = to_json_value(value);
  }
  [[nodiscard]] Json take() { return std::move(object_); }

 private:
  Json object_ = Json::object();
};

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(JsonWriter& archive, const cereal::NameValuePair<T>& pair) {
  archive.named(pair.name, pair.value);
}

template <class T>
Json to_json_value(const T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (std::is_same_v<T, InputPath>) {
    return value.text;
  } else if constexpr (std::is_same_v<T, Duration>) {
    return seconds(value);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return value.count;
  } else if constexpr (is_optional<T>::value) {
    return value ? to_json_value(*value) : Json(nullptr);
  } else if constexpr (requires { typename T::mapped_type; }) {
    Json object = Json::object();
    for (const auto& [key, item] : value) object[key] = to_json_value(item);
    return object;
  } else if constexpr (requires {
                         typename T::value_type;
                         value.begin();
                       }) {
    Json list = Json::array();
    for (const auto& item : value) list.push_back(to_json_value(item));
    return list;
  } else {
    JsonWriter writer;
    writer(value);
    return writer.take();
  }
}

}  // namespace runner

CEREAL_REGISTER_ARCHIVE(runner::JsonWriter)
