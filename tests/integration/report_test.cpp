// --report: pages that a real browser opens, offline, without an error, with everything drawn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using nlohmann::json;
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
  // One of the checks in page_checks.py, which drives a browser as a person would.
  [[nodiscard]] Ended checked(const std::string& check, const std::string& page) const {
    return folder_.run_other({"/usr/bin/timeout", "200", "/usr/bin/python3", "-B",
                              RUNNER_SOURCE_DIR "/tests/integration/page_checks.py", check, page});
  }
  void expect_well(const std::vector<std::string>& checks, const std::string& page) const {
    for (const std::string& check : checks) {
      const Ended ended = checked(check, page);
      EXPECT_EQ(ended.status, 0) << check << " of " << page << ": " << ended.err.substr(0, 3000);
    }
  }
  // What a person can see of the page: its text, the tables behind its charts.
  [[nodiscard]] json seen(const std::string& page) const {
    const Ended ended = checked("seen", page);
    EXPECT_EQ(ended.status, 0) << ended.err.substr(0, 3000);
    return ended.status == 0 ? json::parse(ended.out) : json();
  }
  void run_with_failures() const {
    folder_.write("jobs.yaml",
                  "version: 1\njobs:\n  - {name: spin, kind: spin, args: {duration: 2ms}, matrix: {i: 1..40}}\n"
                  "  - {name: noop, kind: noop, matrix: {i: 1..2000}}\n"
                  "  - {name: bad, shell: \"sleep 0.02; echo oops >&2; exit 3\", matrix: {i: 1..4}}\n"
                  "  - {name: seg, kind: misbehave, args: {how: segfault}, matrix: {i: 1..2}}\n");
    EXPECT_EQ(folder_.run({"--procs", "2", "--report", "run.html", "jobs.yaml"}).status, 1);
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
  expect_drawn(page, 9);
  EXPECT_THAT(page.out,
              AllOf(HasSubstr("&lt;i&gt;&amp;&lt;/script&gt;: a run of runner"), HasSubstr("timeline of jobs by worker"),
                    HasSubstr("runner replay bad-1"), HasSubstr("data-shown=\"6\">6 of 6"), HasSubstr("exit status 3")));
  page = opened(folder_, "run.html", "#filter=SEGV");
  expect_drawn(page, 9);
  EXPECT_THAT(page.out, HasSubstr("data-shown=\"2\">2 of 6")) << "filters work";
}

TEST_F(Report, CanBeReadInTheDarkOnAPhoneWithAKeyboardAndWithoutColour) {
  run_with_failures();
  expect_well({"colours", "phone", "keyboard", "legend", "copied"}, "run.html");
}

TEST_F(Report, HasATimelineToZoomWithButtonsKeysWheelAndFingers) {
  run_with_failures();
  expect_well({"timeline"}, "run.html");
}

TEST_F(Report, FiltersFailuresByStatusAndText) {
  run_with_failures();
  expect_well({"filters"}, "run.html");
}

TEST_F(Report, ShowsWhatWasNotAllowedToFailHoweverMuchElseFails) {
  folder_.write(
      "jobs.yaml",
      "version: 1\njobs:\n  - {name: may, kind: misbehave, args: {how: throw}, allow_failure: true, matrix: {i: 1..600}}\n"
      "  - {name: last, kind: misbehave, args: {how: throw}}\n");
  EXPECT_EQ(folder_.run({"--procs", "1", "--mode", "serial", "--no-store", "--report", "run.html", "jobs.yaml"}).status, 1);
  Ended page = opened(folder_, "run.html");
  EXPECT_THAT(page.out,
              AllOf(HasSubstr("500 of 601, first those that were not allowed to fail"), HasSubstr("data-shown=\"500\"")));
  EXPECT_THAT(opened(folder_, "run.html", "#filter=last").out, HasSubstr("data-shown=\"1\""));
}

// The column of a table by its title, as numbers.
double sum(const json& rows, const std::string& column) {
  double all = 0;
  for (std::size_t at = 0; at < rows.at(0).size(); ++at) {
    if (rows.at(0).at(at) != column) continue;
    for (std::size_t row = 1; row < rows.size(); ++row) all += std::stod(rows.at(row).at(at).get<std::string>());
    return all;
  }
  ADD_FAILURE() << "no column " << column << " in " << rows.at(0);
  return -1;
}

// Seconds of a time as a page writes it: "1.50 ms".
double seconds_of(const json& cell) {
  const std::string text = cell.get<std::string>();
  const std::string unit = text.substr(text.find(' ') + 1);
  const double scale = unit == "s" ? 1 : unit == "ms" ? 1e-3 : unit == "us" ? 1e-6 : 1e-9;
  return std::stod(text) * (text == "0" ? 0 : scale);
}

