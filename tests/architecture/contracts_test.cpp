// Headers are contracts, and compile alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/architecture/source_tree.hpp"

namespace runner::architecture {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(std::filesystem::path(RUNNER_SOURCE_DIR) / path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Headers, BeginWithTheirNameAndWhatTheyAre) {
  for (const Source& source : sources()) {
    if (!source.header()) continue;
    const std::string name = std::filesystem::path(source.path).filename().string();
    ASSERT_FALSE(source.lines.empty()) << source.path;
    EXPECT_TRUE(source.lines[0].starts_with("// " + name + " - ")) << source.path << " begins with: " << source.lines[0];
  }
}

TEST(Headers, AreIncludedFirstByTheirOwnSource) {
  // So that each is compiled at least once with nothing before it.
  std::set<std::string> paths;
  for (const Source& source : sources()) paths.insert(source.path);
  for (const Source& source : sources()) {
    if (source.header()) continue;
    std::string own = source.path.substr(0, source.path.size() - 4) + ".hpp";
    std::string spelled = own;
    if (source.folder == "jobs" && !source.path.starts_with("jobs/kinds/")) {
      spelled = "runner/" + std::filesystem::path(own).filename().string();
      own = "jobs/include/" + spelled;
    }
    if (!paths.contains(own)) continue;
    ASSERT_FALSE(includes(source).empty()) << source.path;
    EXPECT_EQ(includes(source).front(), spelled) << source.path;
  }
}

TEST(Folders, OfTheHouseAllExist) {
  for (const char* folder : {"jobs", "ipc", "worker", "master", "master/engines", "config", "report", "cli", "tests", "bench",
                             "examples", "docs", "docs/decisions"}) {
    EXPECT_TRUE(std::filesystem::is_directory(std::filesystem::path(RUNNER_SOURCE_DIR) / folder)) << folder;
  }
}

TEST(Folders, AreNeverCalledAfterNothing) {
  for (const Source& source : sources()) {
    for (const char* word : {"util", "common", "helper", "misc"})
      EXPECT_EQ(source.path.find(word), std::string::npos) << source.path;
  }
}

TEST(Pages, ThatTheProjectLivesByAreThere) {
  for (const char* page : {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/architecture.md",
                           "docs/shm-layout.md", "docs/failure-model.md"}) {
    EXPECT_FALSE(text_of(page).empty()) << page;
  }
}

TEST(Packages, EachHaveALineOfReason) {
  for (const char* list : {"scripts/packages.txt", "scripts/packages-extra.txt"}) {
    std::istringstream lines(text_of(list));
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line.starts_with('#')) continue;
      std::istringstream words(line);
      std::string name, reason;
      words >> name >> reason;
      EXPECT_FALSE(reason.empty()) << list << ": " << name;
    }
  }
}

}  // namespace
}  // namespace runner::architecture
