// command_template.hpp - a command with replacement strings, as GNU parallel has them: from the arguments of a job to its argv.
//
//   {} {.} {/} {//} {/.}    the argument; without its extension; its last part; its folder; its last part without extension
//   {2} {2.} {-1/} ...      the same of the second input, of the last one; {} of several inputs is all of them
//   {#} {%}                 the number of the job, from 1; of the place it runs in, from 1 to as many as run at a time
//
// The words of the command, joined by blanks, are a script for /bin/sh, in which whatever replaces is one quoted word, or part of
// the quotes it stands in. Where that script is nothing but words, no shell is started. A command without replacement strings gets
// the arguments behind it. No command at all: each argument is a script.
//
// Called from  exec_batch.cpp.
// Fails with   BadBatch from parse: an input that does not exist, a place in a script where no quoting helps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/shell_state.hpp"

namespace runner::config {

class CommandTemplate {
 public:
  // `inputs` is how many there are. `exact`: the words are the command as it is, and no shell is started.
  [[nodiscard]] static CommandTemplate parse(const std::vector<std::string>& words, std::size_t inputs, bool exact);

  // `values` has one argument of each input; `number` counts jobs from 1.
  void render(std::span<const std::string> values, std::uint64_t number, std::vector<std::string>& argv) const;

  // What its jobs are called: the program, where that is known; else "exec".
  [[nodiscard]] const std::string& program() const { return program_; }
  [[nodiscard]] bool shell() const { return shell_; }

 private:
  enum class Form : std::uint8_t { whole, no_extension, name, folder, name_no_extension, number, slot };
  struct Part {
    std::string before;     // literal text in front of it
    std::size_t input = 0;  // counted from 1; 0: all
    Form form = Form::whole;
    ShellPlace place = ShellPlace::word;
  };
  struct Text {
    std::vector<Part> parts;
    std::string tail;
  };

  [[nodiscard]] static Text parse_text(std::string_view text, std::size_t inputs);
  [[nodiscard]] static bool only_words(std::string_view script, std::size_t inputs);
  [[nodiscard]] static std::string form_of(const std::string& value, Form form);
  void find_places();
  void render(const Text& text, std::span<const std::string> values, std::uint64_t number, std::string& out) const;

  bool shell_ = false, raw_ = false;
  std::vector<Text> words_;  // of the argv; of a script one
  std::string program_ = "exec";
};

}  // namespace runner::config
