// `runner exec`: inputs and their combinations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "config/exec_batch.hpp"

namespace runner::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Input words(std::vector<std::string> values) { return {.is_file = false, .in_step = false, .values = std::move(values)}; }
Input in_step(std::vector<std::string> values) { return {.is_file = false, .in_step = true, .values = std::move(values)}; }
Input file(const std::string& path) { return {.is_file = true, .in_step = false, .values = {path}}; }

struct Expanded {
  std::vector<std::string> lines;
  std::optional<std::uint64_t> size;
  std::string error;
};

Expanded expand(const ExecSpec& spec) {
  Expanded all;
  Result<CheckedBatch> checked = exec_batch(spec);
  if (!checked) return {{}, {}, checked.error().text};
  all.size = checked->batch.size;
  JobSpec job;
  for (;;) {
    EXPECT_EQ(checked->batch.jobs->awaited(), -1);
    const Result<bool> more = checked->batch.jobs->next(job);
    if (!more) all.error = more.error().text;
    if (!more || !*more) break;
    EXPECT_EQ(number(job.id), all.lines.size());
    EXPECT_EQ(job.name, "x-" + std::to_string(all.lines.size() + 1));
    std::string& line = all.lines.emplace_back();
    const std::vector<std::string>& argv = std::get<CommandWork>(job.work).argv;
    for (std::size_t i = 1; i < argv.size(); ++i) line += (i == 1 ? "" : "|") + argv[i];
  }
  if (all.error.empty() && all.size) {
    EXPECT_EQ(*all.size, all.lines.size());
  }
  return all;
}

class Lists : public testing::Test {
 protected:
  Lists() : path_(testing::TempDir() + "runner-exec-" + std::to_string(::getpid())) {}
  ~Lists() override { std::filesystem::remove(path_); }
  const std::string& list(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return path_;
  }
  std::string path_;
};

TEST(Inputs, MakeAllCombinationsTheLastOneFastest) {
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {words({"a", "b"}), words({"1", "2"}), words({"p"})}}).lines,
              ElementsAre("a|1|p", "a|2|p", "b|1|p", "b|2|p"));
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {words({"a", "b"}), words({})}}).lines, IsEmpty());
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {words({}), words({"a", "b"})}}).lines, IsEmpty());
}

TEST(Inputs, InStepEndWithTheShortest) {
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {words({"a", "b"}), in_step({"1", "2", "3"}), words({"p", "q"})}}).lines,
              ElementsAre("a|1|p", "a|1|q", "b|2|p", "b|2|q"));
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {words({"p", "q"}), words({"a", "b", "c"}), in_step({"1", "2"})}}).lines,
              ElementsAre("p|a|1", "p|b|2", "q|a|1", "q|b|2"));
}

TEST(Inputs, LinkedBeginAgainUntilTheLongestEnds) {
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {words({"a", "b"}), words({"1", "2", "3", "4", "5"})}, .link = true}).lines,
              ElementsAre("a|1", "b|2", "a|3", "b|4", "a|5"));
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {words({"a", "b"}), words({})}, .link = true}).lines, IsEmpty());
}

