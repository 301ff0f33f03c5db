// What running jobs occupy, and what is held for those that wait.
#include <gtest/gtest.h>

#include "master/occupancy.hpp"

namespace runner::master {
namespace {

constexpr std::uint32_t kPlain = 0, kLicense = 1, kBig = 2, kBoth = 3;

class Four : public testing::Test {
 protected:
  // Asks all of them in one look; the answers as a text of 0 and 1.
  std::string fit(std::initializer_list<std::uint32_t> wanted) {
    occupancy.look();
    std::string answers;
    for (const std::uint32_t demand : wanted) answers += occupancy.fits(demand) ? '1' : '0';
    return answers;
  }
  const std::vector<Resource> resources{{"license", 2}, {"disk", 1}};
  const std::vector<Demand> demands{{}, {1, {1, 0}, {}}, {4, {}, {}}, {3, {2, 1}, {}}};
  Occupancy occupancy{4, resources, demands};
};

TEST_F(Four, LetsPlainJobsQueueBeyondTheProcessorsAsLongAsNobodyCounts) {
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(fit({kPlain}), "1");
    occupancy.take(kPlain);
  }
  EXPECT_EQ(fit({kBig, kPlain}), "00") << "they would keep the big one from ever starting";
  for (int i = 0; i < 9; ++i) occupancy.give(kPlain);
  EXPECT_EQ(fit({kBig}), "1");
}

TEST_F(Four, CountsPlainJobsWhereNoneMayLieBehindAnother) {
  for (int i = 0; i < 4; ++i) occupancy.take(kPlain);
  occupancy.look(true);
  EXPECT_FALSE(occupancy.fits(kPlain));
  EXPECT_EQ(fit({kPlain}), "1");
}

TEST_F(Four, CountsPlainJobsBesideOneThatTakesMore) {
  occupancy.take(kBoth);
  EXPECT_EQ(fit({kPlain}), "1");
  occupancy.take(kPlain);
  EXPECT_EQ(fit({kPlain}), "0");
}

TEST_F(Four, NeverGivesMoreOfAResourceThanThereIs) {
  occupancy.take(kLicense);
  EXPECT_EQ(fit({kLicense}), "1");
  occupancy.take(kLicense);
  EXPECT_EQ(fit({kLicense}), "0");
  occupancy.give(kLicense);
  EXPECT_EQ(fit({kLicense}), "1");
}

TEST_F(Four, LetsOthersPassAJobThatLacksAResourceButNotToTakeIt) {
  occupancy.take(kLicense);
  // Two licenses and three processors are wanted; one license is free, and stays so.
  EXPECT_EQ(fit({kBoth, kLicense, kPlain}), "001");
  EXPECT_FALSE(occupancy.closed());
}

TEST_F(Four, HoldsProcessorsForAJobThatLacksNothingElse) {
  occupancy.take(kLicense);
  EXPECT_EQ(fit({kBig, kPlain}), "00");
  EXPECT_TRUE(occupancy.closed());
  EXPECT_EQ(fit({kPlain, kBig}), "10") << "what goes before it is not held up";
}

TEST(NeverToBeHad, NamesTheJobThatWantsMoreProcessorsThanThereAre) {
  const std::vector<Demand> demands{{}, {4, {}, "jobs.yaml:7:11: this job"}};
  EXPECT_FALSE(never_to_be_had(demands, 4));
  EXPECT_EQ(
      never_to_be_had(demands, 3),
      "jobs.yaml:7:11: this job needs 4 CPUs, and no more than 3 places are there, so it could never start; give --procs 4 or "
      "more, or the job fewer `cpus`");
}

}  // namespace
}  // namespace runner::master
