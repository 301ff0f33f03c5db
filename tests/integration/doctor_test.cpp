// `runner doctor`, as a person and as a program read it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/integration/limits.hpp"
#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(Doctor, FitsATerminalOf80ColumnsAndSaysWhatWouldBeUsedAndWhy) {
  const Folder folder;
  const Ended ended = folder.run({"doctor"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.err, IsEmpty());
  std::istringstream lines(ended.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  for (const char* about :
       {"CPUs", "topology", "memory", "limits", "cgroups", "filters", "a run uses", "threads", "jobs ended"}) {
    EXPECT_THAT(ended.out, HasSubstr(std::string("\n") + about + " ")) << about;
  }
}

TEST(Doctor, TellsAProgramTheSame) {
  const Folder folder;
  const Ended ended = folder.run_other(
      {"env", "-u", "OMP_NUM_THREADS", "MKL_NUM_THREADS=3", words({}).front(), "doctor", "--json", "--procs", "7"});
  const nlohmann::json found = nlohmann::json::parse(ended.out);
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  EXPECT_EQ(found.at("cpus").at("affinity").size(), static_cast<std::size_t>(CPU_COUNT(&allowed)));
  EXPECT_LE(found.at("cpus").at("usable"), CPU_COUNT(&allowed));
  EXPECT_EQ(found.at("use").at("procs"), 7);
  EXPECT_EQ(found.at("use").at("why"), "as --procs says");
  EXPECT_THAT(found.at("threads").at("kept"), Contains("MKL_NUM_THREADS"));
  EXPECT_THAT(found.at("threads").at("set"), Contains("OMP_NUM_THREADS"));
  EXPECT_GT(found.at("memory").at("total"), 0);
  for (const char* key : {"kernel", "topology", "limits", "cgroups", "seccomp", "enforcement"})
    EXPECT_TRUE(found.contains(key)) << key;
}

TEST(Doctor, SeesAnAffinityMaskALimitAndAFilter) {
  const Folder folder;
  const Ended ended = folder.run_other(words({"doctor", "--json"}), {}, [] {
    cpu_set_t one;
    CPU_ZERO(&one);
    cpu_set_t allowed;
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    std::size_t first = 0;
    while (!CPU_ISSET(first, &allowed)) ++first;
    CPU_SET(first, &one);
    ::sched_setaffinity(0, sizeof one, &one);
    limited(RLIMIT_NOFILE, 77)();
    without_call(319, EPERM)();  // memfd_create
  });
  const nlohmann::json found = nlohmann::json::parse(ended.out);
  EXPECT_EQ(found.at("cpus").at("usable"), 1);
  EXPECT_EQ(found.at("use").at("procs"), 1);
  EXPECT_EQ(found.at("limits").at("open_files").at("soft"), 77);
  EXPECT_EQ(found.at("seccomp").at("mode"), 2);
  EXPECT_THAT(found.at("seccomp").at("refused").at(0).get<std::string>(), StartsWith("memfd_create ("));
}

}  // namespace
}  // namespace runner::integration
