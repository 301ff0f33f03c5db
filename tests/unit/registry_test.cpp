// The kinds this process knows, and plug-ins good and bad.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <runner/describe_type.hpp>
#include <runner/registry.hpp>
#include <runner/wire.hpp>
#include <string>

#include "tests/silence.hpp"

namespace runner {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& path) {
  Registry registry;
  const Result<std::string> loaded = registry.load_plugin(path);
  if (loaded) return "it was loaded";
  EXPECT_EQ(loaded.error().code, ErrorCode::bad_plugin);
  EXPECT_TRUE(registry.plugins().empty());
  return loaded.error().text;
}

TEST(Registry, ListsItsKindsByName) {
  const Registry registry;
  const std::vector<std::string_view> names = registry.names();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(registry.all().size(), names.size());
  EXPECT_EQ(registry.find("no such kind"), nullptr);
}

TEST(Registry, AddsTheKindsOfAPlugIn) {
  Registry registry;
  ASSERT_EQ(registry.find("shout"), nullptr);
  const Result<std::string> path = registry.load_plugin(RUNNER_TEST_PLUGIN);
  ASSERT_TRUE(path.has_value()) << path.error().text;
  EXPECT_TRUE(std::filesystem::path(*path).is_absolute());
  const Kind* shout = registry.find("shout");
  ASSERT_NE(shout, nullptr);
  ASSERT_EQ(shout->arguments().size(), 1U);
  const Value args{Mapping{{Scalar{"text"}, Value{Scalar{"hello"}, {}}}}, {}};
  JobContext context;
  EXPECT_EQ(shout->result_json(as_bytes(shout->call(as_bytes(shout->encode_args(args, "shout")), context))),
            R"({"loud":"HELLO"})");
}

TEST(Registry, LoadsTheSameFileOnlyOnceWhateverItIsCalled) {
  Registry registry;
  const std::string other_name = std::filesystem::path(RUNNER_TEST_PLUGIN).parent_path().string() + "/./" +
                                 std::filesystem::path(RUNNER_TEST_PLUGIN).filename().string();
  ASSERT_TRUE(registry.load_plugin(RUNNER_TEST_PLUGIN).has_value());
  const Result<std::string> again = registry.load_plugin(other_name);
  ASSERT_TRUE(again.has_value()) << again.error().text;
  EXPECT_EQ(registry.plugins().size(), 1U);
}

TEST(Registry, RefusesAKindThatExistsAlready) {
  Registry registry;
  ASSERT_TRUE(registry.load_plugin(RUNNER_TEST_PLUGIN).has_value());
  const std::string copy = testing::TempDir() + "runner-registry-" + std::to_string(::getpid()) + ".so";
  std::filesystem::copy_file(RUNNER_TEST_PLUGIN, copy, std::filesystem::copy_options::overwrite_existing);
  const Result<std::string> second = registry.load_plugin(copy);
  std::filesystem::remove(copy);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().text, HasSubstr("`given`, which exists already"));
}

TEST(Registry, SaysWhatIsWrongWithAFileThatIsNoPlugInOfOurs) {
  const Silence silence;
  EXPECT_THAT(refusal("/no/such/plugin.so"), HasSubstr("`/no/such/plugin.so` cannot be opened"));
  EXPECT_THAT(refusal("/tmp"), HasSubstr("cannot be loaded"));
  EXPECT_THAT(refusal(RUNNER_FOREIGN_LIBRARY), HasSubstr("no runner plug-in"));
  EXPECT_THAT(refusal(RUNNER_STALE_PLUGIN), HasSubstr("was built for another version"));
  const std::string text = testing::TempDir() + "runner-registry-" + std::to_string(::getpid()) + ".txt";
  std::ofstream(text) << "not a library\n";
  EXPECT_THAT(refusal(text), HasSubstr("cannot be loaded"));
  std::filesystem::remove(text);
}

}  // namespace
}  // namespace runner
