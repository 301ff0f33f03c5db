#include "config/records.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include <runner/utf8.hpp>
#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

constexpr std::size_t kDeepestJson = 64;  // as in a batch file

const std::string& path_of(const std::string& key, std::string_view form, const Value& path) {
  if (path.scalar() == nullptr || path.is_null() || path.scalar()->text.empty()) {
    bad(path.at,
        fmt::format("{{{}: ...}} of `{}` must name a file, or `-` for standard input; found {}", form, key, found(path)));
  }
  return path.scalar()->text;
}

// One object of JSON as a value. Numbers keep their text.
class JsonValue final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonValue(Position at) : at_(at) {}

  bool null() override { return add(Scalar{"null", true}); }
  bool boolean(bool value) override { return add(Scalar{value ? "true" : "false", true}); }
  bool number_integer(number_integer_t value) override { return add(Scalar{std::to_string(value), true}); }
  bool number_unsigned(number_unsigned_t value) override { return add(Scalar{std::to_string(value), true}); }
  bool number_float(number_float_t, const string_t& text) override { return add(Scalar{text, true}); }
  bool string(string_t& text) override { return add(Scalar{std::move(text), false}); }
  bool binary(binary_t&) override { return false; }  // JSON has none
  bool start_object(std::size_t) override { return open(Mapping{}); }
  bool start_array(std::size_t) override { return open(Sequence{}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    const auto& members = std::get<Mapping>(open_.back().value.data);
    if (std::any_of(members.begin(), members.end(), [&](const Member& member) { return member.key.text == name; })) {
      wrong_ = fmt::format("the key `{}` stands here twice", name);
      return false;
    }
    open_.back().key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    wrong_ =
        fmt::format("this is no JSON, from byte {} of the line on; a JSON object was expected, such as {{\"x\": 1}}", position);
    return false;
  }

  [[nodiscard]] const std::string& wrong() const { return wrong_; }
  [[nodiscard]] Value take() { return std::move(root_); }

 private:
  struct Open {
    Value value;
    std::string key;
  };
  template <class T>
  bool add(T data) {
    return put({std::move(data), at_});
  }
  bool put(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (auto* list = std::get_if<Sequence>(&open_.back().value.data)) {
      list->push_back(std::move(value));
    } else {
      std::get<Mapping>(open_.back().value.data).emplace_back(Scalar{std::move(open_.back().key), false}, std::move(value));
    }
    return true;
  }
  template <class T>
  bool open(T data) {
    if (open_.size() == kDeepestJson) {
      wrong_ = fmt::format("lists and objects are nested more than {} deep", kDeepestJson);
      return false;
    }
    open_.push_back({{std::move(data), at_}, {}});
    return true;
  }
  bool close() {
    Value done = std::move(open_.back().value);
    open_.pop_back();
    return put(std::move(done));
  }

  Position at_;
  std::vector<Open> open_;
  Value root_;
  std::string wrong_;
};

struct Field {
  std::string text;
  bool quoted = false;
};

// RFC 4180. What is wrong with it, or nothing.
std::string split(std::string_view record, std::vector<Field>& fields) {
  fields.clear();
  for (;;) {
    Field field;
    if (record.starts_with('"')) {
      field.quoted = true;
      record.remove_prefix(1);
      for (;;) {
        const std::size_t quote = record.find('"');
        if (quote == std::string_view::npos) return "the quote that is opened here is never closed";
        field.text += record.substr(0, quote);
        record.remove_prefix(quote + 1);
        if (!record.starts_with('"')) break;
        field.text += '"';
        record.remove_prefix(1);
      }
      if (!record.empty() && record.front() != ',') {
        return fmt::format("behind the closing quote of field {} a comma or the end of the line was expected",
                           fields.size() + 1);
      }
    } else {
      field.text = record.substr(0, record.find(','));
      record.remove_prefix(field.text.size());
      if (field.text.find('"') != std::string::npos) {
        return fmt::format("field {} has a quote in its middle; write the whole field in quotes, and each quote in it twice",
                           fields.size() + 1);
      }
    }
    fields.push_back(std::move(field));
    if (record.empty()) return {};
    record.remove_prefix(1);
  }
}

std::string counted(std::size_t n, std::string_view what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

}  // namespace

bool Records::is_form(std::string_view form) { return form == "lines" || form == "csv" || form == "jsonl"; }

Records::Records(const std::string& key, std::string_view form, const Value& path)
    : key_(key),
      form_(form == "lines" ? Form::lines
            : form == "csv" ? Form::csv
                            : Form::jsonl),
      at_(path.at),
      reader_(path_of(key, form, path), form == "csv" ? RecordEnd::csv : RecordEnd::newline, path.at) {
  switch (form_) {
    case Form::lines: variables_.push_back(key); break;
    case Form::csv: read_header(); break;
    case Form::jsonl:
      if (!read()) size_ = 0;
      if (variables_.empty()) variables_.push_back(key);
      break;
  }
  values_.resize(variables_.size());
}

