// shell_state.hpp - where in a shell script a value would come to stand, so that it can be quoted for that place.
//
// POSIX shell, sections 2.2 (quoting), 2.3 (tokens), 2.6 (expansions), followed as far as is needed to know, and no further: what
// it does not follow (backquotes, here-documents, `case` inside of `$(...)`, the inside of `${...}`) is a place where nothing may
// be inserted.
//
// Called from  text_template.cpp and shell_words.cpp. A plain value.
// Call order   (read place word)*
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace runner::config {

enum class ShellPlace : std::uint8_t { word, single_quotes, double_quotes, comment, here_document, nowhere };

class ShellState {
 public:
  // Goes on over literal text of the script.
  void read(std::string_view text);
  // Where whatever comes next would stand.
  [[nodiscard]] ShellPlace place() const;
  // Goes on over something inserted: whatever it is, it is no blank.
  void word();

 private:
  enum class Inside : std::uint8_t { script, single_quotes, double_quotes, parentheses, braces, backquotes };
  [[nodiscard]] Inside inside() const { return nested_.empty() ? Inside::script : nested_.back(); }
  void read(char c);
  void end_of_word();

  std::vector<Inside> nested_;
  std::string word_;  // what was read of it
  char last_ = 0;
  bool comment_ = false, here_ = false, escaped_ = false, lost_ = false;
};

// `text` as one word of a POSIX shell.
[[nodiscard]] std::string shell_quoted(std::string_view text);

}  // namespace runner::config
