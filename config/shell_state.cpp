#include "config/shell_state.hpp"

namespace runner::config {

namespace {

bool ends_word(char c) {
  return c == 0 || c == ' ' || c == '\t' || c == '\n' || c == ';' || c == '&' || c == '|' || c == '(' || c == ')';
}

}  // namespace

void ShellState::end_of_word() {
  // Its patterns end in a `)` that belongs to no `(`.
  if (word_ == "case" && !nested_.empty()) lost_ = true;
  word_.clear();
}

void ShellState::read(char c) {
  if (escaped_) {
    escaped_ = false;
    return;
  }
  switch (inside()) {
    case Inside::single_quotes:
      if (c == '\'') nested_.pop_back();
      return;
    case Inside::double_quotes:
      if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        nested_.pop_back();
      } else if (c == '`') {
        nested_.push_back(Inside::backquotes);
      } else if (last_ == '$' && c == '(') {
        nested_.push_back(Inside::parentheses);
        word_.clear();
      } else if (last_ == '$' && c == '{') {
        nested_.push_back(Inside::braces);
      }
      return;
    case Inside::backquotes:
      if (c == '\\') escaped_ = true;
      if (c == '`') nested_.pop_back();
      return;
    case Inside::braces:
      // Quotes in here follow rules of their own; who uses them gets nothing inserted from there on.
      if (c == '\\' || c == '\'' || c == '"' || c == '`' || (last_ == '$' && c == '(')) lost_ = true;
      if (last_ == '$' && c == '{') nested_.push_back(Inside::braces);
      if (c == '}') nested_.pop_back();
      return;
    case Inside::script:
    case Inside::parentheses: break;
  }
  if (ends_word(c)) {
    end_of_word();
  } else {
    word_ += c;
  }
  if (c == '\\') {
    escaped_ = true;
  } else if (c == '\'') {
    if (last_ == '$') lost_ = true;  // $'...' ends elsewhere in some shells
    nested_.push_back(Inside::single_quotes);
  } else if (c == '"') {
    nested_.push_back(Inside::double_quotes);
  } else if (c == '`') {
    nested_.push_back(Inside::backquotes);
  } else if (c == '(') {
    nested_.push_back(Inside::parentheses);
  } else if (c == ')') {
    if (inside() == Inside::parentheses) nested_.pop_back();
  } else if (last_ == '$' && c == '{') {
    nested_.push_back(Inside::braces);
  } else if (c == '#' && ends_word(last_)) {
    comment_ = true;
  } else if (c == '<' && last_ == '<') {
    here_ = true;
  }
}

void ShellState::read(std::string_view text) {
  for (const char c : text) {
    if (comment_) {
      comment_ = c != '\n';
    } else {
      const bool escaped = escaped_;
      read(c);
      // An escaped character is no part of `$(`, `<<` or the like.
      last_ = escaped ? 'x' : c;
      continue;
    }
    last_ = c;
  }
}

ShellPlace ShellState::place() const {
  if (comment_) return ShellPlace::comment;
  if (lost_ || escaped_) return ShellPlace::nowhere;
  switch (inside()) {
    case Inside::single_quotes: return ShellPlace::single_quotes;
    case Inside::double_quotes: return ShellPlace::double_quotes;
    case Inside::braces:
    case Inside::backquotes: return ShellPlace::nowhere;
    case Inside::script:
    case Inside::parentheses: break;
  }
  if (here_) return ShellPlace::here_document;
  // `$` in front of a quote is a form of quoting of its own in some shells.
  return last_ == '$' ? ShellPlace::nowhere : ShellPlace::word;
}

void ShellState::word() {
  last_ = 'x';
  word_ += 'x';
}

std::string shell_quoted(std::string_view text) {
  constexpr std::string_view safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!text.empty() && text.find_first_not_of(safe) == std::string_view::npos) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace runner::config
