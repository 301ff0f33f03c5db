// console.hpp - standard output, standard error, and the live lines below them when standard error is a terminal.
//
// Whatever is to be printed goes through here, so that live lines are off the screen before anything else appears there,
// and back afterwards. Live lines and text of both streams thus never mix, also when both are one terminal.
//
// Live lines are drawn at most ten times a second, however much is printed: what comes sooner after a drawing is held for the next
// one (hold), which then shows both; or it is printed at once, and the lines stay off until then (where the next one may be late).
// After the program was stopped others have written below the lines: those stay, and new ones are drawn (job_control.hpp).
//
// Called from  the run loop's thread; salvage() also from a dying program.
// Owns         both buffers; the descriptors are the caller's.
// Fails with   unwritable from either stream, once (of text that show() prints: with the next flush). Live lines that cannot be drawn are no error.
// Call order   (out | err | show | clear | hold | leave_lines | flush)*
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <runner/result.hpp>
#include <runner/units.hpp>
#include "report/output_file.hpp"

namespace runner::report {

class Console {
 public:
  using Clock = TimePoint (*)();
  static constexpr Duration kBetweenDrawings = std::chrono::milliseconds(100);

  Console(int out_fd, int err_fd, Clock clock = &std::chrono::steady_clock::now);
  ~Console() { clear(); }
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  [[nodiscard]] OutputFile& out() { return out_; }
  // Where both streams are one terminal, this is out(): what is printed appears in the order in which it was written.
  [[nodiscard]] OutputFile& err() { return together_ ? out_ : err_; }
  // Standard error is a terminal that can redraw lines.
  [[nodiscard]] bool live() const { return live_; }
  // Both streams are the same terminal.
  [[nodiscard]] bool together() const { return together_; }
  [[nodiscard]] std::size_t columns() const;
  [[nodiscard]] std::size_t rows() const;
  // The locale says that more than ASCII can be shown.
  [[nodiscard]] bool utf8() const { return utf8_; }

  // Replaces the live lines; each must be narrower than the terminal.
  void show(std::vector<std::string> lines);
  void clear() { show({}); }
  // Whether somebody calls show() at least ten times a second, so that flush() may leave text for it while there are live lines.
  void hold(bool is_shown_often) { hold_ = is_shown_often; }
  // The terminal is a shell's at present, which somebody types at.
  [[nodiscard]] bool in_background() const;
  // Live lines on the screen stay where they are; whatever is drawn next comes below them.
  void leave_lines();
  [[nodiscard]] Result<void> flush();
  void salvage() noexcept;

 private:
  [[nodiscard]] std::string erasure() const;
  void erase();
  void look_for_a_stop();
  [[nodiscard]] std::string picture();
  void put(const std::string& bytes) const;
  [[nodiscard]] Result<void> print();
  void draw();
  [[nodiscard]] bool just_drawn() const { return drawn_at_ && clock_() - *drawn_at_ < kBetweenDrawings; }

  OutputFile out_, err_;
  bool live_, utf8_, together_ = false, hold_ = false;
  Clock clock_;
  std::optional<TimePoint> drawn_at_;
  unsigned continued_;  // as JobControl had it when the lines were drawn
  std::vector<std::string> lines_;
  std::string last_erasure_;  // made when the lines were drawn, for a program that may not compute any more
  bool drawn_ = false;
  std::optional<Error> failed_;  // while lines were shown: told by the next flush
  bool mid_line_ = false;        // what was printed last did not end its line
};

}  // namespace runner::report
