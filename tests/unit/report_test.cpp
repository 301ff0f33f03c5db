// What a run leaves behind: records in files, lines on standard output.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include <runner/job.hpp>
#include "ipc/os.hpp"
#include "report/job_printer.hpp"
#include "report/json_text.hpp"
#include "report/kinds_table.hpp"
#include "report/printable.hpp"
#include "report/results_file.hpp"
#include "tests/unit/records.hpp"

namespace runner::report {
namespace {

using test::captured;
using test::command;
using test::content;
using test::Ended;
using test::typed;
using Json = nlohmann::json;

struct PointArgs {
  std::uint64_t across{};
  std::string colour;
  template <class A>
  void serialize(A& a) {
    a(arg("across", across, "how far to the right").unit("mm").range(1, 9));
    a(arg("colour", colour, "of the point").or_default("red").one_of({"red", "green"}));
  }
};
struct Point {
  std::uint64_t x{};
  std::string text;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(x), CEREAL_NVP(text));
  }
};
Point make_point(const PointArgs& args, JobContext&) { return {args.across, args.colour}; }

}  // namespace

RUNNER_JOB("report_point", make_point, "Makes a point.")

namespace {

std::string base64(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string seconds_text(std::int64_t ns) {
  std::string out;
  append_seconds(out, Duration(ns));
  return out;
}

TEST(JsonText, IsReadBackByAnotherReader) {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  all += "é€漢😀";
  EXPECT_EQ(Json::parse(json_string(all)).get<std::string>(), all);
  EXPECT_EQ(Json::parse(json_string("a\xff\xc3(")).get<std::string>(), "a\uFFFD\uFFFD(");
}

TEST(JsonText, WritesTheExamplesOfTheStandardForBase64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

TEST(JsonText, WritesSecondsExactly) {
  EXPECT_EQ(seconds_text(0), "0");
  EXPECT_EQ(seconds_text(41), "0.000000041");
  EXPECT_EQ(seconds_text(1'250'000'000), "1.25");
  EXPECT_EQ(seconds_text(60'000'000'000), "60");
  EXPECT_EQ(seconds_text(-5), "0");
}

TEST(Printable, ShowsWhatWouldMoveTheCursor) {
  EXPECT_EQ(printable("a\nb\x1b[2J\xff"), "a\\nb\\x1b[2J\\xff");
  EXPECT_EQ(printable("\xc2\x9b"), "\\u{9b}");            // CSI as one character
  EXPECT_EQ(printable("x\xe2\x80\xaey"), "x\\u{202e}y");  // right-to-left override
  EXPECT_EQ(printable("größe 漢字"), "größe 漢字");
}

TEST(Printable, CountsColumnsAndCutsToThem) {
  EXPECT_EQ(columns_of(std::string_view("größe")), 5U);
  EXPECT_EQ(columns_of(std::string_view("漢字")), 4U);
  EXPECT_EQ(columns_of(std::string_view("e\u0301")), 1U);
  EXPECT_EQ(fit("short", 10), "short");
  EXPECT_EQ(fit("0123456789x", 10), "012345678…");
  EXPECT_EQ(fit("漢字漢字", 6), "漢字…");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'234'567), "1 234 567");
}

class Results : public ::testing::Test {
 protected:
  std::unique_ptr<ResultsFile> open(const std::string& name) {
    Result<std::unique_ptr<ResultsFile>> opened = ResultsFile::open(path(name), texts_);
    EXPECT_TRUE(opened) << opened.error().text;
    EXPECT_TRUE((*opened)->started({}));
    return std::move(*opened);
  }
  std::string path(const std::string& name) const { return folder_.file(name); }
  static std::vector<Json> lines(const std::string& path) {
    std::istringstream file(content(path));
    std::vector<Json> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  static void write(ResultsFile& file, const Ended& ended) {
    const Result<void> written = file.ended(ended.record());
    EXPECT_TRUE(written) << written.error().text;
  }

  test::TempFolder folder_;
  Registry registry_;
  ResultText texts_{registry_};
};

TEST_F(Results, HoldTheFieldsThatApplyAndNoOthers) {
  auto file = open("out.jsonl");
  write(*file, typed(0, "point", "report_point", to_wire(Point{7, "seven"})));
  write(*file, command(1, "list \"it\"", "one\ntwo\n", "warned", 0));
  Ended crashed = typed(2, "boom", "report_point");
  crashed.outcome.ending = Crashed{SIGSEGV, ""};
  crashed.attempts = Attempt{3};
  write(*file, crashed);
  Ended late = command(3, "late");
  late.outcome.ending = TimedOut{std::chrono::seconds(2), {}};
  late.outcome.exit_code.reset();
  write(*file, late);
  Ended never = command(4, "never");
  never.worker.reset();
  never.outcome.ending = Cancelled{"interrupted"};
  never.outcome.exit_code.reset();
  write(*file, never);
  ASSERT_TRUE(file->finished({}));

  const std::vector<Json> records = lines(path("out.jsonl"));
  ASSERT_EQ(records.size(), 5U);
  EXPECT_EQ(records[0], Json::parse(R"({"job":"point","kind":"report_point","status":"ok","attempts":1,"worker":1,
      "seconds":1.25,"cpu_seconds":4.1e-8,"result":{"x":7,"text":"seven"}})"));
  EXPECT_EQ(records[1], Json::parse(R"({"job":"list \"it\"","kind":"command","status":"ok","attempts":1,"worker":1,
      "seconds":0.2,"cpu_seconds":0,"exit_code":0,"stdout":"one\ntwo\n","stderr":"warned"})"));
  EXPECT_EQ(records[2], Json::parse(R"({"job":"boom","kind":"report_point","status":"crashed","attempts":3,"worker":1,
      "seconds":1.25,"cpu_seconds":4.1e-8,"signal":"SIGSEGV","error":"crashed: SIGSEGV"})"));
  EXPECT_EQ(records[3]["status"], "timed_out");
  EXPECT_EQ(records[3]["error"], "timed out after 2.00 s");
  EXPECT_FALSE(records[3].contains("exit_code"));
  EXPECT_FALSE(records[4].contains("worker"));
  EXPECT_FALSE(records[4].contains("seconds"));
}

TEST_F(Results, KeepBytesThatAreNoText) {
  auto file = open("out.jsonl");
  write(*file, command(0, "binary", std::string("\x00\xff", 2), std::string("nul\0", 4)));
  ASSERT_TRUE(file->flush());
  const Json record = lines(path("out.jsonl")).at(0);
  EXPECT_FALSE(record.contains("stdout"));
  EXPECT_EQ(record["stdout_base64"], "AP8=");
  EXPECT_EQ(record["stderr"], std::string("nul\0", 4));
}

TEST_F(Results, KeepLongOutputWholeInAFileBesideThem) {
  std::string all;
  while (all.size() < (std::size_t{3} << 20)) all += "line é " + std::to_string(all.size()) + "\n";
  auto file = open("out.jsonl");
  Ended ended = command(12, "../a b/é", "", "");
  ended.outcome.out = test::spilled(all);
  write(*file, ended);
  ASSERT_TRUE(file->flush());
  const Json record = lines(path("out.jsonl")).at(0);
  EXPECT_EQ(record["stdout_file"], path("out.jsonl") + ".d/12-.._a_b___.stdout");
  EXPECT_EQ(content(record["stdout_file"]), all);
  EXPECT_TRUE(all.ends_with(record["stdout"].get<std::string>()));
  EXPECT_GE(record["stdout"].get<std::string>().size(), Captured::kCaptureTail - 3);
}

TEST_F(Results, AreATableInCsv) {
  auto file = open("out.csv");
  write(*file, typed(0, "point, \"x\"", "report_point", to_wire(Point{7, "s"})));
  write(*file, command(1, "list", "one\ntwo\n", std::string("\0", 1), 3));
  ASSERT_TRUE(file->flush());
  EXPECT_EQ(
      content(path("out.csv")),
      "job,kind,status,attempts,worker,seconds,cpu_seconds,exit_code,signal,result,stdout,stdout_base64,stdout_file,"
      "stderr,stderr_base64,stderr_file,error,peak_memory,worker_peak_memory,core,left_behind,stderr_tail,costs\r\n"
      "\"point, \"\"x\"\"\",report_point,ok,1,1,1.25,0.000000041,,,\"{\"\"x\"\":7,\"\"text\"\":\"\"s\"\"}\",,,,,,,,,,,,,\r\n"
      "list,command,failed,1,1,0.2,0,3,,,\"one\ntwo\n\",,,,AA==,,exit status 3,,,,, ,\r\n");
}

TEST_F(Results, BringTheCostsOfSampledAttempts) {
  Ended ended = typed(0, "a", "report_point", to_wire(Point{7, "s"}));
  ended.costs.sampled = 64;
  ended.costs.spans[master::Span::wake_up] = std::chrono::microseconds(10);
  ended.costs.spans[master::Span::execute] = std::chrono::milliseconds(2);
  auto file = open("out.jsonl");
  write(*file, ended);
  write(*file, typed(1, "b", "report_point", to_wire(Point{7, "s"})));
  ASSERT_TRUE(file->flush());
  const std::vector<Json> records = lines(path("out.jsonl"));
  EXPECT_EQ(records.at(0)["costs"], Json::parse(R"({"queue_wait":0,"serialize":0,"transport":0,"wake_up":1e-5,"deserialize":0,
      "execute":0.002,"answer":0,"collect":0,"sampled":64})"));
  EXPECT_FALSE(records.at(1).contains("costs"));
  auto table = open("out.csv");
  write(*table, ended);
  ASSERT_TRUE(table->flush());
  EXPECT_NE(content(path("out.csv")).find(",\"{\"\"queue_wait\"\":0,"), std::string::npos);
}

TEST_F(Results, BringTheEvidence) {
  std::string many;
  for (int i = 1; i <= 30; ++i) many += "line " + std::to_string(i) + "\n";
  Ended ended = command(0, "c", "", many, 3);
  ended.outcome.peak_memory = Bytes{4096};
  ended.outcome.core = "/tmp/core.7";
  ended.outcome.left_behind = {"sleep (pid 7)", "sh (pid 8)"};
  auto file = open("out.jsonl");
  write(*file, ended);
  ASSERT_TRUE(file->flush());
  const Json record = lines(path("out.jsonl")).at(0);
  EXPECT_EQ(record["peak_memory"], 4096);
  EXPECT_EQ(record["core"], "/tmp/core.7");
  EXPECT_EQ(record["left_behind"], Json({"sleep (pid 7)", "sh (pid 8)"}));
  EXPECT_TRUE(record["stderr_tail"].get<std::string>().starts_with("line 11\n")) << record["stderr_tail"];
  auto table = open("out.csv");
  write(*table, ended);
  ASSERT_TRUE(table->flush());
  EXPECT_NE(content(path("out.csv")).find(",4096,,/tmp/core.7,\"sleep (pid 7), sh (pid 8)\",\"line 11\n"), std::string::npos);
}

TEST_F(Results, OfAnUnknownExtensionAreRefused) {
  for (const char* name : {"out.json", "out", "out.CSV", ".jsonl"}) {
    const auto opened = ResultsFile::open(path(name), texts_);
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, ErrorCode::usage);
    EXPECT_NE(opened.error().text.find(".jsonl for JSON lines or .csv"), std::string::npos) << opened.error().text;
  }
}

TEST_F(Results, ThatCannotBeWrittenAreRefusedBeforeTheRun) {
  ASSERT_EQ(::mkdir(path("folder.jsonl").c_str(), 0700), 0);
  const auto refused = [&](const std::string& name, std::string_view why) {
    const auto opened = ResultsFile::open(path(name), texts_);
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, ErrorCode::unwritable);
    EXPECT_NE(opened.error().text.find(why), std::string::npos) << opened.error().text;
  };
  refused("folder.jsonl", "it is a folder");
  refused("missing/out.jsonl", "there is no folder");
  std::ofstream(path("plain")) << "x";
  refused("plain/out.jsonl", "is not a folder");
  os::faults::arm({.nth = 1, .error = EACCES, .only = "open"});
  refused("out.csv", "no permission");
  os::faults::disarm();
}

TEST_F(Results, EndWithAWholeRecordWhenTheDiskIsFull) {
  auto file = open("out.jsonl");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{100'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  Result<void> written;
  std::uint64_t jobs = 0;
  for (; written && jobs < 10'000; ++jobs) {
    written = file->ended(typed(jobs, "point-" + std::to_string(jobs), "report_point", to_wire(Point{jobs, ""})).record());
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::unwritable);
  EXPECT_NE(written.error().text.find("bytes written before are whole"), std::string::npos) << written.error().text;
  EXPECT_TRUE(content(path("out.jsonl")).ends_with("}\n"));
  const std::vector<Json> records = lines(path("out.jsonl"));
  EXPECT_GT(records.size(), 500U);
  EXPECT_EQ(records.back()["job"], "point-" + std::to_string(records.size() - 1));
  EXPECT_TRUE(file->finished({})) << "said once is enough";
}

TEST_F(Results, WhoseBytesAreNotThoseOfTheKindAreNeverCalledOk) {
  auto file = open("out.jsonl");
  for (const Ended& ended : {typed(0, "liar", "report_point", "xyz"), typed(1, "stranger", "no_such_kind")}) {
    const Result<void> told = file->ended(ended.record());
    ASSERT_FALSE(told.has_value());
    EXPECT_TRUE(told.error().text.starts_with("its result cannot be read")) << told.error().text;
  }
  ASSERT_TRUE(file->flush());
  EXPECT_EQ(content(path("out.jsonl")), "");
}

TEST_F(Results, AreSavedFromADyingProgram) {
  auto file = open("out.jsonl");
  write(*file, typed(0, "point", "report_point", to_wire(Point{7, "seven"})));
  EXPECT_EQ(content(path("out.jsonl")), "");
  file->salvage();
  EXPECT_EQ(lines(path("out.jsonl")).size(), 1U);
}

class Printer : public Results {
 protected:
  Printer()
      : out_(::open(path("stdout").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)),
        err_(::open(path("stderr").c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}
  UniqueFd out_, err_;
};

TEST_F(Printer, GroupsACommandsOutputAndPrintsTypedResultsAsLines) {
  Console console(out_.get(), err_.get());
  JobPrinter printer(console, texts_);
  ASSERT_TRUE(printer.ended(command(0, "a", "a1\na2", "oops\n").record()));
  ASSERT_TRUE(printer.ended(typed(1, "p", "report_point", to_wire(Point{1, "é"})).record()));
  ASSERT_TRUE(printer.ended(command(2, "c", "c1\n", "", 1).record()));
  Ended failed = typed(3, "q", "report_point");
  failed.outcome.ending = Failed{"no"};
  ASSERT_TRUE(printer.ended(failed.record()));
  ASSERT_TRUE(printer.flush());
  EXPECT_EQ(content(path("stdout")), "a1\na2\n{\"job\":\"p\",\"result\":{\"x\":1,\"text\":\"é\"}}\nc1\n");
  EXPECT_EQ(content(path("stderr")), "oops\n");
}

TEST_F(Printer, PassesLongOutputOnWholeAlsoToAFileOpenedForAppending) {
  std::string all((std::size_t{2} << 20) + 17, 'x');
  Console console(out_.get(), err_.get());
  JobPrinter printer(console, texts_);
  Ended ended = command(0, "long");
  ended.outcome.out = test::spilled(all);
  ended.outcome.err = test::spilled(all);
  ASSERT_TRUE(printer.ended(ended.record()));
  ASSERT_TRUE(printer.flush());
  EXPECT_EQ(content(path("stdout")), all);
  EXPECT_EQ(content(path("stderr")), all);
}

TEST_F(Printer, SaysThatStandardOutputWasClosed) {
  ::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd write_end(ends[1]);
  ::close(ends[0]);
  Console console(write_end.get(), err_.get());
  JobPrinter printer(console, texts_);
  ASSERT_TRUE(printer.ended(command(0, "a", "text\n").record()));
  const Result<void> flushed = printer.flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, ErrorCode::unwritable);
  EXPECT_TRUE(flushed.error().text.starts_with("standard output was closed")) << flushed.error().text;
  EXPECT_TRUE(console.flush()) << "other users of the console go on";
}

TEST_F(Printer, SaysThatTheDiskIsFull) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  Console console(full.get(), err_.get());
  JobPrinter printer(console, texts_);
  ASSERT_TRUE(printer.ended(command(0, "a", "text\n").record()));
  const Result<void> flushed = printer.flush();
  ASSERT_FALSE(flushed);
  EXPECT_NE(flushed.error().text.find("No space left on device"), std::string::npos) << flushed.error().text;
}

TEST_F(Printer, WaitsForAReaderThatIsSlow) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  const pid_t reader = ::fork();
  if (reader == 0) {
    std::string got(1 << 16, '\0');
    std::size_t all = 0;
    ::close(write_end.get());
    ::fcntl(read_end.get(), F_SETFL, 0);
    for (ssize_t n = 0; (n = ::read(read_end.get(), got.data(), got.size())) > 0;) all += static_cast<std::size_t>(n);
    ::_exit(all == 3'000'000 ? 0 : 1);
  }
  {
    Console console(write_end.get(), err_.get());
    JobPrinter printer(console, texts_);
    ASSERT_TRUE(printer.ended(command(0, "a", std::string(3'000'000, 'y')).record()));
    ASSERT_TRUE(printer.flush());
  }
  write_end.reset();
  int status = -1;
  ASSERT_EQ(::waitpid(reader, &status, 0), reader);
  EXPECT_EQ(status, 0);
}

TEST(KindsTable, TellsEverythingAboutAnArgument) {
  const Registry registry;
  const Result<std::string> page = kind_page(registry, "report_point");
  ASSERT_TRUE(page);
  for (const char* part : {"Makes a point.", "whole number (mm), 1 to 9, required", "how far to the right",
                           "text, one of red green, default red", "-> x (whole number), text (text)", "kind: report_point"}) {
    EXPECT_NE(page->find(part), std::string::npos) << part << " in\n" << *page;
  }
  EXPECT_NE(kinds_table(registry).find("report_point\n"), std::string::npos);
  const Json kind = Json::parse(*kind_json(registry, "report_point"));
  EXPECT_EQ(kind["arguments"][0], Json::parse(R"({"name":"across","type":"whole number","unit":"mm","required":true,
      "range":["1","9"],"description":"how far to the right"})"));
  EXPECT_EQ(kind["arguments"][1]["choices"], Json({"red", "green"}));
  EXPECT_EQ(kind["result"][0]["name"], "x");
  EXPECT_TRUE(Json::parse(kinds_json(registry)).is_array());
}

TEST(KindsTable, NamesTheNearestKind) {
  const Result<std::string> page = kind_page(Registry(), "report_pont");
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::usage);
  EXPECT_NE(page.error().text.find("did you mean `report_point`"), std::string::npos) << page.error().text;
}

}  // namespace
}  // namespace runner::report
