// Commands whose Nth system call fails: an outcome that says so, never lost output, never a program left running.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <string>

#include "master/engines/binding.hpp"
#include "master/interrupts.hpp"
#include "master/usable_cpus.hpp"
#include "tests/faults/each_call.hpp"
#include "worker/command.hpp"

namespace runner::worker {
namespace {

class CommandFails : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(With, CommandFails, testing::ValuesIn(kErrors),
                         [](const auto& with) { return std::string(::strerrorname_np(with.param)); });

CommandWork shell(const std::string& script) { return {{"/bin/sh", "-c", script}, "", "", {}}; }

// Whether it succeeded; a failure must have a reason and nothing else may have happened to it.
Result<void> judged(const Outcome& outcome) {
  if (succeeded(outcome)) return {};
  EXPECT_TRUE(std::holds_alternative<Failed>(outcome.ending)) << describe(outcome);
  return fail(ErrorCode::system, describe(outcome));
}

TEST_P(CommandFails, StartingAProgram) {
  fail_each_call(GetParam(), [] { return drop(Command::start({{"/bin/true"}, "", "", {}})); });
}

TEST_P(CommandFails, StartingAProgramThatDoesNotExist) {
  fail_each_call(GetParam(), []() -> Result<void> {
    EXPECT_FALSE(Command::start({{"/no/such/program"}, "", "", {}}).has_value());
    return {};
  });
}

TEST_P(CommandFails, RunningACommand) {
  fail_each_call(GetParam(), [] {
    const Outcome outcome = run_command(shell("echo out; echo err >&2"), -1, [] { return Wish::go_on; });
    if (succeeded(outcome)) {
      EXPECT_EQ(outcome.out.text, "out\n");
      EXPECT_EQ(outcome.err.text, "err\n");
    }
    return judged(outcome);
  });
}

TEST_P(CommandFails, RunningACommandWithMoreOutputThanFitsIntoMemory) {
  fail_each_call(GetParam(), [] {
    const Outcome outcome = run_command(shell("head -c 1200000 /dev/zero"), -1, [] { return Wish::go_on; });
    if (succeeded(outcome)) {
      EXPECT_EQ(outcome.out.bytes, 1'200'000U);
      EXPECT_TRUE(static_cast<bool>(outcome.out.spill));
    } else {
      EXPECT_EQ(static_cast<bool>(outcome.out.spill), outcome.out.bytes > Captured::kCaptureInMemory);
      if (!outcome.out.spill) {
        EXPECT_EQ(outcome.out.text.size(), outcome.out.bytes);
      }
    }
    return judged(outcome);
  });
}

TEST_P(CommandFails, EndingACommand) {
  const UniqueFd bell(::eventfd(1, EFD_CLOEXEC));
  fail_each_call(GetParam(), [&]() -> Result<void> {
    const Outcome outcome = run_command(shell("exec sleep 1000"), bell.get(), [] { return Wish::terminate; });
    if (const auto* crashed = std::get_if<Crashed>(&outcome.ending)) {
      EXPECT_TRUE(crashed->signal == SIGTERM || crashed->signal == SIGKILL) << describe(outcome);
      return {};
    }
    EXPECT_FALSE(succeeded(outcome));
    return judged(outcome);
  });
}

TEST_P(CommandFails, WatchingForCtrlCAndThenTheSignalsAreNobodys) {
  fail_each_call(GetParam(), [] { return drop(master::Interrupts::install()); });
  for (const int signal : {SIGINT, SIGTERM}) {
    os::faults::arm({.nth = 3, .error = GetParam()});
    EXPECT_FALSE(master::Interrupts::install().has_value());
    os::faults::disarm();
    struct sigaction now{};
    ASSERT_EQ(::sigaction(signal, nullptr, &now), 0);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
  }
}

TEST_P(CommandFails, AskingForProcessorsAndThenThereIsOneAndNobodyIsBound) {
  const Silence silence;
  os::faults::arm({.nth = 1, .error = GetParam(), .only = "sched_getaffinity"});
  EXPECT_EQ(master::usable_cpus().count, 1U);
  os::faults::arm({.nth = 1, .error = GetParam(), .only = "sched_getaffinity"});
  EXPECT_TRUE(master::place(master::BindOptions{}, 1).seats.empty());
  os::faults::disarm();
}

}  // namespace
}  // namespace runner::worker