TEST_F(Report, HasABarOfEachWorkerWhosePartsAddUpToTheRun) {
  folder_.write("jobs.yaml",
                "version: 1\njobs: [{kind: spin, args: {duration: 2ms}, matrix: {i: 1..40}}, {kind: sleep, args: {duration: "
                "100ms}}, {kind: noop, matrix: {i: 1..2000}}]\n");
  EXPECT_EQ(folder_.run({"--procs", "3", "--report", "run.html", "--costs", "costs.json", "jobs.yaml"}).status, 0);
  const json rows = seen("run.html").at("tables").at("accounts: The numbers");
  const double wall = json::parse(folder_.read("costs.json")).at("wall_seconds");
  ASSERT_EQ(rows.size(), 1 + 3U);
  EXPECT_EQ(rows.at(0).back(), "all");
  for (std::size_t row = 1; row < rows.size(); ++row) {
    double all = 0;
    for (std::size_t at = 1; at + 1 < rows.at(row).size(); ++at) all += seconds_of(rows.at(row).at(at));
    EXPECT_NEAR(all, seconds_of(rows.at(row).back()), 0.01 * wall) << "what is written is rounded";
    EXPECT_NEAR(all, wall, 0.02 * wall + 0.01 * wall) << rows.at(row);
  }
}

TEST_F(Report, SaysOfWhatDidNotEndWellWhetherItWasAllowedAndHowItIsReplayed) {
  folder_.write("jobs.yaml",
                "version: 1\njobs: [{name: may, shell: exit 3, allow_failure: true}, {name: must, shell: exit 4}]\n");
  EXPECT_EQ(folder_.run({"--report", "run.html", "jobs.yaml"}).status, 1);
  const std::string recorded = seen("run.html").at("text");
  EXPECT_THAT(recorded, AllOf(HasSubstr("exit status 3 (allowed to fail)"), Not(HasSubstr("exit status 4 (allowed to fail)")),
                              HasSubstr("runner replay must"), HasSubstr("runner replay may")));
  EXPECT_EQ(folder_.run({"--no-store", "--report", "run.html", "jobs.yaml"}).status, 1);
  EXPECT_THAT(
      seen("run.html").at("text").get<std::string>(),
      AllOf(HasSubstr("The run was not recorded, so there are no lines that replay these."), Not(HasSubstr("runner replay"))));
}

TEST_F(Report, HasHistogramsOfJobTimesAndOfEachSpan) {
  folder_.write(
      "jobs.yaml",
      "version: 1\njobs: [{kind: spin, args: {duration: 1ms}, matrix: {i: 1..30}}, {kind: spin, args: {duration: 40ms}, "
      "matrix: {i: 1..10}}]\n");
  EXPECT_EQ(folder_.run({"--procs", "2", "--report", "run.html", "--costs", "costs.json", "jobs.yaml"}).status, 0);
  const json page = seen("run.html");
  EXPECT_THAT(page.at("charts"), testing::Contains("histogram of the jobs' times, logarithmic"));
  const json& jobs = page.at("tables").at("job-times: The numbers");
  EXPECT_EQ(sum(jobs, "jobs"), 40);
  // Nobody is faster than that; how much slower, the machine decides.
  std::size_t short_of_40 = 0;
  for (std::size_t row = 1; row < jobs.size(); ++row) {
    const std::string from = jobs.at(row).at(0), to = jobs.at(row).at(1);
    EXPECT_THAT(from, testing::HasSubstr("ms")) << "nothing is shorter than its spin";
    if (std::stod(to) < 40) short_of_40 += std::stoul(jobs.at(row).at(2).get<std::string>());
  }
  EXPECT_LE(short_of_40, 30U);
  const json spans = json::parse(folder_.read("costs.json")).at("spans");
  json counts = json::object();
  const json& bars = page.at("tables").at("spans: The bars");
  for (std::size_t row = 1; row < bars.size(); ++row) {
    json& count = counts[bars.at(row).at(0).get<std::string>()];
    count = (count.is_null() ? 0 : count.get<int>()) + std::stoi(bars.at(row).at(3).get<std::string>());
  }
  for (const char* span : {"queue_wait", "serialize", "transport", "wake_up", "deserialize", "answer", "collect"}) {
    if (spans.at(span).at("max") == 0) continue;
    EXPECT_THAT(page.at("charts"), testing::Contains("histogram of " + std::string(span) + ", logarithmic"));
    EXPECT_GT(counts.value(span, 0), 0) << span;
    EXPECT_LE(counts.value(span, 0), spans.at(span).at("count")) << span;
  }
  EXPECT_EQ(counts.at("collect"), 40) << "there is no reply that takes no time";
}

