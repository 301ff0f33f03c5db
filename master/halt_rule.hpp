// halt_rule.hpp - when a run stops before its jobs are through: `--halt now|soon,fail|success|done=N|N%`, as in GNU parallel.
//
// Checked against its manual, and its source where that is silent (version 20221122): N% is reached by as many jobs as are at least so much
// of all, and a run that a success rule has stopped is a success, whatever had failed before. Its exit status else counts failed
// jobs; ours is 1.
//
// Called from  the command line parses one, the scheduler asks it. A value.
// Fails with   parse: usage, one line that says what was found and what is expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <runner/result.hpp>

namespace runner::master {

struct HaltRule {
  enum class When : std::uint8_t { soon, now };           // running jobs may finish, or are ended
  enum class Why : std::uint8_t { fail, success, done };  // what is counted
  When when = When::soon;
  Why why = Why::fail;
  double amount = 1;  // so many jobs, or so many percent of all
  bool percent = false;

  // "never" is no rule. The old forms are read too: 0 1 2 -1 -2 10%.
  [[nodiscard]] static Result<std::optional<HaltRule>> parse(std::string_view text);

  // A share is one of the whole run, so that it counts what had ended before a run was resumed; a number is one of this start, or a run
  // that it has stopped could not be gone on with.
  // Jobs that have ended, so far: those that were allowed to fail are done, but neither failed nor successful.
  struct Tally {
    std::uint64_t failed = 0, succeeded = 0, done = 0;
  };
  // `size`: of the batch; a share of an unknown number is never reached.
  [[nodiscard]] bool reached(const Tally& tally, std::optional<std::uint64_t> size) const;
  // Whether it could be reached if so many more jobs ended.
  [[nodiscard]] bool within(std::uint64_t jobs, const Tally& tally, std::optional<std::uint64_t> size) const;

  // As it would be written: "soon,fail=10%".
  [[nodiscard]] std::string text() const;
};

}  // namespace runner::master