void Records::add_variable(const std::string& name) {
  if (name.empty() || !is_printable(name) || name.find_first_of("{}") != std::string::npos) {
    reader_.bad_record(fmt::format("`{}` cannot be a variable; use a word, so that ${{{{ word }}}} can name it", name));
  }
  if (std::find(variables_.begin() + (counted_ ? 1 : 0), variables_.end(), name) != variables_.end()) {
    reader_.bad_record(
        fmt::format("the name `{}` stands here twice; each becomes a variable, so each needs a name of its own", name));
  }
  variables_.push_back(name);
}

void Records::read_header() {
  std::string_view record;
  do {
    if (!reader_.next(record)) {
      throw BadBatch{{}, "this file is empty; the first line of a CSV file has the names of its columns", reader_.shown()};
    }
  } while (record.empty());
  if (!is_utf8(record)) reader_.bad_record("this line is not UTF-8; save the file as UTF-8");
  std::vector<Field> fields;
  if (const std::string wrong = split(record, fields); !wrong.empty()) reader_.bad_record(wrong);
  if (!variables_.empty()) return;  // read again
  counted_ = std::none_of(fields.begin(), fields.end(), [&](const Field& field) { return field.text == key_; });
  if (counted_) variables_.push_back(key_);
  for (const Field& field : fields) add_variable(field.text);
}

Value Records::text_value(std::string text, bool quoted) const {
  Value value{Scalar{std::move(text), true}, {reader_.line(), 0}};
  // A file of text has no nulls: an empty line is the empty text.
  if (quoted || value.is_null()) std::get<Scalar>(value.data).plain = false;
  return value;
}

void Records::take_line(std::string_view record) {
  values_.resize(1);
  values_[0] = text_value(std::string(record), false);
}

void Records::take_row(std::string_view record) {
  std::vector<Field> fields;
  if (const std::string wrong = split(record, fields); !wrong.empty()) reader_.bad_record(wrong);
  const std::size_t columns = variables_.size() - (counted_ ? 1 : 0);
  if (fields.size() != columns) {
    reader_.bad_record(fmt::format("this row has {}, and the first line names {}", counted(fields.size(), "field"),
                                   counted(columns, "column")));
  }
  values_.clear();
  if (counted_) values_.push_back(text_value(std::to_string(next_ + 1), false));
  // Quotes of CSV say nothing of the type; many programs put them around everything.
  for (Field& field : fields) values_.push_back(text_value(std::move(field.text), false));
}

void Records::take_object(std::string_view record) {
  JsonValue json({reader_.line(), 0});
  if (!nlohmann::json::sax_parse(record.begin(), record.end(), &json)) reader_.bad_record(json.wrong());
  Value object = json.take();
  if (object.mapping() == nullptr) {
    reader_.bad_record(fmt::format("a JSON object was expected, such as {{\"x\": 1}}, found {}", found(object)));
  }
  auto& members = std::get<Mapping>(object.data);
  if (variables_.empty()) {
    counted_ = std::none_of(members.begin(), members.end(), [&](const Member& member) { return member.key.text == key_; });
    if (counted_) variables_.push_back(key_);
    for (const Member& member : members) add_variable(member.key.text);
  }
  values_.resize(variables_.size());
  const std::size_t names = variables_.size() - (counted_ ? 1 : 0);
  std::size_t met = 0;
  for (Member& member : members) {
    const auto name = std::find(variables_.begin() + (counted_ ? 1 : 0), variables_.end(), member.key.text);
    if (name == variables_.end()) {
      reader_.bad_record(fmt::format("the key `{}` does not stand in the first object, whose keys are the variables: {}",
                                     member.key.text,
                                     fmt::join(variables_.begin() + (counted_ ? 1 : 0), variables_.end(), ", ")));
    }
    values_[static_cast<std::size_t>(name - variables_.begin())] = std::move(member.value);
    ++met;
  }
  if (met != names) {
    for (std::size_t v = counted_ ? 1 : 0; v < variables_.size(); ++v) {
      if (std::none_of(members.begin(), members.end(), [&](const Member& member) { return member.key.text == variables_[v]; }))
        reader_.bad_record(fmt::format("the key `{}` of the first object is missing here; write `null` where there is no value",
                                       variables_[v]));
    }
  }
  if (counted_) values_[0] = text_value(std::to_string(next_ + 1), false);
}

bool Records::read() {
  std::string_view record;
  do {
    if (!reader_.next(record)) return false;
  } while (form_ != Form::lines && record.find_first_not_of(" \t") == std::string_view::npos);
  if (!is_utf8(record)) reader_.bad_record("this line is not UTF-8; save the file as UTF-8");
  if (record.find('\0') != std::string_view::npos) reader_.bad_record("a NUL character cannot stand in a line of text");
  switch (form_) {
    case Form::lines: take_line(record); break;
    case Form::csv: take_row(record); break;
    case Form::jsonl: take_object(record); break;
  }
  ++next_;
  return true;
}

bool Records::select(std::uint64_t i) {
  if (size_ && i >= *size_) return false;
  if (i + 1 == next_) return true;
  if (i < next_) {
    reader_.rewind();
    next_ = 0;
    if (form_ == Form::csv) read_header();
  }
  while (next_ <= i) {
    if (!read()) {
      size_ = next_;
      return false;
    }
  }
  return true;
}

bool Records::waits(std::uint64_t i) { return i >= next_ && !size_ && reader_.waits(); }

}  // namespace runner::config
