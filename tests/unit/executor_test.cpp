// One typed job, here and now.
#include <gtest/gtest.h>

#include <chrono>
#include <runner/job.hpp>
#include <stdexcept>
#include <string>

#include "worker/executor.hpp"

namespace runner::worker {
namespace {

struct Way {
  std::string how;
  template <class A>
  void serialize(A& a) {
    a(arg("how", how, "what happens"));
  }
};
struct Said {
  std::uint64_t job{};
  std::uint32_t attempt{};
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(job), CEREAL_NVP(attempt));
  }
};
Said happen(const Way& way, JobContext& context) {
  if (way.how == "throw") throw std::runtime_error("on purpose");
  if (way.how == "throw a number") throw 7;
  if (way.how == "busy") {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    while (std::chrono::steady_clock::now() < until) {
    }
  }
  return {number(context.job()), number(context.attempt())};
}

Outcome run(const std::string& how) {
  const Kind kind = make_kind<&happen>("happen", "");
  JobContext context(JobId{3}, Attempt{2}, {});
  return execute(kind, as_bytes(to_wire(Way{how})), context, kMaxResult.count).outcome;
}

TEST(Executor, GivesBackTheResultOfAJobThatReturned) {
  const Outcome outcome = run("return");
  EXPECT_TRUE(succeeded(outcome));
  const Said said = from_wire<Said>(outcome.result.bytes());
  EXPECT_EQ(said.job, 3U);
  EXPECT_EQ(said.attempt, 2U);
  EXPECT_FALSE(outcome.exit_code.has_value());
}

TEST(Executor, TurnsWhateverIsThrownIntoAFailure) {
  EXPECT_EQ(std::get<Failed>(run("throw").ending).reason, "on purpose");
  EXPECT_EQ(std::get<Failed>(run("throw a number").ending).reason, "it threw something that is no std::exception");
  EXPECT_TRUE(run("throw").result.empty());
}

TEST(Executor, ShortensAReasonThatNobodyWouldReadBetweenTwoCharacters) {
  const auto reason = [](const std::string& text) {
    return failure_of(std::make_exception_ptr(std::runtime_error(text))).reason;
  };
  const std::string longest(64 * 1024, 'x');
  EXPECT_EQ(reason(longest), longest);
  EXPECT_EQ(reason(longest + "x"), longest + "...");
  const std::string wide = longest.substr(0, longest.size() - 1);
  EXPECT_EQ(reason(wide + "\u20ac and more"), wide + "...");
  EXPECT_EQ(reason(std::string(std::size_t{5} << 20, '\x80')), "...");
}

TEST(Executor, TurnsArgumentsThatAreNotItsOwnIntoAFailure) {
  const Kind kind = make_kind<&happen>("happen", "");
  JobContext context;
  EXPECT_TRUE(
      std::holds_alternative<Failed>(execute(kind, as_bytes("\x20 cut off"), context, kMaxResult.count).outcome.ending));
}

TEST(Executor, FailsAJobWhoseResultIsLargerThanAllowedAndKeepsNoneOfIt) {
  const Kind kind = make_kind<&happen>("happen", "");
  JobContext context;
  const std::string args = to_wire(Way{"return"});
  const std::uint64_t bytes = execute(kind, as_bytes(args), context, kMaxResult.count).outcome.result.size();
  EXPECT_TRUE(succeeded(execute(kind, as_bytes(args), context, bytes).outcome));
  const Outcome outcome = execute(kind, as_bytes(args), context, bytes - 1).outcome;
  EXPECT_EQ(std::get<Failed>(outcome.ending).reason, result_too_large(Bytes{bytes}, Bytes{bytes - 1}));
  EXPECT_TRUE(outcome.result.empty());
}

TEST(Executor, NeverTellsMoreProcessorTimeThanPassed) {
  for (int i = 0; i < 100; ++i) {
    for (const char* how : {"return", "busy", "throw"}) {
      const Outcome outcome = run(how);
      EXPECT_GE(outcome.wall.count(), 0);
      EXPECT_GE(outcome.cpu.count(), 0);
      EXPECT_LE(outcome.cpu, outcome.wall);
    }
  }
}

}  // namespace
}  // namespace runner::worker
