// fact_page.hpp - a page of facts, one on a line: what it is, in a column, and what it is here.
//
// Called from  the commands that show one thing (explain, show), one thread.
// Owns         its text.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>

#include "cli/dry_run.hpp"

namespace runner::cli {

class FactPage {
 public:
  void line(std::string_view what, std::string_view text) {
    fmt::format_to(std::back_inserter(text_), "{:<12}{}\n", what, shown(text));
  }
  void plain(std::string_view text) { text_.append(text) += '\n'; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace runner::cli
