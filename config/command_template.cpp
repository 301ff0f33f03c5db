#include "config/command_template.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";

// First words that mean something else to a shell than a program of that name: POSIX shell, 2.4 (reserved words), 2.14 (special
// built-ins), and those of 2.9.1 that no program can do.
constexpr std::array<std::string_view, 46> kOfTheShell{
    "if",    "then",  "else",     "elif",  "fi",     "do",    "done",    "case", "esac",    "while",    "until",  "for",
    "in",    "break", "continue", ".",     "source", "eval",  "exec",    "exit", "export",  "readonly", "return", "set",
    "shift", "times", "trap",     "unset", ":",      "alias", "bg",      "cd",   "command", "fc",       "fg",     "getopts",
    "hash",  "jobs",  "read",     "type",  "ulimit", "umask", "unalias", "wait", "local",   "function"};

bool of_the_shell(std::string_view word) {
  return word.find('=') != std::string_view::npos ||
         std::find(kOfTheShell.begin(), kOfTheShell.end(), word) != kOfTheShell.end();
}

std::string without_extension(const std::string& value) {
  const std::size_t dot = value.find_last_of("./");
  // From the last dot on, wherever that is in the last part: so GNU parallel has it.
  const bool extension = dot != std::string::npos && value[dot] == '.';
  return extension ? value.substr(0, dot) : value;
}

std::string last_part(const std::string& value) { return value.substr(value.rfind('/') + 1); }

std::string folder(std::string value) {
  while (value.size() > 1 && value.back() == '/') value.pop_back();
  const std::size_t slash = value.rfind('/');
  if (slash == std::string::npos) return ".";
  value.resize(slash);
  while (!value.empty() && value.back() == '/') value.pop_back();
  return value.empty() ? "/" : value;
}

// `text` as it must be written inside of the quotes it stands in.
std::string quoted_for(ShellPlace place, const std::string& text) {
  if (place == ShellPlace::word) return shell_quoted(text);
  // The quotes are closed, and opened again behind it.
  const char quote = place == ShellPlace::single_quotes ? '\'' : '"';
  const std::string word = shell_quoted(text);
  return quote + (text.empty() ? "" : word) + quote;
}

}  // namespace

CommandTemplate::Text CommandTemplate::parse_text(std::string_view text, std::size_t inputs) {
  Text made;
  std::size_t literal = 0;
  for (std::size_t open = text.find('{'); open != std::string_view::npos; open = text.find('{', open + 1)) {
    const std::size_t close = text.find('}', open);
    if (close == std::string_view::npos) break;
    std::string_view inside = text.substr(open + 1, close - open - 1);
    Part part;
    int input = 0;
    const auto [end, error] = std::from_chars(inside.data(), inside.data() + inside.size(), input);
    const bool numbered = error == std::errc() && input != 0;
    if (numbered) inside.remove_prefix(static_cast<std::size_t>(end - inside.data()));
    constexpr std::pair<std::string_view, Form> forms[] = {
        {"", Form::whole},    {".", Form::no_extension},       {"/", Form::name},
        {"//", Form::folder}, {"/.", Form::name_no_extension}, {"#", Form::number},
        {"%", Form::slot}};
    const auto* form = std::find_if(std::begin(forms), std::end(forms), [&](const auto& one) { return one.first == inside; });
    if (form == std::end(forms) || (numbered && (form->second == Form::number || form->second == Form::slot))) continue;
    if (numbered) {
      if (static_cast<std::size_t>(std::abs(input)) > inputs) {
        bad({}, fmt::format("`{}` stands for an input that does not exist; there {} {}", text.substr(open, close - open + 1),
                            inputs == 1 ? "is" : "are", inputs));
      }
      part.input = input > 0 ? static_cast<std::size_t>(input) : inputs + 1 - static_cast<std::size_t>(-input);
    }
    part.before = text.substr(literal, open - literal);
    part.form = form->second;
    made.parts.push_back(std::move(part));
    literal = close + 1;
    open = close;
  }
  made.tail = text.substr(literal);
  return made;
}

// Whether a shell would do nothing but take the words apart.
bool CommandTemplate::only_words(std::string_view script, std::size_t inputs) {
  const auto plain = [](std::string_view literal) { return literal.find_first_not_of(kPlain) == std::string_view::npos; };
  for (std::size_t begin = 0; (begin = script.find_first_not_of(" \t", begin)) != std::string_view::npos;) {
    const std::size_t end = std::min(script.find_first_of(" \t", begin), script.size());
    const std::string_view word = script.substr(begin, end - begin);
    const Text parsed = parse_text(word, inputs);
    const bool whole = parsed.parts.size() == 1 && word.starts_with('{') && parsed.tail.empty();
    for (const Part& part : parsed.parts) {
      // All inputs beside other text become several words; the place is known only when the job runs.
      if (!plain(part.before) || part.form == Form::slot) return false;
      if (inputs > 1 && part.input == 0 && part.form != Form::number && !whole) return false;
    }
    if (!plain(parsed.tail) || (begin == script.find_first_not_of(" \t") && of_the_shell(word))) return false;
    begin = end;
  }
  return true;
}

