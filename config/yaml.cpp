#include "config/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <cstddef>
#include <cstdint>
#include <istream>
#include <streambuf>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <runner/utf8.hpp>
#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

Position position(const YAML::Mark& mark) {
  // Marks count from 0.
  return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

// Reads from memory without a copy.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // only ever read: there is no put area
    setg(begin, begin, begin + text.size());
  }
};

void check_characters(std::string_view text) {
  Position at{1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n') {
      ++at.line;
      at.column = 1;
      ++i;
      continue;
    }
    if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f) {
      bad(at, fmt::format("a control character (0x{:02x}) cannot stand in a batch file", c));
    }
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) bad(at, fmt::format("the byte 0x{:02x} is not UTF-8; save the file as UTF-8", c));
    i += length;
    ++at.column;
  }
}

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string_view text) : text_(text) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (seen_) bad(position(mark), "a batch file is one YAML document; this begins a second one, or stands after the end");
    seen_ = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse(mark, "?", anchor);
    add({Scalar{"", true}, position(mark)});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    bad(position(mark), "aliases (`*name`) are not supported; write the value again, or use `defaults:` or `matrix:`");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    refuse(mark, tag, anchor);
    const bool plain = tag == "?";
    if (!plain) check_closed(mark);
    if (value.find('\0') != std::string::npos) bad(position(mark), "a NUL character cannot stand in a batch file");
    add({Scalar{value, plain}, position(mark)});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse(mark, tag, anchor);
    open({Sequence{}, position(mark)});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    refuse(mark, tag, anchor);
    open({Mapping{}, position(mark)});
  }
  void OnMapEnd() override { close(); }

  [[nodiscard]] bool seen() const { return seen_; }
  [[nodiscard]] Value take() { return std::move(root_); }

 private:
  struct Open {
    Value value;
    std::string key;
    Position key_at;
    bool has_key = false;
    bool key_plain = true;
    std::unordered_set<std::string> keys;
  };

  static void refuse(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0)
      bad(position(mark), "anchors (`&name`) are not supported; write the value again, or use `defaults:` or `matrix:`");
    if (!tag.empty() && tag != "?" && tag != "!")
      bad(position(mark), fmt::format("the tag `{}` is not supported; leave it out", tag));
  }

  // A quote that is open at the end of the file is silently closed by the parser.
  void check_closed(const YAML::Mark& mark) const {
    const auto start = static_cast<std::size_t>(mark.pos);
    if (start >= text_.size()) return;
    const char quote = text_[start];
    if (quote != '"' && quote != '\'') return;
    for (std::size_t i = start + 1; i < text_.size(); ++i) {
      const bool doubled = quote == '\'' && text_[i] == '\'' && i + 1 < text_.size() && text_[i + 1] == '\'';
      if (doubled || (quote == '"' && text_[i] == '\\')) {
        ++i;
      } else if (text_[i] == quote) {
        return;
      }
    }
    bad(position(mark), fmt::format("the quote {} opened here is never closed", quote));
  }

  void add(Value value) {
    if (++values_ > kMostValues) {
      bad(value.at, fmt::format("this file holds more than {} values; expand jobs with `matrix:` instead of writing them out",
                                kMostValues));
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = open_.back();
    if (auto* sequence = std::get_if<Sequence>(&parent.value.data)) {
      sequence->push_back(std::move(value));
      return;
    }
    if (!parent.has_key) {
      const Scalar* key = value.scalar();
      if (key == nullptr) bad(value.at, fmt::format("a key must be a word, found {}", found(value)));
      if (!parent.keys.insert(key->text).second) bad(value.at, fmt::format("the key `{}` stands here twice", key->text));
      parent.key = key->text;
      parent.key_plain = key->plain;
      parent.key_at = value.at;
      parent.has_key = true;
      return;
    }
    std::get<Mapping>(parent.value.data).emplace_back(Scalar{std::move(parent.key), parent.key_plain}, std::move(value));
    parent.has_key = false;
  }
  void open(Value value) {
    if (open_.size() >= kDeepestNesting) {
      bad(value.at, fmt::format("lists and mappings are nested more than {} deep", kDeepestNesting));
    }
    if (!open_.empty() && std::holds_alternative<Mapping>(open_.back().value.data) && !open_.back().has_key) {
      bad(value.at,
          fmt::format("a key must be a word, found {}{}", found(value),
                      std::holds_alternative<Mapping>(value.data) ? " (is `${{ x }}` meant? it needs quotes here)" : ""));
    }
    open_.push_back({std::move(value), {}, {}, false, true, {}});
  }
  void close() {
    Value done = std::move(open_.back().value);
    open_.pop_back();
    add(std::move(done));
  }

  std::string_view text_;
  std::vector<Open> open_;
  Value root_;
  std::size_t values_ = 0;
  bool seen_ = false;
};

// What the parser says of a tab is hard to read.
[[noreturn]] void explain(const YAML::ParserException& error, std::string_view text) {
  std::size_t line = 0, begin = 0;
  while (line < static_cast<std::size_t>(std::max(0, error.mark.line)) &&
         (begin = text.find('\n', begin)) != std::string_view::npos) {
    ++begin;
    ++line;
  }
  if (begin != std::string_view::npos) {
    const std::string_view rest = text.substr(std::min(begin, text.size()));
    const std::size_t blank = rest.find_first_not_of(' ');
    if (blank != std::string_view::npos && rest[blank] == '\t')
      bad({line + 1, blank + 1}, "a tab cannot indent YAML; use spaces");
  }
  bad(position(error.mark), "this is not valid YAML: " + error.msg);
}

}  // namespace

Value parse_yaml(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  check_characters(text);
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  TreeBuilder builder(text);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::ParserException& error) {
    explain(error, text);
  }
  if (!builder.seen()) bad({}, "the file is empty; a batch file needs at least `version: 1` and `jobs:`");
  return builder.take();
}

}  // namespace runner::config
