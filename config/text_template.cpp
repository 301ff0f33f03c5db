#include "config/text_template.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "config/bad_batch.hpp"
#include "config/shell_state.hpp"

namespace runner::config {

namespace {

constexpr std::string_view kOpen = "${{", kClose = "}}";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

void check_shell(ShellPlace place, Position at, std::string_view inside) {
  switch (place) {
    case ShellPlace::word:
    case ShellPlace::comment: return;
    case ShellPlace::single_quotes:
    case ShellPlace::double_quotes:
      bad(at, fmt::format(
                  "`${{{{ {0} }}}}` stands inside {1} quotes; it becomes one quoted word by itself: write it without quotes, "
                  "as in `... ${{{{ {0} }}}} ...`, or `${{{{ raw({0}) }}}}` to insert the bare text",
                  inside, place == ShellPlace::double_quotes ? "double" : "single"));
    case ShellPlace::here_document:
      bad(at, fmt::format(
                  "`${{{{ {0} }}}}` stands behind a `<<`, where quoting works differently; use `${{{{ raw({0}) }}}}` to insert "
                  "the bare text, or pass it through `env:`",
                  inside));
    case ShellPlace::nowhere:
      bad(at, fmt::format(
                  "`${{{{ {0} }}}}` stands where quoting works differently (inside of backquotes or `${{...}}`, or behind a "
                  "backslash or a `case` in `$(...)`); write `$(...)` for backquotes, or pass it through `env:`",
                  inside));
  }
}

}  // namespace

TextTemplate TextTemplate::parse(std::string_view text, Position at, const std::vector<std::string>& variables,
                                 Context context) {
  TextTemplate made;
  made.at_ = at;
  ShellState shell;
  for (std::size_t open = 0; (open = text.find(kOpen)) != std::string_view::npos;) {
    const std::string_view literal = text.substr(0, open);
    const std::size_t close = text.find(kClose, open);
    if (close == std::string_view::npos) bad(at, "a `${{` is never closed by `}}`");
    const std::string_view inside = trimmed(text.substr(open + kOpen.size(), close - open - kOpen.size()));
    text.remove_prefix(close + kClose.size());
    shell.read(literal);

    std::string_view name = inside;
    Part part{.before = std::string(literal), .variable = 0, .form = Part::Form::whole, .quoted = context == Context::shell};
    if (name.starts_with("raw(") && name.ends_with(')')) {
      if (context != Context::shell) bad(at, "`raw(...)` is only for `shell:`; elsewhere a substitution is bare text anyway");
      name = trimmed(name.substr(4, name.size() - 5));
      part.quoted = false;
    } else if (context == Context::shell) {
      check_shell(shell.place(), at, inside);
      part.comment = shell.place() == ShellPlace::comment;
    }
    // A key may hold dots itself, so the whole name is looked for first.
    auto variable = std::find(variables.begin(), variables.end(), name);
    if (const std::size_t dot = name.rfind('.'); variable == variables.end() && dot != std::string_view::npos) {
      constexpr std::pair<std::string_view, Part::Form> forms[] = {
          {"stem", Part::Form::stem}, {"name", Part::Form::name}, {"ext", Part::Form::ext}, {"dir", Part::Form::dir}};
      const std::string_view attribute = name.substr(dot + 1);
      const auto* form = std::find_if(std::begin(forms), std::end(forms), [&](const auto& f) { return f.first == attribute; });
      const auto base = std::find(variables.begin(), variables.end(), name.substr(0, dot));
      if (base != variables.end() && form == std::end(forms)) {
        bad(at, fmt::format("`${{{{ {} }}}}`: there is no `.{}`; a path has .stem .name .ext .dir", inside, attribute));
      }
      if (base != variables.end()) {
        part.form = form->second;
        variable = base;
      }
    }
    if (variable == variables.end()) {
      const std::vector<std::string_view> names(variables.begin(), variables.end());
      const std::string_view near = near_miss(name.substr(0, name.find('.')), names);
      bad(at, fmt::format("`${{{{ {} }}}}` is not defined; {}", inside,
                          variables.empty() ? "this job has no `matrix:`"
                          : near.empty()    ? fmt::format("its matrix has: {}", fmt::join(variables, ", "))
                                            : fmt::format("did you mean `{}`?", near)));
    }
    part.variable = static_cast<std::size_t>(variable - variables.begin());
    made.parts_.push_back(std::move(part));
    shell.word();
  }
  made.tail_ = text;
  return made;
}

std::optional<std::size_t> TextTemplate::whole() const {
  if (parts_.size() != 1 || !tail_.empty() || !parts_[0].before.empty() || parts_[0].form != Part::Form::whole)
    return std::nullopt;
  return parts_[0].variable;
}

void TextTemplate::render(std::span<const Value> values, std::string& out) const {
  out.clear();
  for (const Part& part : parts_) {
    out += part.before;
    const Scalar* scalar = values[part.variable].scalar();
    if (scalar == nullptr) {
      bad(at_, fmt::format("{} of the matrix stands where text is needed", found(values[part.variable])));
    }
    if (part.form == Part::Form::whole && !part.quoted) {
      out += scalar->text;
      continue;
    }
    const std::filesystem::path path(scalar->text);
    std::string piece;
    switch (part.form) {
      case Part::Form::whole: piece = scalar->text; break;
      case Part::Form::stem: piece = path.stem().string(); break;
      case Part::Form::name: piece = path.filename().string(); break;
      case Part::Form::ext: piece = path.extension().string(); break;
      case Part::Form::dir: piece = path.has_parent_path() ? path.parent_path().string() : "."; break;
    }
    // A line break would end the comment.
    if (part.comment) std::replace(piece.begin(), piece.end(), '\n', ' ');
    out += part.quoted ? shell_quoted(piece) : piece;
  }
  out += tail_;
}

}  // namespace runner::config
