#include "config/typed_arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include <runner/describe_type.hpp>
#include <runner/read_value.hpp>
#include "config/section.hpp"

namespace runner::config {

namespace {

constexpr std::uint64_t kMostCombinations = 1'000'000;

// Readers of arguments throw their own error; here it is one of the batch file.
template <class Read>
auto reading(Read&& read) {
  try {
    return read();
  } catch (ValueError& error) {
    bad(error.at, std::move(error.text));
  }
}

}  // namespace

void append_texts(const Value& value, std::vector<std::string>& out) {
  if (const auto* list = std::get_if<Sequence>(&value.data)) {
    for (const Value& item : *list) append_texts(item, out);
  } else if (const auto* mapping = std::get_if<Mapping>(&value.data)) {
    for (const auto& [key, item] : *mapping) append_texts(item, out);
  } else if (!value.is_null()) {
    out.push_back(std::get<Scalar>(value.data).text);
  }
}

void TypedArguments::read(const Value& kind, const Value* args, Position at, const Registry& registry, const Matrix& matrix) {
  const std::vector<std::string>& keys = matrix.keys();
  const std::string& word = scalar_of(kind, "`kind`").text;
  kind_ = registry.find(word);
  if (kind_ == nullptr) {
    const std::string_view near = near_miss(word, registry.names());
    bad(kind.at, near.empty() ? fmt::format("there is no kind `{}`; `runner kinds` lists them", word)
                              : fmt::format("there is no kind `{}`; did you mean `{}`?", word, near));
  }
  args_ = args != nullptr ? *args : Value{Mapping{}, at};
  if (args_.is_null()) args_.data = Mapping{};
  if (args_.mapping() == nullptr) bad(args_.at, fmt::format("`args` must be a mapping, found {}", found(args_)));
  Mapping& given = std::get<Mapping>(args_.data);
  const std::vector<FieldInfo> fields = kind_->arguments();
  for (const FieldInfo& field : fields) {
    // Of an optional, a list or a mapping too.
    if (field.type == "path" || field.type.ends_with(" path")) paths_.push_back(field.name);
  }
  std::vector<std::pair<std::size_t, std::size_t>> passed;  // place in `given`, key
  for (std::size_t k = 0; k < keys.size(); ++k) {
    const auto same = std::find_if(given.begin(), given.end(), [&](const auto& item) { return item.key.text == keys[k]; });
    if (same != given.end()) {
      bad(same->value.at, fmt::format("`{}` stands in both `args` and `matrix`; leave one of them out", keys[k]));
    }
    if (std::none_of(fields.begin(), fields.end(), [&](const FieldInfo& field) { return field.name == keys[k]; })) continue;
    if (!matrix.axis_of(k).is_value(k)) continue;
    passed.emplace_back(given.size() + passed.size(), k);
  }
  given.reserve(given.size() + passed.size());
  // From here on nothing in args_ moves.
  find_points(args_, matrix);
  for (const auto& [place, key] : passed) given.emplace_back(Scalar{keys[key], true}, matrix.values()[key]);
  for (const auto& [place, key] : passed) {
    points_.push_back({&given[place].value,
                       TextTemplate::parse("${{" + keys[key] + "}}", matrix.axis_of(key).position(key), keys, Context::text),
                       true});
  }
  if (points_.empty()) make_wire(matrix);
}

void TypedArguments::find_points(Value& value, const Matrix& matrix) {
  if (auto* list = std::get_if<Sequence>(&value.data)) {
    for (Value& item : *list) find_points(item, matrix);
  } else if (auto* mapping = std::get_if<Mapping>(&value.data)) {
    for (auto& [key, item] : *mapping) find_points(item, matrix);
  } else {
    const Scalar& scalar = std::get<Scalar>(value.data);
    TextTemplate text = TextTemplate::parse(scalar.text, value.at, matrix.keys(), Context::text);
    if (!text.constant()) points_.push_back({&value, std::move(text), scalar.plain});
  }
}

void TypedArguments::make_wire(const Matrix& matrix) {
  wire_ = reading([&] {
    for (const Point& point : points_) {
      if (const std::optional<std::size_t> whole = point.text.whole()) {
        *point.target = matrix.values()[*whole];
      } else {
        if (point.target->scalar() == nullptr) point.target->data = Scalar{};
        Scalar& scalar = std::get<Scalar>(point.target->data);
        point.text.render(matrix.values(), scalar.text);
        scalar.plain = point.plain;
      }
    }
    return kind_->encode_args(args_, "kind `" + kind_->name + "`");
  });
}

// A short one is not worth the clock: of 64 jobs the first is measured, and speaks for all.
void TypedArguments::encode(const Matrix& matrix) {
  if (points_.empty()) return;
  constexpr Duration worth_it = std::chrono::microseconds(2);
  if (encoding_ < worth_it && encoded_++ % 64 != 0) return make_wire(matrix);
  const TimePoint began = std::chrono::steady_clock::now();
  make_wire(matrix);
  encoding_ = std::chrono::steady_clock::now() - began;
}

void TypedArguments::append_paths(std::vector<std::string>& out) const {
  if (paths_.empty()) return;
  for (const auto& [key, value] : *args_.mapping()) {
    if (std::find(paths_.begin(), paths_.end(), key.text) != paths_.end()) append_texts(value, out);
  }
}

void TypedArguments::check_combinations(Matrix& matrix) {
  const std::vector<Axis>& axes = matrix.axes();
  for (const Point& point : points_) {
    std::set<std::size_t> met;
    for (const TextTemplate::Part& part : point.text.parts()) {
      met.insert(static_cast<std::size_t>(&matrix.axis_of(part.variable) - axes.data()));
    }
    if (met.size() < 2) continue;
    std::uint64_t product = 1;
    bool known = true;
    for (const std::size_t a : met) {
      known = known && axes[a].size();
      product = std::min(product * std::min(axes[a].size().value_or(1), kMostCombinations), kMostCombinations + 1);
    }
    if (product > kMostCombinations) {
      bad(point.target->at,
          fmt::format("this argument is made of {} keys of the matrix with more than {} combinations, too many to check before "
                      "the start; use one key for it",
                      met.size(), kMostCombinations));
    }
    if (!known) continue;  // what a long file makes of it is seen when it is read
    for (std::uint64_t i = 0; i < product; ++i) {
      std::uint64_t rest = i;
      // The first of them slowest: it may be a file.
      for (auto a = met.rbegin(); a != met.rend(); ++a) {
        static_cast<void>(matrix.select(*a, rest % *axes[*a].size()));
        rest /= *axes[*a].size();
      }
      make_wire(matrix);
    }
    for (const std::size_t a : met) static_cast<void>(matrix.select(a, 0));
  }
}

}  // namespace runner::config
