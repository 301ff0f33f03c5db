#include "master/pool/typical_time.hpp"

#include <gtest/gtest.h>

namespace runner::master {
namespace {

TEST(TypicalTime, IsUnknownBeforeTheFirstMeasurement) { EXPECT_FALSE(TypicalTime().ns().has_value()); }

TEST(TypicalTime, IsTheFirstMeasurementAfterIt) {
  TypicalTime time;
  time.measured(40);
  EXPECT_EQ(time.ns(), 40);
}

TEST(TypicalTime, IgnoresOneThatIsFarOut) {
  TypicalTime time;
  for (int i = 0; i < 10; ++i) time.measured(40);
  time.measured(3e6);
  time.measured(40);
  time.measured(0);
  time.measured(40);
  EXPECT_EQ(time.ns(), 40);
}

TEST(TypicalTime, FollowsAChangeFromItsSecondMeasurementOn) {
  TypicalTime time;
  for (int i = 0; i < 10; ++i) time.measured(40);
  time.measured(840);
  EXPECT_EQ(time.ns(), 40);
  time.measured(840);
  EXPECT_EQ(time.ns(), 140);
  for (int i = 0; i < 100; ++i) time.measured(840);
  EXPECT_NEAR(*time.ns(), 840, 1);
}

}  // namespace
}  // namespace runner::master