CommandTemplate CommandTemplate::parse(const std::vector<std::string>& words, std::size_t inputs, bool exact) {
  CommandTemplate made;
  if (words.empty()) {
    if (exact) bad({}, "--quote is about the words of a command, and there is none; leave it out, or write the command");
    made.shell_ = made.raw_ = true;
    made.words_.push_back(parse_text("{}", inputs));
    return made;
  }
  const bool replaces =
      std::any_of(words.begin(), words.end(), [&](const std::string& word) { return !parse_text(word, inputs).parts.empty(); });
  std::vector<std::string> all = words;
  if (!replaces) all.emplace_back("{}");
  const std::string script = fmt::format("{}", fmt::join(all, " "));
  if (script.find_first_not_of(" \t\n") == std::string::npos)
    bad({}, "the command is empty; it is what to run for each argument");

  if (!exact && !only_words(script, inputs)) {
    made.shell_ = true;
    made.words_.push_back(parse_text(script, inputs));
    made.find_places();
  } else if (exact) {
    for (const std::string& word : all) made.words_.push_back(parse_text(word, inputs));
    for (const Text& word : made.words_) {
      if (std::any_of(word.parts.begin(), word.parts.end(), [](const Part& part) { return part.form == Form::slot; }))
        bad({}, "`{%}` is filled in by a shell, and --quote starts none; leave one of them out");
    }
  } else {
    for (std::size_t begin = 0; (begin = script.find_first_not_of(" \t", begin)) != std::string::npos;) {
      const std::size_t end = std::min(script.find_first_of(" \t", begin), script.size());
      made.words_.push_back(parse_text(std::string_view(script).substr(begin, end - begin), inputs));
      begin = end;
    }
  }
  // The first word, if it is one that can be read.
  const std::size_t first = script.find_first_not_of(" \t\n");
  const std::string_view word =
      std::string_view(script).substr(first, std::min(script.find_first_of(" \t\n", first), script.size()) - first);
  if (word.find_first_not_of(kPlain) == std::string_view::npos && word.find('=') == std::string_view::npos &&
      !word.ends_with('/')) {
    made.program_ = word.substr(word.rfind('/') + 1);
  }
  return made;
}

void CommandTemplate::find_places() {
  Text& script = words_.front();
  ShellState state;
  for (Part& part : script.parts) {
    state.read(part.before);
    part.place = state.place();
    switch (part.place) {
      case ShellPlace::word:
      case ShellPlace::single_quotes:
      case ShellPlace::double_quotes: break;
      case ShellPlace::comment: bad({}, "a replacement string stands in a comment of the script; leave it out");
      case ShellPlace::here_document:
        bad({},
            "a replacement string stands behind a `<<`, where quoting works differently; put the script into a file, and the "
            "argument behind it");
      case ShellPlace::nowhere:
        bad({},
            "a replacement string stands where quoting works differently (inside of backquotes or `${...}`, or behind a "
            "backslash, `$` or a `case` in "
            "`$(...)`); write `$(...)` for backquotes, or `x={}; ...` in front");
    }
    state.word();
  }
}

std::string CommandTemplate::form_of(const std::string& value, Form form) {
  switch (form) {
    case Form::whole: return value;
    case Form::no_extension: return without_extension(value);
    case Form::name: return last_part(value);
    case Form::folder: return folder(value);
    case Form::name_no_extension: return without_extension(last_part(value));
    case Form::number:
    case Form::slot: break;  // not of a value
  }
  return {};
}

void CommandTemplate::render(const Text& text, std::span<const std::string> values, std::uint64_t number,
                             std::string& out) const {
  for (const Part& part : text.parts) {
    out += part.before;
    const auto put = [&](const std::string& piece) { out += shell_ && !raw_ ? quoted_for(part.place, piece) : piece; };
    if (part.form == Form::number) {
      out += std::to_string(number);
    } else if (part.form == Form::slot) {
      // Whoever runs the job sets it; it is digits.
      out += part.place == ShellPlace::single_quotes ? "'\"$RUNNER_SLOT\"'" : "${RUNNER_SLOT}";
    } else if (part.input != 0) {
      put(form_of(values[part.input - 1], part.form));
    } else {
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (i != 0) out += ' ';
        put(form_of(values[i], part.form));
      }
    }
  }
  out += text.tail;
}

void CommandTemplate::render(std::span<const std::string> values, std::uint64_t number, std::vector<std::string>& argv) const {
  if (shell_) {
    argv.resize(3);
    argv[0] = "/bin/sh";
    argv[1] = "-c";
    argv[2].clear();
    render(words_.front(), values, number, argv[2]);
    return;
  }
  std::size_t used = 0;
  const auto next = [&]() -> std::string& {
    if (used == argv.size()) argv.emplace_back();
    argv[used].clear();
    return argv[used++];
  };
  for (const Text& word : words_) {
    // All inputs alone are as many words.
    const bool all = word.parts.size() == 1 && word.parts[0].input == 0 && word.parts[0].before.empty() && word.tail.empty() &&
                     word.parts[0].form != Form::number;
    if (!all) {
      render(word, values, number, next());
      continue;
    }
    for (const std::string& value : values) next() = form_of(value, word.parts[0].form);
  }
  argv.resize(used);
}

}  // namespace runner::config
