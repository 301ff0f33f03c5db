// console.hpp - standard output, standard error, and the live lines below them when standard error is a terminal.
//
// Whatever is to be printed goes through here, so that live lines are off the screen before anything else appears there,
// and back afterwards. Live lines and text of both streams thus never mix, also when both are one terminal.
//
// Called from  the run loop's thread; salvage() also from a dying program.
// Owns         both buffers; the descriptors are the caller's.
// Fails with   unwritable from either stream, once. Live lines that cannot be drawn are no error.
// Call order   (out | err | show | clear | flush)*
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <runner/result.hpp>
#include "report/output_file.hpp"

namespace runner::report {

class Console {
 public:
  Console(int out_fd, int err_fd);
  ~Console() { clear(); }
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  [[nodiscard]] OutputFile& out() { return out_; }
  [[nodiscard]] OutputFile& err() { return err_; }
  // Standard error is a terminal that can redraw lines.
  [[nodiscard]] bool live() const { return live_; }
  // Both streams are the same terminal: the order in which they are flushed is what a person sees.
  [[nodiscard]] bool together() const { return together_; }
  [[nodiscard]] std::size_t columns() const;
  [[nodiscard]] std::size_t rows() const;

  // Replaces the live lines; each must be narrower than the terminal.
  void show(std::vector<std::string> lines);
  void clear() { show({}); }
  [[nodiscard]] Result<void> flush();
  void salvage() noexcept;

 private:
  [[nodiscard]] std::string erasure() const;
  void erase();
  [[nodiscard]] std::string picture();
  void put(const std::string& bytes) const;

  OutputFile out_, err_;
  bool live_, together_ = false;
  std::vector<std::string> lines_;
  std::string last_erasure_;  // made when the lines were drawn, for a program that may not compute any more
  bool drawn_ = false;
  bool mid_line_ = false;  // what was printed last did not end its line
};

}  // namespace runner::report
