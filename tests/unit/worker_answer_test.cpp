// What a worker's answer, or its death, says of a job.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "master/engines/worker_answer.hpp"
#include "tests/unit/records.hpp"

namespace runner::master {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr Duration kEndless = Duration::max();
const TimePoint kOpened{seconds(1000)}, kNow{seconds(1010)};

class AnAnswer : public ::testing::Test {
 protected:
  [[nodiscard]] ErrorCode verdict() const {
    const Result<void> checked = check_answer(answer_, job_, registry_, kOpened, kNow);
    return checked ? ErrorCode{} : checked.error().code;
  }
  [[nodiscard]] bool is_believed() const { return check_answer(answer_, job_, registry_, kOpened, kNow).has_value(); }
  Registry registry_;
  JobSpec job_ = test::command(0, "true", {}).job;
  static ipc::Completion honest() {
    return {.ticket = {}, .reply = {}, .seen = kNow - seconds(2), .answered = kNow - seconds(1)};
  }
  ipc::Completion answer_ = honest();
};

TEST_F(AnAnswer, IsBelievedWhenItsTimesCanBe) {
  answer_.reply.outcome.wall = seconds(1);
  EXPECT_TRUE(is_believed());
  answer_.reply.outcome.wall = hours(1);
  EXPECT_TRUE(is_believed()) << "clocks of processes that slept may differ by that";
}

TEST_F(AnAnswer, IsABreachOfTheProtocolWhenItsTimesCannotBe) {
  const std::vector<void (*)(ipc::Completion&)> lies{[](ipc::Completion& lie) { lie.reply.outcome.wall = kEndless; },
                                                     [](ipc::Completion& lie) { lie.reply.outcome.wall = -seconds(1); },
                                                     [](ipc::Completion& lie) { lie.reply.outcome.cpu = kEndless; },
                                                     [](ipc::Completion& lie) { lie.reply.deserialize = kEndless; },
                                                     [](ipc::Completion& lie) { lie.reply.arriving = -seconds(1); },
                                                     [](ipc::Completion& lie) { lie.reply.free = kEndless; },
                                                     [](ipc::Completion& lie) { lie.seen = kNow + Duration(1); },
                                                     [](ipc::Completion& lie) { lie.answered = kNow + hours(1); },
                                                     [](ipc::Completion& lie) { lie.answered = TimePoint{} - Duration(1); }};
  for (std::size_t i = 0; i < lies.size(); ++i) {
    answer_ = honest();
    lies[i](answer_);
    EXPECT_EQ(verdict(), ErrorCode::protocol) << "lie " << i;
  }
}

std::string told(const Ending& ending) {
  if (const auto* crashed = std::get_if<Crashed>(&ending))
    return "crashed " + std::to_string(crashed->signal) + " " + crashed->reason;
  if (const auto* starved = std::get_if<OutOfMemory>(&ending)) return "out of memory " + starved->reason;
  return std::holds_alternative<TimedOut>(ending)    ? "timed out"
         : std::holds_alternative<Cancelled>(ending) ? "cancelled"
                                                     : "else";
}

TEST(ADeath, IsAscribedToWhatIsKnownBestOfIt) {
  const JobSpec typed = test::typed(0, "job", "noop").job, command = test::command(0, "true", {}).job;
  WorkerProcess::Death killed;
  killed.signal = SIGKILL;
  killed.how = "was killed";
  WorkerProcess::Death left;
  left.how = "left with status 3";
  EXPECT_EQ(told(ending_by_death(typed, killed, {})), "crashed 9 ");
  EXPECT_EQ(told(ending_by_death(command, killed, {})), "crashed 9 its worker died of it");
  EXPECT_EQ(told(ending_by_death(typed, left, {})), "crashed 0 its worker left with status 3");
  Cause cause;
  cause.out_of_memory = "too much";
  EXPECT_EQ(told(ending_by_death(typed, killed, cause)), "out of memory too much");
  cause.broke_rules = "nonsense";
  EXPECT_EQ(told(ending_by_death(typed, killed, cause)), "crashed 0 its worker broke the protocol: nonsense");
  cause.stopping = StopReason::deadline;
  cause.killed = true;
  EXPECT_EQ(told(ending_by_death(typed, killed, cause)), "timed out");
}

}  // namespace
}  // namespace runner::master
