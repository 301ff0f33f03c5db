#include "cli/parting_message.hpp"

#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstddef>

#include "report/printable.hpp"

namespace runner::cli {

namespace {

// Text in a fixed buffer: all that a signal handler may do.
class Note {
 public:
  void add(std::string_view text) {
    for (const char c : text) {
      if (size_ == text_.size()) return;
      // Names of jobs are printable; one that is not must not move the cursor here either.
      text_[size_++] = static_cast<unsigned char>(c) < ' ' && c != '\n' ? '?' : c;
    }
  }
  void add(std::uint64_t number) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    add(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
  }
  void write() const {
    for (std::size_t at = 0; at < size_;) {
      const ssize_t put = ::write(STDERR_FILENO, text_.data() + at, size_ - at);
      if (put <= 0) return;
      at += static_cast<std::size_t>(put);
    }
  }

 private:
  std::array<char, 1024> text_{};
  std::size_t size_ = 0;
};

}  // namespace

void say_crash(std::string_view job, std::uint64_t safe, int signal) {
  Note note;
  note.add("\nrunner: ");
  if (job.empty()) {
    note.add("a job");
  } else {
    note.add("the job `");
    note.add(job.substr(0, 400));
    note.add("`");
  }
  note.add(" crashed with SIG");
  const char* name = ::sigabbrev_np(signal);
  note.add(name != nullptr ? name : "?");
  note.add(" and takes this program with it, because it ran in the same process; ");
  note.add(safe);
  note.add(safe == 1 ? " outcome is safe." : " outcomes are safe.");
  note.add(" With --mode processes only the job would have ended.\n");
  note.write();
}

std::string stuck_message(const JobSpec& job, master::StopReason reason, std::uint64_t safe) {
  const std::string when = reason == master::StopReason::deadline
                               ? fmt::format("at its timeout of {}", format_duration(job.timeout))
                               : std::string("when the run was interrupted");
  return fmt::format(
      "runner: the job `{}` was asked to return {} and did not, and a job in this process cannot be ended; {} "
      "{} safe, the rest was not run. With --mode processes a job is ended in time.\n",
      report::printable(job.name), when, safe, safe == 1 ? "outcome is" : "outcomes are");
}

}  // namespace runner::cli
