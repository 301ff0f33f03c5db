// outcome.hpp - how one attempt at a job ended, with the evidence.
//
// Called from  whoever ran the attempt makes it; scheduler and sinks read it. A value: no thread owns it.
// Owns         captured output, and the unlinked spill file of output that was too large for memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runner/blob.hpp"
#include "runner/unique_fd.hpp"
#include "runner/units.hpp"

namespace runner {

struct Succeeded {};
struct Failed {  // a typed job threw, a command exited with another status than 0, or it could not be started
  std::string reason;
};
struct Crashed {   // the process that ran it died of a signal, or a worker left without an answer
  int signal = 0;  // 0: it left by itself (`reason` says how)
  std::string reason;
};
struct TimedOut {
  Duration limit{};
  std::string reason;  // what it took to end it; empty: nobody can say
};
struct Cancelled {
  std::string reason;
};
struct OutOfMemory {
  std::string reason;
};

// Switched over with std::visit and no catch-all, so that a new ending is a compile error everywhere it matters.
using Ending = std::variant<Succeeded, Failed, Crashed, TimedOut, Cancelled, OutOfMemory>;

// What a command wrote to one of its streams. Up to kCaptureInMemory all of it is in `text`; beyond that everything is in
// `spill` (an unlinked file, offset 0) and `text` holds the last kCaptureTail bytes.
struct Captured {
  static constexpr std::uint64_t kCaptureInMemory = std::uint64_t{1} << 20;
  static constexpr std::uint64_t kCaptureTail = std::uint64_t{64} << 10;

  std::string text;
  std::uint64_t bytes = 0;  // how much there was in all
  UniqueFd spill;           // set if and only if bytes > kCaptureInMemory

  Captured() = default;
};

struct Outcome {
  Ending ending = Succeeded{};
  Blob result;                   // wire bytes of the kind's result; typed jobs that succeeded only
  std::optional<int> exit_code;  // command jobs that exited
  Captured out, err;             // command jobs
  Duration wall{};               // user code entered -> left
  Duration cpu{};                // processor time of that span (a command: of its waited-for tree)
  bool quarantined = false;      // it has killed as many workers as its crash_limit allows; set by the scheduler
  // A command: the most resident memory that one process of its waited-for tree had, and no less than whoever started it had then (the
  // kernel counts that in). A typed job: that of its worker so far, for a job that took at least kMeasured or took the worker along.
  std::optional<Bytes> peak_memory;
  std::string core;  // path of the core file, where there is one and it can be told
  std::vector<std::string>
      left_behind;  // "sleep (pid 4711)": processes that it had left when it ended, and that were ended then
  static constexpr Duration kMeasured = std::chrono::milliseconds(1);
};

[[nodiscard]] bool succeeded(const Outcome& outcome);

// The last `count` lines of what a command wrote to a stream, as far as they are in memory.
[[nodiscard]] std::string_view last_lines(const Captured& captured, std::size_t count);
inline constexpr std::size_t kEvidenceLines = 20;  // of a failed command's stderr

// The word of the results file: ok failed crashed timed_out cancelled out_of_memory.
[[nodiscard]] std::string_view status_word(const Ending& ending);

// One clause for a person, without the job's name: "crashed: SIGSEGV", "exit status 3", "timed out after 2.00 s (ended by SIGTERM)".
[[nodiscard]] std::string describe(const Outcome& outcome);

// How large a result may be when nobody says otherwise.
inline constexpr Bytes kMaxResult{std::uint64_t{1} << 30};
// Why a job fails whose result is larger than its run allows.
[[nodiscard]] std::string result_too_large(Bytes found, Bytes limit);

// "SIGSEGV" for 11; "signal 77" for a number without a name.
[[nodiscard]] std::string signal_name(int signal);

}  // namespace runner
