// `runner bench ipc`: the mechanisms side by side, for people and for programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(BenchIpc, MeasuresEveryMechanismBothWaysAndCleansUp) {
  const Folder folder;
  const Ended ended = folder.run({"bench", "ipc", "--quick", "--sizes", "16..128", "--json", "b.json"});
  ASSERT_EQ(ended.status, 0) << ended.err << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("round trip, same core"));
  const nlohmann::json document = nlohmann::json::parse(folder.read("b.json"));
  EXPECT_TRUE(document.at("machine").contains("cpu"));
  std::set<std::string> mechanisms;
  std::set<int> sizes;
  for (const nlohmann::json& result : document.at("results")) {
    mechanisms.insert(result.at("mechanism"));
    sizes.insert(result.at("bytes").get<int>());
    EXPECT_GT(result.at("median_s"), 0) << result;
    if (result.at("what") != "round trip") continue;
    const nlohmann::json& percentiles = result.at("percentiles_s");
    EXPECT_LE(percentiles.at("p50"), percentiles.at("p90")) << result;
    EXPECT_LE(percentiles.at("p90"), percentiles.at("p99")) << result;
  }
  EXPECT_EQ(sizes, (std::set<int>{16, 128}));
  for (const char* mechanism : {"cache line, spinning", "our channel, spinning", "our channel, sleeping", "pipe", "Unix socket",
                                "futex, sleeping", "eventfd pair"}) {
    EXPECT_TRUE(mechanisms.contains(mechanism)) << mechanism;
  }
  // A container may have none of these; then a remark says why.
  for (const char* mechanism : {"POSIX mq", "Boost message_queue"}) {
    EXPECT_TRUE(mechanisms.contains(mechanism) || document.at("remarks").dump().find(mechanism) != std::string::npos)
        << mechanism;
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(BenchIpc, RefusesWhatItCannotMeasure) {
  const Folder folder;
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& why) {
    const Ended ended = folder.run(arguments);
    EXPECT_EQ(ended.status, 2);
    EXPECT_THAT(ended.err, HasSubstr(why));
  };
  refused({"bench"}, "bench what? There is `runner bench ipc`");
  refused({"bench", "ips"}, "there is no bench `ips`");
  refused({"bench", "ipc", "--sizes", "7"}, "`7` cannot be measured: a size is a multiple of 8");
  refused({"bench", "ipc", "--sizes", "64..8"}, "`64..8` ends before it begins");
  refused({"bench", "ipc", "--sizes", "8,,16"}, "--sizes");
  const Ended unwritable = folder.run({"bench", "ipc", "--quick", "--json", "no/such.json"});
  EXPECT_EQ(unwritable.status, 2);
  EXPECT_THAT(unwritable.err, testing::AllOf(StartsWith("runner: "), HasSubstr("no/such.json")));
}

}  // namespace
}  // namespace runner::integration
