#include "report/kinds_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include <runner/describe_type.hpp>
#include <runner/value.hpp>

namespace runner::report {

namespace {

// "whole number (samples), 0 to 1000000, default 5"
std::string rules(const FieldInfo& field) {
  std::string text = field.type;
  if (!field.unit.empty()) text += " (" + field.unit + ")";
  if (!field.choices.empty()) text += fmt::format(", one of {}", fmt::join(field.choices, " "));
  if (field.range) text += fmt::format(", {} to {}", field.range->low, field.range->high);
  if (field.default_text) {
    text += ", default " + (field.default_text->empty() ? std::string("\"\"") : *field.default_text);
  } else {
    text += field.required ? ", required" : ", optional";
  }
  return text;
}

std::string paragraph(const Kind& kind) {
  std::string text = kind.name + "\n  " + kind.description + "\n";
  const std::vector<FieldInfo> arguments = kind.arguments();
  std::size_t names = 0, columns = 0;
  for (const FieldInfo& field : arguments) {
    names = std::max(names, field.name.size());
    columns = std::max(columns, rules(field).size());
  }
  for (const FieldInfo& field : arguments) {
    const std::string line = fmt::format("    {:{}}  {:{}}  {}", field.name, names, rules(field), columns, field.description);
    text.append(line, 0, line.find_last_not_of(' ') + 1) += '\n';
  }
  std::string result;
  for (const FieldInfo& field : kind.results()) {
    result += fmt::format("{}{} ({})", result.empty() ? "" : ", ", field.name,
                          field.type + (field.unit.empty() ? "" : ", " + field.unit));
  }
  return text + "    -> " + (result.empty() ? "no result" : result) + "\n";
}

// A value of the right shape, small enough to be tried at once.
std::string sample(const FieldInfo& field) {
  if (!field.choices.empty()) return field.choices.front();
  if (field.type == "whole number" || field.type == "number") {
    if (!field.range) return "10";
    const double low = std::strtod(field.range->low.c_str(), nullptr), high = std::strtod(field.range->high.c_str(), nullptr);
    return low <= 10 && 10 <= high ? "10" : field.range->low;
  }
  if (field.type == "duration") return "1s";
  if (field.type == "size") return "1MiB";
  if (field.type == "truth value") return "true";
  if (field.type.starts_with("list of")) return "[]";
  return field.type.starts_with("mapping") || field.type.starts_with('{') ? "{}" : "TEXT";
}

std::string entry(const Kind& kind) {
  std::string args;
  for (const FieldInfo& field : kind.arguments()) {
    if (field.required) args += fmt::format("{}{}: {}", args.empty() ? "" : ", ", field.name, sample(field));
  }
  std::string text = fmt::format("\n  In a batch file:\n\n    - name: my-{0}\n      kind: {0}\n", kind.name);
  if (!args.empty()) text += "      args: {" + args + "}\n";
  return text;
}

Result<const Kind*> find(const Registry& registry, std::string_view name) {
  if (const Kind* kind = registry.find(name)) return kind;
  const std::string_view near = near_miss(name, registry.names());
  return fail(ErrorCode::usage, fmt::format("there is no kind `{}`{}; `runner kinds` lists all", name,
                                            near.empty() ? std::string() : fmt::format(" (did you mean `{}`?)", near)));
}

using Json = nlohmann::ordered_json;

Json to_json(const FieldInfo& field, bool argument) {
  Json json{{"name", field.name}, {"type", field.type}};
  if (!field.unit.empty()) json["unit"] = field.unit;
  if (argument) json["required"] = field.required;
  if (field.default_text) json["default"] = *field.default_text;
  if (field.range) json["range"] = {field.range->low, field.range->high};
  if (!field.choices.empty()) json["choices"] = field.choices;
  if (!field.description.empty()) json["description"] = field.description;
  return json;
}

Json to_json(const Kind& kind) {
  Json arguments = Json::array(), result = Json::array();
  for (const FieldInfo& field : kind.arguments()) arguments.push_back(to_json(field, true));
  for (const FieldInfo& field : kind.results()) result.push_back(to_json(field, false));
  return {{"name", kind.name}, {"description", kind.description}, {"arguments", arguments}, {"result", result}};
}

}  // namespace

std::string kinds_table(const Registry& registry) {
  std::string text;
  for (const Kind* kind : registry.all()) text += (text.empty() ? "" : "\n") + paragraph(*kind);
  return text;
}

Result<std::string> kind_page(const Registry& registry, std::string_view name) {
  return find(registry, name).map([](const Kind* kind) { return paragraph(*kind) + entry(*kind); });
}

std::string kinds_json(const Registry& registry) {
  Json list = Json::array();
  for (const Kind* kind : registry.all()) list.push_back(to_json(*kind));
  return list.dump(2) + "\n";
}

Result<std::string> kind_json(const Registry& registry, std::string_view name) {
  return find(registry, name).map([](const Kind* kind) { return to_json(*kind).dump(2) + "\n"; });
}

}  // namespace runner::report
