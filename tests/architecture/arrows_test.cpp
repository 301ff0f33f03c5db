// The folder list is the architecture:
//
//   jobs <- ipc <- worker <- master <- report        jobs <- config        everything <- cli
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "tests/architecture/source_tree.hpp"

namespace runner::architecture {
namespace {

const std::map<std::string, std::set<std::string>> kMayInclude{
    {"jobs", {}},
    {"ipc", {"jobs"}},
    {"worker", {"jobs", "ipc"}},
    {"master", {"jobs", "ipc"}},  // and two headers of worker, below
    {"report", {"jobs", "ipc", "master"}},
    {"config", {"jobs"}},
    {"cli", {"jobs", "ipc", "worker", "master", "report", "config"}},
};
// An in-process engine runs a job with the executor; a forked worker enters serve.
const std::set<std::string> kOfWorkerInMaster{"worker/executor.hpp", "worker/serve.hpp"};

const std::set<std::string> kPublicOfMaster{"runner/future.hpp", "runner/pool_work.hpp", "runner/process_pool.hpp"};

// The folder of this project that a name belongs to; empty: a library's.
std::string owner(const std::string& name) {
  if (kPublicOfMaster.contains(name)) return "master";
  if (name.starts_with("runner/")) return "jobs";
  const std::string first = name.substr(0, name.find('/'));
  return kMayInclude.contains(first) ? first : "";
}

TEST(Arrows, AreObeyedByEveryInclude) {
  ASSERT_GT(sources().size(), 50U);
  for (const Source& source : sources()) {
    for (const std::string& name : includes(source)) {
      const std::string to = owner(name);
      if (to.empty() || to == source.folder || kMayInclude.at(source.folder).contains(to)) continue;
      EXPECT_TRUE(source.folder == "master" && kOfWorkerInMaster.contains(name)) << source.path << " may not include " << name;
    }
  }
}

TEST(Arrows, FromMasterToWorkerAreTwoHeadersAndBothAreUsed) {
  std::set<std::string> used;
  for (const Source& source : sources()) {
    if (source.folder != "master") continue;
    for (const std::string& name : includes(source)) {
      if (owner(name) == "worker") used.insert(name);
    }
  }
  EXPECT_EQ(used, kOfWorkerInMaster);
}

TEST(Arrows, OfAHeaderNameTheProjectsTopOrThePublicFolder) {
  for (const Source& source : sources()) {
    for (const std::string& name : includes(source)) {
      EXPECT_EQ(name.find("../"), std::string::npos) << source.path << " includes " << name;
    }
  }
}

TEST(Printing, IsDoneByReportAndCliOnly) {
  // The program runner-worker says how it is to be started when a person starts it by hand.
  const std::set<std::string> excepted{"worker/main.cpp"};
  for (const Source& source : sources()) {
    if (source.folder == "report" || source.folder == "cli" || excepted.contains(source.path)) continue;
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      for (const char* word : {"std::cout", "std::cerr", "printf(", "fmt::print", "puts(", "std::clog", "perror("}) {
        EXPECT_EQ(source.lines[i].find(word), std::string::npos) << source.path << ":" << i + 1 << " prints with " << word;
      }
    }
  }
}

TEST(Jobs, ReadFilesAndClocksInKindsOnly) {
  for (const Source& source : sources()) {
    if (source.folder != "jobs" || source.path.starts_with("jobs/kinds/")) continue;
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      for (const char* word : {"::now()", "ifstream", "ofstream", "::open(", "fopen(", "clock_gettime"}) {
        EXPECT_EQ(source.lines[i].find(word), std::string::npos) << source.path << ":" << i + 1;
      }
    }
  }
}

TEST(Errors, AreNeverToldApartByTheirText) {
  for (const Source& source : sources()) {
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      for (const char* word : {"error().text ==", "error.text.find(", "error().text.find(", "what() ==", "strstr("}) {
        EXPECT_EQ(source.lines[i].find(word), std::string::npos) << source.path << ":" << i + 1;
      }
    }
  }
}

}  // namespace
}  // namespace runner::architecture
