// text_template.hpp - text with `${{ x }}` in it, taken apart once and rendered for each job.
//
//   ${{ x }}  ${{ x.stem }}  ${{ x.name }}  ${{ x.ext }}  ${{ x.dir }}     in `shell:` also  ${{ raw(x) }}
//
// Called from  entry.cpp.
// Fails with   BadBatch from parse: a name that does not exist (with a near miss), a form that is none, or, in a shell script, a
//              substitution inside quotes. render throws BadBatch when a value that is no text stands where text is needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <runner/value.hpp>

namespace runner::config {

enum class Context : std::uint8_t { text, shell };

class TextTemplate {
 public:
  TextTemplate() = default;
  // `variables` are the names that exist; what is rendered later comes in the same order.
  [[nodiscard]] static TextTemplate parse(std::string_view text, Position at, const std::vector<std::string>& variables,
                                          Context context);

  [[nodiscard]] bool constant() const { return parts_.empty(); }
  // The variable, when the whole text is exactly one plain `${{ x }}`: then the value itself is meant, with its type.
  [[nodiscard]] std::optional<std::size_t> whole() const;
  // Replaces the content of `out`.
  void render(std::span<const Value> values, std::string& out) const;

  // For the proof that names are unique: plain variables in order, with the literal text between them.
  struct Part {
    std::string before;  // literal text in front of it
    std::size_t variable = 0;
    enum class Form : std::uint8_t { whole, stem, name, ext, dir } form = Form::whole;
    bool quoted = false;   // becomes one shell-quoted word
    bool comment = false;  // stands in a comment of a script
  };
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }
  [[nodiscard]] const std::string& tail() const { return tail_; }

 private:
  std::vector<Part> parts_;
  std::string tail_;  // literal text behind the last part
  Position at_;
};

}  // namespace runner::config