TEST_F(Report, SaysHowManyWorkersAreDrawnAndHasAllInItsTable) {
  folder_.write("jobs.yaml", "version: 1\njobs: [{kind: sleep, args: {duration: 5ms}, matrix: {i: 1..700}}]\n");
  EXPECT_EQ(folder_.run({"--procs", "70", "--mode", "async", "--report", "run.html", "jobs.yaml"}).status, 0);
  const json page = seen("run.html");
  EXPECT_THAT(page.at("text").get<std::string>(), HasSubstr("64 of 70 workers are drawn; the table has all."));
  EXPECT_EQ(page.at("tables").at("accounts: The numbers").size(), 1 + 70);
  EXPECT_EQ(page.at("tables").at("timeline: The 700 jobs").size(), 1 + 700);
  std::set<std::string> workers;
  for (const json& row : page.at("tables").at("timeline: The 700 jobs")) workers.insert(row.at(0));
  EXPECT_EQ(workers.size(), 1 + 70U);
}

TEST_F(Report, HasTheCommandLineAsItCanBePasted) {
  folder_.write("it's jobs.yaml", "version: 1\njobs: [{kind: noop}]\n");
  EXPECT_EQ(folder_.run({"--no-store", "--report", "a report.html", "it's jobs.yaml"}).status, 0);
  const std::string line = seen("a report.html").at("command");
  EXPECT_THAT(line, testing::EndsWith(R"( --no-store --report 'a report.html' 'it'\''s jobs.yaml')"));
  std::filesystem::remove(folder_.path() / "a report.html");
  EXPECT_EQ(folder_.run_other({"/bin/sh", "-c", line}).status, 0);
  EXPECT_TRUE(folder_.exists("a report.html"));
}

TEST_F(Report, OfAMillionJobsIsSmallAndOpens) {
  folder_.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..1000000}}]\n");
  const Ended ended =
      folder_.run_other({"/bin/sh", "-c", "'" + words({})[0] + "' --no-store --report run.html jobs.yaml > /dev/null"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_LT(std::filesystem::file_size(folder_.path() / "run.html"), std::uintmax_t{5} << 20);
  const Ended page = opened(folder_, "run.html");
  expect_drawn(page, 9);
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
  expect_drawn(page, 9);
  EXPECT_THAT(page.out, HasSubstr("data-shown=\"0\">0 of 500"));
}

TEST_F(Report, OfNothingIsAPageToo) {
  folder_.write("rows", "");
  folder_.write("jobs.yaml", "version: 1\njobs: [{shell: \"true ${{ l }}\", matrix: {l: {lines: rows}}}]\n");
  EXPECT_EQ(folder_.run({"--report", "run.html", "jobs.yaml"}).status, 0);
  EXPECT_THAT(opened(folder_, "run.html").out, AllOf(HasSubstr("data-ready=\"yes\""), HasSubstr("No job was begun.")));
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
  for (const char* mode : {"threads", "processes/shm"}) {
    EXPECT_THAT(compared.out, testing::AnyOf(HasSubstr("METG(50 %) of " + std::string(mode) + ": "),
                                             ContainsRegex("not reached by [a-z/, ]*" + std::string(mode))));
  }
  EXPECT_THAT(compared.out, testing::AnyOf(HasSubstr(">break-even: "), HasSubstr("No break-even is marked")));
  EXPECT_EQ(folder_.run({"bench", "ipc", "--quick", "--sizes", "8,1KiB", "--report", "bench.html"}).status, 0);
  const Ended mechanisms = opened(folder_, "bench.html");
  EXPECT_THAT(mechanisms.out, AllOf(HasSubstr("data-ready=\"yes\""), HasSubstr("Throughput"), Not(HasSubstr("data-error="))));
  EXPECT_THAT(mechanisms.err, Not(HasSubstr("CONSOLE")));
  for (const char* page : {"compare.html", "bench.html"}) {
    expect_well({"colours", "phone", "keyboard", "legend", "copied"}, page);
  }
  const json bench = seen("bench.html");
  EXPECT_THAT(bench.at("charts"), testing::Contains("p50 to p99 of single messages by mechanism"));
  EXPECT_THAT(bench.at("charts"), testing::Contains("throughput over the number of workers"));
  EXPECT_THAT(bench.at("text").get<std::string>(), HasSubstr("8 B there and back, same core, the fastest first: "));
  EXPECT_THAT(bench.at("tables").at("Throughput: The numbers").at(1).at(2).get<std::string>(), testing::EndsWith("B/s"));
  const json& rows = bench.at("tables").at("Round trips, same core: The numbers");
  EXPECT_EQ(rows.at(0), json({"mechanism", "payload", "median", "min", "max", "p50", "p90", "p99", "p99.9"}));
  ASSERT_GT(rows.size(), 2U);
  for (std::size_t row = 1; row < rows.size(); ++row)
    EXPECT_THAT(rows.at(row).at(7).get<std::string>(), testing::EndsWith("s"));
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