// One job of a number, while the others are gone through.
TEST(Inputs, OfWordsCanBeHadInAnyOrder) {
  for (const ExecSpec& spec :
       {ExecSpec{.command = {"x", "{1}", "{2}", "{#}"}, .inputs = {words({"a", "b", "c"}), words({"1", "2"})}},
        ExecSpec{.command = {"x", "{1}", "{2}", "{3}"},
                 .inputs = {words({"a", "b", "c"}), in_step({"1", "2"}), words({"p", "q"})}},
        ExecSpec{
            .command = {"x", "{1}", "{2}"}, .inputs = {words({"a", " ", "b", "c"}), words({"1", "2"})}, .skip_blank = true},
        ExecSpec{.command = {"x", "{1}", "{2}"}, .inputs = {words({"a", "b", "c"}), words({"1", "2"})}, .link = true}}) {
    Result<CheckedBatch> forth = exec_batch(spec), back = exec_batch(spec);
    ASSERT_TRUE(forth && back);
    EXPECT_TRUE(back->batch.jobs->direct());
    std::vector<JobSpec> jobs(*forth->batch.size);
    for (JobSpec& job : jobs) ASSERT_TRUE(forth->batch.jobs->next(job).value());
    JobSpec other;
    for (std::size_t i = jobs.size(); i-- > 0;) {
      ASSERT_TRUE(back->batch.jobs->next(other).value());
      EXPECT_EQ(number(other.id), jobs.size() - 1 - i) << "next() goes on where it was";
      ASSERT_TRUE(back->batch.jobs->at(JobId{i}, other));
      EXPECT_EQ(other.id, jobs[i].id);
      EXPECT_EQ(other.name, jobs[i].name);
      EXPECT_EQ(std::get<CommandWork>(other.work).argv, std::get<CommandWork>(jobs[i].work).argv);
    }
  }
}

TEST_F(Lists, AreReadByLineOrToTheNextNul) {
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {file(list("a b\r\n\nc"))}}).lines, ElementsAre("a b", "", "c"));
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {file(list("a b\n \nc"))}, .skip_blank = true}).lines,
              ElementsAre("a b", "c"));
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {file(list(std::string("a\nb\r\0c\0", 7)))}, .null = true}).lines,
              ElementsAre("a\nb\r", "c"));
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {file(list("\xff\xfe\n"))}}).lines, ElementsAre("\xff\xfe"))
      << "names of files are bytes";
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {words({"a", "b"}), file(list("1\n2\n"))}}).lines,
              ElementsAre("a|1", "a|2", "b|1", "b|2"));
}

TEST_F(Lists, ThatAreWrongSayWhere) {
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {file(list(std::string("a\nb\0c\n", 6)))}}).error,
              HasSubstr(path_ + ":2: a NUL character cannot stand"));
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {file("no-such-list")}}).error,
              StartsWith("the file `no-such-list` cannot be opened"));
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {file("/")}}).error, HasSubstr("is a folder"));
  EXPECT_THAT(expand({.command = {"x"}, .inputs = {file("-"), file("-")}}).error, HasSubstr("standard input is named twice"));
}

TEST_F(Lists, OfManyLinesAreNotCountedAhead) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "x\n";
  const Expanded many = expand({.command = {"x"}, .inputs = {file(list(text))}});
  EXPECT_EQ(many.size, std::nullopt);
  EXPECT_EQ(many.lines.size(), 200'000U);
}

TEST(Inputs, ThatCanBeReadOnlyOnceComeFirst) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string pipe = "/dev/fd/" + std::to_string(ends[0]);
  EXPECT_THAT(exec_batch({.command = {"x"}, .inputs = {words({"a"}), file(pipe)}}).error().text,
              HasSubstr("can be read only once"));
  Result<CheckedBatch> first = exec_batch({.command = {"x"}, .inputs = {file(pipe), words({"1", "2"})}});
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_EQ(first->batch.size, std::nullopt);
  JobSource& jobs = *first->batch.jobs;
  JobSpec job;
  EXPECT_GE(jobs.awaited(), 0);
  ASSERT_EQ(::write(ends[1], "a\nb", 3), 3);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(jobs.awaited(), -1) << "both of the second input, without a look at the first";
    ASSERT_TRUE(jobs.next(job).value());
  }
  EXPECT_GE(jobs.awaited(), 0);
  ::close(ends[1]);
  EXPECT_EQ(jobs.awaited(), -1);
  EXPECT_TRUE(jobs.next(job).value());
  EXPECT_TRUE(jobs.next(job).value());
  EXPECT_FALSE(jobs.next(job).value());
  ::close(ends[0]);
}

}  // namespace
}  // namespace runner::config
