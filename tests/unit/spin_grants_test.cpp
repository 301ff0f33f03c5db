#include "master/engines/spin_grants.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::master {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::uint32_t> granted(const SpinGrants& grants, std::uint32_t workers) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t worker = 0; worker < workers; ++worker) {
    if (grants.granted(worker)) all.push_back(worker);
  }
  return all;
}
void do_something(SpinGrants& grants, std::uint32_t worker) {
  static_cast<void>(grants.set_busy(worker, true));
  static_cast<void>(grants.set_busy(worker, false));
}

TEST(SpinGrants, AreForNobodyUnderAQuota) {
  SpinGrants grants(0, 4);
  for (std::uint32_t worker = 0; worker < 4; ++worker) EXPECT_THAT(grants.set_busy(worker, true), IsEmpty());
  for (std::uint32_t worker = 0; worker < 4; ++worker) EXPECT_THAT(grants.set_busy(worker, false), IsEmpty());
  EXPECT_THAT(granted(grants, 4), IsEmpty());
  EXPECT_FALSE(grants.master_may_look());
}

TEST(SpinGrants, AreForOneWorkerWhereTheMasterHasTheOtherProcessor) {
  SpinGrants grants(2, 8);
  do_something(grants, 3);
  EXPECT_THAT(granted(grants, 8), ElementsAre(3));
  do_something(grants, 5);
  EXPECT_THAT(granted(grants, 8), ElementsAre(5)) << "the one that had something last";
}

TEST(SpinGrants, EndWhenTheProcessorsAreBusy) {
  SpinGrants grants(2, 8);
  do_something(grants, 0);
  EXPECT_THAT(grants.set_busy(1, true), testing::UnorderedElementsAre(0U, 1U)) << "it may look when it is done, and 0 no more";
  EXPECT_THAT(granted(grants, 8), ElementsAre(1));
  EXPECT_TRUE(grants.master_may_look());
  static_cast<void>(grants.set_busy(2, true));
  EXPECT_THAT(granted(grants, 8), IsEmpty()) << "three runnable already on two processors";
  EXPECT_FALSE(grants.master_may_look());
}

TEST(SpinGrants, AreForTwoWorkersAtMost) {
  SpinGrants grants(64, 8);
  for (std::uint32_t worker = 0; worker < 8; ++worker) do_something(grants, worker);
  EXPECT_THAT(granted(grants, 8), ElementsAre(6, 7));
}

TEST(SpinGrants, AreToldOnlyWhereTheyChange) {
  SpinGrants grants(64, 2);
  EXPECT_THAT(grants.set_busy(0, true), ElementsAre(0));
  EXPECT_THAT(grants.set_busy(0, true), IsEmpty());
  EXPECT_THAT(grants.set_busy(0, false), IsEmpty());
}

}  // namespace
}  // namespace runner::master
