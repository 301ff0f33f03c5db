#include "master/crew_size.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::master {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const Demand kWide{3, {}, "jobs.yaml:3:9: `wide`"};

TEST(CrewSize, IsWhatWasAskedForWhereThatCanBe) {
  EXPECT_EQ(crew_size(3, {.procs = 2, .cpus = 2}).procs, 5U);
  EXPECT_EQ(crew_size(-1, {.procs = 2, .cpus = 2}).procs, 1U);
  EXPECT_THAT(crew_size(-1, {.procs = 2, .cpus = 2}).why_not, IsEmpty());
}

TEST(CrewSize, IsNeverBelowOne) {
  const CrewSize size = crew_size(-5, {.procs = 3, .cpus = 3});
  EXPECT_EQ(size.procs, 1U);
  EXPECT_THAT(size.why_not, HasSubstr("one is the least"));
}

TEST(CrewSize, LeavesAsManyPlacesAsTheWidestJobTakesAndNamesIt) {
  const CrewSize size = crew_size(-4, {.procs = 5, .cpus = 5, .widest = &kWide});
  EXPECT_EQ(size.procs, 3U);
  EXPECT_THAT(size.why_not, testing::AllOf(HasSubstr("jobs.yaml:3:9: `wide` needs 3 CPUs")));
  EXPECT_EQ(crew_size(-1, {.procs = 3, .cpus = 3, .widest = &kWide}).procs, 3U);
  // Places that nobody was started for can go as well.
  EXPECT_EQ(crew_size(-1, {.procs = 2, .cpus = 4, .widest = &kWide}).procs, 1U);
}

TEST(CrewSize, IsNeverAboveTheMostThereCanBe) {
  const CrewSize size = crew_size(9, {.procs = 5, .cpus = 5, .most = 8});
  EXPECT_EQ(size.procs, 8U);
  EXPECT_THAT(size.why_not, HasSubstr("8 are the most there can be"));
  EXPECT_EQ(crew_size(1, {.procs = 5, .cpus = 5, .most = 4}).procs, 5U) << "nobody goes for that";
}

TEST(CrewSize, OnlyFallsWhereNothingMoreIsStarted) {
  const CrewSize size = crew_size(1, {.procs = 2, .cpus = 2, .stopping = true});
  EXPECT_EQ(size.procs, 2U);
  EXPECT_THAT(size.why_not, HasSubstr("nothing more is started"));
  EXPECT_EQ(crew_size(-1, {.procs = 2, .cpus = 2, .stopping = true}).procs, 1U);
}

}  // namespace
}  // namespace runner::master
