// --report: pages that a real browser opens, offline, without an error, with everything drawn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kBrowser = "/usr/bin/chromium";

// What the page has become once its scripts ran; on standard error what they complained of.
Ended opened(const Folder& folder, const std::string& page, const std::string& hash = {}) {
  return folder.run_other({"/usr/bin/timeout", "100", kBrowser, "--headless", "--no-sandbox", "--disable-gpu",
                           "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
                           "--v=0", "--virtual-time-budget=10000", "--user-data-dir=" + (folder.path() / "browser").string(),
                           "--window-size=1280,2000", "--dump-dom", "file://" + (folder.path() / page).string() + hash});
}

void expect_drawn(const Ended& page, int charts) {
  EXPECT_THAT(page.out, HasSubstr("data-ready=\"yes\""));
  EXPECT_THAT(page.out, HasSubstr("data-charts=\"" + std::to_string(charts) + "\""));
  EXPECT_THAT(page.out, Not(HasSubstr("data-error=")));
  EXPECT_THAT(page.err, Not(HasSubstr("CONSOLE"))) << "what a person would see in the browser's console";
}

class Report : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kBrowser)) GTEST_SKIP() << "no browser: " << kBrowser << " is not installed";
  }
  Folder folder_;
};

TEST_F(Report, OfARunOpensInABrowserWithEverythingDrawnAndNothingFromOutside) {
  folder_.write(
      "jobs.yaml",
      "version: 1\nname: \"<i>&</script>\"\njobs:\n  - {name: spin, kind: spin, args: {duration: 2ms}, matrix: {i: 1..40}}\n"
      "  - {name: bad, shell: \"printf '</script><b>\\\\377oops' >&2; exit 3\", matrix: {i: 1..4}}\n"
      "  - {name: seg, kind: misbehave, args: {how: segfault}, matrix: {i: 1..2}}\n");
  EXPECT_EQ(folder_.run({"--procs", "2", "--report", "run.html", "jobs.yaml"}).status, 1);
  const std::string html = folder_.read("run.html");
  EXPECT_THAT(html, Not(ContainsRegex("(src|href)=\"?http")));
  Ended page = opened(folder_, "run.html");
  expect_drawn(page, 2);
  EXPECT_THAT(page.out,
              AllOf(HasSubstr("&lt;i&gt;&amp;&lt;/script&gt;: a run of runner"), HasSubstr("timeline of jobs by worker"),
                    HasSubstr("runner replay bad-1"), HasSubstr("data-shown=\"6\">6 of 6"), HasSubstr("exit status 3")));
  page = opened(folder_, "run.html", "#filter=SEGV");
  expect_drawn(page, 2);
  EXPECT_THAT(page.out, HasSubstr("data-shown=\"2\">2 of 6")) << "filters work";
}

TEST_F(Report, OfAMillionJobsIsSmallAndOpens) {
  folder_.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..1000000}}]\n");
  const Ended ended =
      folder_.run_other({"/bin/sh", "-c", "'" + words({})[0] + "' --no-store --report run.html jobs.yaml > /dev/null"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_LT(std::filesystem::file_size(folder_.path() / "run.html"), std::uintmax_t{5} << 20);
  const Ended page = opened(folder_, "run.html");
  expect_drawn(page, 2);
  EXPECT_THAT(page.out, AllOf(HasSubstr("Every job ended well."), HasSubstr("jobs is shown")));
}

TEST_F(Report, StaysSmallWhateverJobsAreCalledAndSay) {
  folder_.write("jobs.yaml",
                "version: 1\njobs: [{name: \"" + std::string(3000, 'n') +
                    "\", shell: \"head -c 300000 /dev/zero | tr '\\\\0' '<' >&2; exit 1\", matrix: {i: 1..600}}]\n");
  EXPECT_EQ(
      folder_.run_other({"/bin/sh", "-c", "'" + words({})[0] + "' --no-store --report run.html jobs.yaml > /dev/null 2>&1"})
          .status,
      1);
  EXPECT_LT(std::filesystem::file_size(folder_.path() / "run.html"), std::uintmax_t{5} << 20);
  const Ended page = opened(folder_, "run.html", "#filter=100%");
  expect_drawn(page, 2);
  EXPECT_THAT(page.out, HasSubstr("data-shown=\"0\">0 of 500"));
}

TEST_F(Report, OfNothingIsAPageToo) {
  folder_.write("rows", "");
  folder_.write("jobs.yaml", "version: 1\njobs: [{shell: \"true ${{ l }}\", matrix: {l: {lines: rows}}}]\n");
  EXPECT_EQ(folder_.run({"--report", "run.html", "jobs.yaml"}).status, 0);
  EXPECT_THAT(opened(folder_, "run.html").out, HasSubstr("data-ready=\"yes\""));
}

TEST_F(Report, OfAComparisonAndOfMechanismsOpenToo) {
  folder_.write("jobs.yaml", "version: 1\njobs: [{kind: spin, args: {duration: 100us}, matrix: {i: 1..50}}]\n");
  EXPECT_EQ(folder_
                .run({"compare", "--repeat", "1", "--sweep", "1s", "--procs", "2", "--modes", "threads,processes/shm",
                      "--report", "compare.html", "jobs.yaml"})
                .status,
            0);
  const Ended compared = opened(folder_, "compare.html");
  expect_drawn(compared, 3);
  EXPECT_THAT(compared.out, HasSubstr("efficiency over the length of a job"));
  EXPECT_EQ(folder_.run({"bench", "ipc", "--quick", "--sizes", "16,128", "--report", "bench.html"}).status, 0);
  const Ended mechanisms = opened(folder_, "bench.html");
  EXPECT_THAT(mechanisms.out, AllOf(HasSubstr("data-ready=\"yes\""), HasSubstr("Throughput"), Not(HasSubstr("data-error="))));
  EXPECT_THAT(mechanisms.err, Not(HasSubstr("CONSOLE")));
}

TEST(ReportPath, ThatCannotBeWrittenIsRefusedBeforeAnythingRuns) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{shell: touch ran}]\n");
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"--report", "no/such.html", "jobs.yaml"},
                                             {"compare", "--report", "no/such.html", "jobs.yaml"},
                                             {"bench", "ipc", "--report", "no/such.html"}}) {
    const Ended ended = folder.run(command);
    EXPECT_EQ(ended.status, 2);
    EXPECT_THAT(ended.err, AllOf(testing::StartsWith("runner: "), HasSubstr("no/such.html")));
  }
  EXPECT_EQ(folder.run({"--ledger", "off", "--report", "r.html", "jobs.yaml"}).status, 2);
  EXPECT_EQ(folder.run({"--report", "", "jobs.yaml"}).status, 2);
  EXPECT_FALSE(folder.exists("ran"));
}

}  // namespace
}  // namespace runner::integration
