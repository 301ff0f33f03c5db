// What a batch file may say, and what is said about one that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <runner/describe_type.hpp>
#include <runner/job.hpp>
#include <string>
#include <vector>

#include "config/read_batch.hpp"

namespace runner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Registry& registry() {
  static Registry all;
  return all;
}

std::vector<JobSpec> expand(const std::string& text) {
  Result<config::CheckedBatch> checked = config::read_batch_text(text, "jobs.yaml", "jobs", registry());
  if (!checked) {
    ADD_FAILURE() << checked.error().text;
    return {};
  }
  std::vector<JobSpec> jobs;
  for (;;) {
    JobSpec job;
    const Result<bool> more = checked->batch.jobs->next(job);
    if (!more) ADD_FAILURE() << more.error().text;
    if (!more || !*more) break;
    EXPECT_EQ(number(job.id), jobs.size());
    jobs.push_back(std::move(job));
  }
  EXPECT_EQ(checked->batch.size, jobs.size());
  return jobs;
}

std::vector<std::string> names(const std::string& text) {
  std::vector<std::string> all;
  for (const JobSpec& job : expand(text)) all.push_back(job.name);
  return all;
}

std::string error(const std::string& text) {
  const Result<config::CheckedBatch> checked = config::read_batch_text(text, "jobs.yaml", "jobs", registry());
  return checked ? "no error" : checked.error().text;
}

std::string job(const std::string& lines) { return "version: 1\njobs:\n  - " + lines; }

const std::vector<std::string>& argv(const JobSpec& spec) { return std::get<CommandWork>(spec.work).argv; }

class InFolder : public testing::Test {
 protected:
  void SetUp() override {
    before_ = std::filesystem::current_path();
    folder_ = testing::TempDir() + "runner-config-" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
    std::filesystem::current_path(folder_);
  }
  void TearDown() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder_);
  }
  static void touch(const std::string& name) { std::ofstream(name) << "x"; }

 private:
  std::filesystem::path before_, folder_;
};

// ---- expansion ----

TEST(Matrix, RunsTheLastKeyFastest) {
  EXPECT_THAT(names(job("{name: \"${{a}}-${{b}}\", kind: noop, matrix: {a: [x, y], b: 1..3}}")),
              ElementsAre("x-1", "x-2", "x-3", "y-1", "y-2", "y-3"));
}

TEST(Matrix, IncludesBothEndsOfARangeAndCountsDecimalsExactly) {
  EXPECT_THAT(names(job("{name: \"${{v}}\", kind: noop, matrix: {v: {range: [0, 1, 0.1]}}}")),
              ElementsAre("0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"));
  EXPECT_THAT(names(job("{name: \"${{v}}\", kind: noop, matrix: {v: {range: [3, -3, -2]}}}")),
              ElementsAre("3", "1", "-1", "-3"));
  EXPECT_THAT(names(job("{name: \"${{v}}\", kind: noop, matrix: {v: {range: [-0.25, 0.5, 0.5]}}}")),
              ElementsAre("-0.25", "0.25"));
  EXPECT_THAT(names(job("{name: \"${{v}}\", kind: noop, matrix: {v: -1..1}}")), ElementsAre("-1", "0", "1"));
}

TEST(Matrix, PassesAKeyThatIsAnArgumentAndOnlyMultipliesByAnyOther) {
  const std::vector<JobSpec> jobs = expand(job("{kind: primes, matrix: {limit: [10, 20], again: 1..2}}"));
  ASSERT_EQ(jobs.size(), 4U);
  const auto wire = [&](std::size_t i) { return std::get<TypedWork>(jobs[i].work).args; };
  EXPECT_EQ(wire(0), wire(1));
  EXPECT_NE(wire(1), wire(2));
  EXPECT_EQ(wire(2), wire(3));
}

TEST(Matrix, OfTenMillionJobsIsNotExpandedAhead) {
  Result<config::CheckedBatch> checked =
      config::read_batch_text(job("{kind: noop, matrix: {i: 1..10000000}}"), "jobs.yaml", "jobs", registry());
  ASSERT_TRUE(checked) << checked.error().text;
  EXPECT_EQ(checked->batch.size, 10'000'000U);
  JobSpec first;
  ASSERT_TRUE(checked->batch.jobs->next(first).value());
  EXPECT_EQ(first.name, "noop-1");
}

TEST(Zip, GoesInStepAndSlowest) {
  EXPECT_THAT(names(job("{name: \"${{a}}-${{b}}-${{c}}\", kind: noop, matrix: {c: [x, y]}, zip: {a: 1..2, b: [p, q]}}")),
              ElementsAre("1-p-x", "1-p-y", "2-q-x", "2-q-y"));
}

TEST(Zip, ChecksEveryValueOfEveryKey) {
  EXPECT_THAT(error(job("{kind: primes, zip: {i: 1..3, limit: [1, 2, -3]}}")),
              HasSubstr("jobs.yaml:3:49: `limit` must be a whole number"));
}

TEST(Zip, OfManyJobsNeedsOneOfItsKeysInTheName) {
  const auto named = [](const std::string& name) {
    return error(job("{name: \"" + name + "\", kind: noop, zip: {a: 1..2000000, b: {range: [2000000, 1, -1]}}}"));
  };
  EXPECT_EQ(named("${{ a }}"), "no error");
  EXPECT_EQ(named("x-${{ b }}.${{ a }}"), "no error");
  EXPECT_THAT(named("${{ a.stem }}"), HasSubstr("might be given to two of the 2000000 jobs"));
}

TEST_F(InFolder, AFileMayBeGoneThroughForEachValueOfAnotherKey) {
  std::ofstream("f.txt") << "p\nq\n";
  EXPECT_THAT(names(job("{name: \"${{a}}-${{f}}-${{b}}\", kind: noop, matrix: {a: 1..2, f: {lines: f.txt}, b: 1..2}}")),
              ElementsAre("1-p-1", "1-p-2", "1-q-1", "1-q-2", "2-p-1", "2-p-2", "2-q-1", "2-q-2"));
}

TEST_F(InFolder, AFileOfOneLineStillMakesNumberedNames) {
  std::ofstream("f.txt") << "p\n";
  EXPECT_THAT(names(job("{name: n, kind: noop, matrix: {f: {lines: f.txt}}}")), ElementsAre("n-1"));
}

TEST_F(InFolder, WhatStandsInAFileIsNoTemplate) {
  std::ofstream("f.txt") << "${{ nothing }}\n";
  const std::vector<JobSpec> jobs = expand(job("{command: [echo, \"${{ f }}\"], matrix: {f: {lines: f.txt}}}"));
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_THAT(argv(jobs[0]), ElementsAre("echo", "${{ nothing }}"));
  std::ofstream("g.txt") << "${{ nothing }}\n";
  EXPECT_THAT(error(job("{kind: primes, matrix: {limit: {lines: g.txt}}}")),
              HasSubstr("g.txt:1: `limit` must be a whole number"));
}

TEST_F(InFolder, AColumnThatIsAnArgumentIsPassedAndTheNumberOfTheRowIsNot) {
  std::ofstream("f.csv") << "limit\n10\n";
  EXPECT_EQ(expand(job("{kind: primes, matrix: {row: {csv: f.csv}}}")).size(), 1U);
  EXPECT_EQ(expand(job("{kind: primes, matrix: {limit: {csv: f.csv}}}")).size(), 1U);
  std::ofstream("g.csv") << "x\n10\n";
  EXPECT_THAT(error(job("{kind: primes, matrix: {limit: {csv: g.csv}}}")), HasSubstr("needs the argument `limit`"));
}

TEST_F(InFolder, VariablesOfTwoKeysMustDiffer) {
  std::ofstream("f.csv") << "a,b\n1,2\n";
  EXPECT_THAT(error(job("{kind: noop, matrix: {a: [1], row: {csv: f.csv}}}")),
              HasSubstr("jobs.yaml:3:40: the variable `a` of f.csv is taken by another key"));
  EXPECT_THAT(error(job("{kind: noop, matrix: {row: {csv: f.csv}, b: [1]}}")),
              HasSubstr("the variable `b` is taken by another key"));
  EXPECT_THAT(error(job("{kind: noop, matrix: {b: [1]}, zip: {b: [1]}}")),
              HasSubstr("the variable `b` is taken by another key"));
}

TEST_F(InFolder, AGlobIsSorted) {
  for (const char* name : {"b.txt", "a.txt", "B.txt", "c.dat"}) touch(name);
  EXPECT_THAT(names(job("{name: \"${{ f }}\", command: [wc, \"${{ f }}\"], matrix: {f: {glob: \"*.txt\"}}}")),
              ElementsAre("B.txt", "a.txt", "b.txt"));
}

// ---- substitution ----

TEST(Substitution, TakesPathsApart) {
  const auto jobs =
      expand(job("{command: [echo, \"${{ p }}\", \"${{ p.stem }}\", \"${{p.name}}\", \"${{ p.ext }}\", \"x/${{ p.dir }}\"], "
                 "matrix: {p: [a/b.tar.gz, plain]}}"));
  ASSERT_EQ(jobs.size(), 2U);
  EXPECT_THAT(argv(jobs[0]), ElementsAre("echo", "a/b.tar.gz", "b.tar", "b.tar.gz", ".gz", "x/a"));
  EXPECT_THAT(argv(jobs[1]), ElementsAre("echo", "plain", "plain", "plain", "", "x/."));
}

TEST(Substitution, BecomesOneQuotedWordInAShellScriptAndBareTextOnlyWhenAsked) {
  const auto jobs =
      expand(job("{shell: \"echo ${{ x }} pre${{ x }}post ${{ raw(x) }}\", matrix: {x: [\"it's $HOME; rm *\"]}}"));
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(argv(jobs[0])[2], "echo 'it'\\''s $HOME; rm *' pre'it'\\''s $HOME; rm *'post it's $HOME; rm *");
}

TEST(Substitution, InsideQuotesOfAScriptIsRefusedWithTheFormWithoutQuotes) {
  EXPECT_THAT(error(job("{shell: 'echo \"${{ x }}\"', matrix: {x: [1]}}")), HasSubstr("inside double quotes"));
  EXPECT_THAT(error(job("{shell: \"echo '${{ x }}'\", matrix: {x: [1]}}")), HasSubstr("without quotes"));
  EXPECT_EQ(error(job("{shell: \"echo 'done' ${{ x }} \\\"fine\\\"\", matrix: {x: [1]}}")), "no error");
}

TEST(Substitution, AloneKeepsTheTypeOfItsValue) {
  EXPECT_EQ(error(job("{kind: primes, args: {limit: \"${{ n }}\"}, matrix: {n: [10, 20]}}")), "no error");
  EXPECT_EQ(error(job("{kind: primes, args: {limit: \"${{ n }}\"}, matrix: {n: [10, \"20\"]}}")),
            "jobs.yaml:3:64: `limit` must be a whole number, found the text \"20\" (write it without quotes)");
}

TEST(Substitution, OfAnUnknownNameNamesTheNearestOne) {
  EXPECT_THAT(error(job("{command: [echo, \"${{ flie }}\"], matrix: {file: [a]}}")), HasSubstr("did you mean `file`?"));
  EXPECT_THAT(error(job("{command: [echo, \"${{ file.stm }}\"], matrix: {file: [a]}}")),
              HasSubstr("a path has .stem .name .ext .dir"));
}

// ---- names ----

TEST(Names, WithoutSubstitutionAreNumberedWhenThereAreSeveral) {
  EXPECT_THAT(names(job("{name: n, kind: noop, matrix: {i: [7, 8]}}")), ElementsAre("n-1", "n-2"));
  EXPECT_THAT(names(job("{name: n, kind: noop}")), ElementsAre("n"));
}

TEST(Names, DefaultToTheKindOrTheProgramAndStayDifferent) {
  EXPECT_THAT(names(job("{kind: noop}\n  - {kind: noop}\n  - {command: [/bin/true]}\n  - {shell: \"exit 0\"}")),
              ElementsAre("noop", "noop#2", "true", "shell"));
}

TEST(Names, ThatAreWrittenTwiceAreRefused) {
  EXPECT_EQ(error(job("{name: a, kind: noop}\n  - {name: a, kind: noop}")),
            "jobs.yaml:4:12: the name `a` is taken by the job in line 3; every job needs a name of its own");
}

TEST(Names, ThatTwoJobsOfAMatrixWouldShareAreRefused) {
  EXPECT_THAT(error(job("{name: \"x-${{ a }}\", kind: noop, matrix: {a: [1, 2], b: [1, 2]}}")),
              HasSubstr("both be called `x-1`"));
  EXPECT_THAT(error(job("{name: \"${{ a }}${{ b }}\", kind: noop, matrix: {a: [1, 11], b: [11, 1]}}")),
              HasSubstr("both be called `111`"));
  EXPECT_THAT(error(job("{name: \"n-${{ a }}\", kind: noop, matrix: {a: 1..3}}\n  - {name: n-2, kind: noop}")),
              HasSubstr("`n-2`"));
  EXPECT_THAT(error(job("{name: n, kind: noop, matrix: {a: 1..3}}\n  - {name: n-2, kind: noop}")), HasSubstr("`n-2`"));
}

TEST(Names, AboveAMillionMustBeDifferentByTheirForm) {
  const std::string matrix = "matrix: {a: 1..2000, b: 1..2000}}";
  EXPECT_EQ(error(job("{name: \"x-${{ a }}-${{ b }}\", kind: noop, " + matrix)), "no error");
  EXPECT_THAT(error(job("{name: \"x-${{ a }}\", kind: noop, " + matrix)), HasSubstr("use every key"));
  EXPECT_THAT(error(job("{name: \"x${{ a }}${{ b }}\", kind: noop, " + matrix)), HasSubstr("use every key"));
  EXPECT_THAT(error(job("{name: \"x-${{ a }}-${{ b }}\", kind: noop, " + matrix + "\n  - {name: x-1-1, kind: noop}")),
              HasSubstr("might meet"));
}

TEST(Names, AboveAMillionThatAreDifferentForSureAreTaken) {
  const std::string sweep = "{name: sweep, kind: noop, matrix: {a: 1..2000000}}";
  EXPECT_EQ(
      error(job("{name: prep, kind: noop}\n  - {name: prep-all, kind: noop}\n  - {name: sweep-summary, kind: noop}\n  - " +
                sweep)),
      "no error");
  EXPECT_EQ(error(job("{name: sweep-2000001, kind: noop}\n  - {name: sweep-007, kind: noop}\n  - " + sweep)), "no error");
  EXPECT_THAT(error(job("{name: sweep-2000000, kind: noop}\n  - " + sweep)), HasSubstr("`sweep-2000000` is given by this job"));
  EXPECT_EQ(error(job("{kind: noop, matrix: {a: 1..2000000}}\n  - {kind: noop, matrix: {a: 1..2000000}}")), "no error");
}

TEST(Names, MustBePrintable) {
  EXPECT_THAT(error(job("{name: \"a\\nb\", kind: noop}")), HasSubstr("printable"));
  EXPECT_THAT(error(job("{name: \"${{ x }}\", kind: noop, matrix: {x: [ok, \"a\\tb\"]}}")), HasSubstr("printable"));
  EXPECT_THAT(names(job("{name: \"Größe 1/2: ${{ x }} 'q'\", kind: noop, matrix: {x: [日本]}}")),
              ElementsAre("Größe 1/2: 日本 'q'"));
}

// ---- rules ----

TEST(Defaults, AreTakenByJobsThatDoNotSayOtherwise) {
  const auto jobs = expand(
      "version: 1\ndefaults: {timeout: 5s, retries: 2, cwd: /tmp, env: {A: 1, B: 2}, allow_failure: true}\njobs:\n"
      "  - {command: [a]}\n  - {command: [b], timeout: 1m, retries: 0, cwd: /, env: {B: 3}, allow_failure: false}\n");
  ASSERT_EQ(jobs.size(), 2U);
  EXPECT_EQ(jobs[0].timeout, std::chrono::seconds(5));
  EXPECT_EQ(jobs[0].retries, 2U);
  EXPECT_TRUE(jobs[0].allow_failure);
  EXPECT_EQ(std::get<CommandWork>(jobs[0].work).cwd, "/tmp");
  EXPECT_EQ(jobs[1].timeout, std::chrono::minutes(1));
  EXPECT_EQ(jobs[1].retries, 0U);
  EXPECT_FALSE(jobs[1].allow_failure);
  EXPECT_THAT(std::get<CommandWork>(jobs[1].work).env, ElementsAre(testing::Pair("A", "1"), testing::Pair("B", "3")));
}

TEST(MaxResult, IsReadAsASizeAndIsAGibibyteWhenLeftOut) {
  const auto limit = [](const std::string& line) {
    const Result<config::CheckedBatch> checked =
        config::read_batch_text("version: 1\n" + line + "jobs: [{kind: noop}]\n", "jobs.yaml", "jobs", registry());
    return checked ? checked->batch.max_result.count : 0;
  };
  EXPECT_EQ(limit("max_result: 64MiB\n"), std::uint64_t{64} << 20);
  EXPECT_EQ(limit("max_result: 1B\n"), 1U);
  EXPECT_EQ(limit(""), std::uint64_t{1} << 30);
}

// ---- bad input: each is one message, with its place ----

struct Bad {
  const char* what;
  std::string text;
  const char* expected;  // the whole message, or its beginning up to "..."
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.what; }

class BadBatchFile : public testing::TestWithParam<Bad> {};

TEST_P(BadBatchFile, GetsOneClearMessage) {
  const std::string found = error(GetParam().text);
  std::string expected = GetParam().expected;
  EXPECT_EQ(found.find('\n'), std::string::npos);
  if (expected.ends_with("...")) {
    expected.resize(expected.size() - 3);
    EXPECT_THAT(found, StartsWith(expected));
  } else {
    EXPECT_EQ(found, expected);
  }
}

std::string nested(std::size_t depth) { return "version: 1\njobs: " + std::string(depth, '[') + std::string(depth, ']'); }

INSTANTIATE_TEST_SUITE_P(
    Forms, BadBatchFile,
    testing::Values(
        Bad{"empty", "", "jobs.yaml: the file is empty; ..."},
        Bad{"only a comment", "# nothing\n", "jobs.yaml: the file is empty; ..."},
        Bad{"not a mapping", "just words",
            "jobs.yaml:1:1: a batch file must be a mapping (`key: value` lines), found `just words`"},
        Bad{"a tab", "version: 1\njobs:\n\t- kind: noop\n", "jobs.yaml:3:1: a tab cannot indent YAML; use spaces"},
        Bad{"not YAML", "version: 1\njobs: [}\n", "jobs.yaml:2:8: this is not valid YAML: ..."},
        Bad{"a duplicate key", "version: 1\nversion: 1\njobs: []\n", "jobs.yaml:2:1: the key `version` stands here twice"},
        Bad{"no version", "jobs: []\n", "jobs.yaml:1:1: a batch file needs `version`; write `version: 1` at the top"},
        Bad{"another version", "version: 2\njobs: []\n",
            "jobs.yaml:1:10: this program reads batch files of `version: 1`, found `2`"},
        Bad{"no jobs", "version: 1\n", "jobs.yaml:1:1: a batch file needs `jobs`; it is the list of what to run"},
        Bad{"jobs is a number", "version: 1\njobs: 7\n",
            "jobs.yaml:2:7: `jobs` must be a list (`- name: ...` lines), found `7`"},
        Bad{"jobs is empty", "version: 1\njobs: []\n", "jobs.yaml:2:7: `jobs` is an empty list; there is nothing to run"},
        Bad{"a job is a word", "version: 1\njobs: [noop]\n",
            "jobs.yaml:2:8: a job must be a mapping (`key: value` lines), found `noop`"},
        Bad{"an unknown key", "version: 1\njosb: []\n", "jobs.yaml:1:1: a batch file needs `jobs`; ..."},
        Bad{"an unknown key beside", "version: 1\nplugin: []\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:9: a batch file has no key `plugin`; did you mean `plugins`?"},
        Bad{"defaults of a wrong key", "version: 1\ndefaults: {timout: 3s}\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:20: `defaults` has no key `timout`; did you mean `timeout`?"},
        Bad{"an alias bomb", "a: &a [x, x]\nb: &b [*a, *a]\nversion: 1\njobs: [*b]\n",
            "jobs.yaml:1:4: anchors (`&name`) are not supported; ..."},
        Bad{"a tag", "version: !!int 1\njobs: []\n",
            "jobs.yaml:1:10: the tag `tag:yaml.org,2002:int` is not supported; leave it out"},
        Bad{"two documents", "version: 1\njobs: [{kind: noop}]\n---\nversion: 1\n",
            "jobs.yaml:3:1: a batch file is one YAML document; ..."},
        Bad{"text after a flow mapping", "{version: 1, jobs: [{kind: noop}]} more\n", "jobs.yaml:1:36: ..."},
        Bad{"an open quote", "version: 1\nname: \"abc\njobs: []\n", "jobs.yaml:2:7: the quote \" opened here is never closed"},
        Bad{"a limit of results without a unit", "version: 1\nmax_result: 64\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:13: `max_result`: `64` is no size; ..."},
        Bad{"a limit of results that is a list", "version: 1\nmax_result: [1MiB]\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:13: `max_result` must be a size such as 64MiB, found a list"},
        Bad{"a limit of results that nothing can meet", "version: 1\nmax_result: 0B\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:13: a `max_result` of 0 would fail every job; give it a size such as 64MiB, or leave it out for 1GiB"},
        Bad{"a limit of results in the defaults", "version: 1\ndefaults: {max_result: 1MiB}\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:24: `defaults` has no key `max_result`; ..."},
        Bad{"a NUL byte", std::string("version: 1\nname: a\0b\n", 21),
            "jobs.yaml:2:8: a control character (0x00) cannot stand in a batch file"},
        Bad{"a NUL in quotes", "version: 1\nname: \"a\\0b\"\njobs: []\n",
            "jobs.yaml:2:7: a NUL character cannot stand in a batch file"},
        Bad{"bytes that are not UTF-8", "version: 1\nname: a\xff\n",
            "jobs.yaml:2:8: the byte 0xff is not UTF-8; save the file as UTF-8"},
        Bad{"deep nesting", nested(100), "jobs.yaml:2:70: lists and mappings are nested more than 64 deep"},
        Bad{"very deep nesting", nested(100'000), "jobs.yaml:2:..."}));

INSTANTIATE_TEST_SUITE_P(
    Jobs, BadBatchFile,
    testing::Values(
        Bad{"no work", job("{name: a}"), "jobs.yaml:3:5: a job needs exactly one of `kind`, `command` and `shell`, found none"},
        Bad{"two works", job("{kind: noop, command: [true]}"),
            "jobs.yaml:3:5: a job needs exactly one of `kind`, `command` and `shell`, found `kind` `command` "},
        Bad{"an unknown key", job("{comand: [ls]}"), "jobs.yaml:3:14: a job has no key `comand`; did you mean `command`?"},
        Bad{"a resource of nobody", job("{kind: noop, resources: {a: 1}}"),
            "jobs.yaml:3:33: this batch has no resource `a`; say at the top how many there are: `resources: {a: 1}`"},
        Bad{"a resource misspelt", "version: 1\nresources: {license: 1}\njobs:\n  - {kind: noop, resources: {licence: 1}}\n",
            "jobs.yaml:4:39: this batch has no resource `licence`; did you mean `license`?"},
        Bad{"more of a resource than there is",
            "version: 1\nresources: {gpu: 1}\njobs:\n  - {kind: noop, resources: {gpu: 2}}\n",
            "jobs.yaml:4:35: this job could never start: it takes 2 of `gpu`, and this batch has 1"},
        Bad{"a resource without a number", "version: 1\nresources: {gpu: many}\njobs:\n  - {kind: noop}\n",
            "jobs.yaml:2:18: `resources.gpu` must be a whole number..."},
        Bad{"none of a resource", "version: 1\nresources: {gpu: 0}\njobs:\n  - {kind: noop}\n",
            "jobs.yaml:2:18: there would be nothing of `gpu` for anybody; leave it out"},
        Bad{"resources in a list", job("{kind: noop, resources: [a]}"),
            "jobs.yaml:3:29: `resources` must be a mapping of names to how many the job takes, such as {license: 1}, found a "
            "list"},
        Bad{"no processor", job("{kind: noop, cpus: 0}"),
            "jobs.yaml:3:24: a job with `cpus` of 0 could not run; leave it out for one"},
        Bad{"an unknown kind", job("{kind: prims}"), "jobs.yaml:3:12: there is no kind `prims`; did you mean `primes`?"},
        Bad{"a kind like no other", job("{kind: zzzzzzz}"),
            "jobs.yaml:3:12: there is no kind `zzzzzzz`; `runner kinds` lists them"},
        Bad{"a command that is text", job("{command: ls -l}"),
            "jobs.yaml:3:15: `command` must be a list such as [gzip, -9, file.txt], found `ls -l`; ..."},
        Bad{"an empty command", job("{command: []}"),
            "jobs.yaml:3:15: `command` is an empty list; its first word is the program to run"},
        Bad{"an empty script", job("{shell: \"  \"}"), "jobs.yaml:3:13: `shell` is empty; it is the script to run"},
        Bad{"args of a command", job("{command: [ls], args: {}}"),
            "jobs.yaml:3:27: `args` is for jobs with a `kind`; leave it out"},
        Bad{"stdin of a kind", job("{kind: noop, stdin: f}"),
            "jobs.yaml:3:25: `stdin` is for jobs with `command` or `shell`; leave it out"},
        Bad{"a bare number for a duration", job("{kind: noop, timeout: 60}"), "jobs.yaml:3:27: `timeout`: ..."},
        Bad{"a duration that is none", job("{kind: noop, timeout: soon}"), "jobs.yaml:3:27: `timeout`: ..."},
        Bad{"a timeout of nothing", job("{kind: noop, timeout: 0s}"), "jobs.yaml:3:27: a timeout of 0 ..."},
        Bad{"negative retries", job("{kind: noop, retries: -1}"),
            "jobs.yaml:3:27: `retries` must be a whole number from 0 to 1000000, found `-1`"},
        Bad{"a truth value that is none", job("{kind: noop, allow_failure: maybe}"),
            "jobs.yaml:3:33: `allow_failure` must be true or false, found `maybe`"},
        Bad{"a missing argument", job("{kind: primes}"), "jobs.yaml:3:5: kind `primes` needs the argument `limit` ..."},
        Bad{"an unknown argument", job("{kind: primes, args: {limt: 5}}"),
            "jobs.yaml:3:33: kind `primes` has no argument `limt`; did you mean `limit`?"},
        Bad{"an argument too many", job("{kind: primes, args: {limit: 5, x: 1}}"),
            "jobs.yaml:3:40: kind `primes` has no argument `x`; it takes: limit"},
        Bad{"an ill-typed argument", job("{kind: primes, args: {limit: many}}"),
            "jobs.yaml:3:34: `limit` must be a whole number, found `many`"},
        Bad{"negative for unsigned", job("{kind: primes, args: {limit: -5}}"),
            "jobs.yaml:3:34: `limit` must be a whole number from 0 to 18446744073709551615, found `-5`"},
        Bad{"overflow", job("{kind: primes, args: {limit: 18446744073709551616}}"),
            "jobs.yaml:3:34: `limit` must be a whole number from 0 to ..."},
        Bad{"1e400", job("{kind: primes, args: {limit: 1e400}}"),
            "jobs.yaml:3:34: `limit` must be a whole number from 0 to ..."},
        Bad{"out of range", job("{kind: primes, args: {limit: 99999999999999}}"),
            "jobs.yaml:3:34: `limit` must be from 0 to 1000000000000, found `99999999999999`"},
        Bad{"the same key in args and matrix", job("{kind: primes, args: {limit: 5}, matrix: {limit: [1]}}"),
            "jobs.yaml:3:34: `limit` stands in both `args` and `matrix`; leave one of them out"},
        Bad{"a wrong value late in a list", job("{kind: primes, matrix: {i: 1..9, limit: [1, 2, -3]}}"),
            "jobs.yaml:3:52: `limit` must be a whole number from 0 to 18446744073709551615, found `-3`"},
        Bad{"a fraction in a range of whole numbers", job("{kind: primes, matrix: {limit: {range: [1, 2, 0.5]}}}"),
            "jobs.yaml:3:36: `limit` must be a whole number, found `1.5`"},
        Bad{"an empty matrix", job("{kind: noop, matrix: {}}"), "jobs.yaml:3:26: `matrix` is empty; ..."},
        Bad{"a matrix that is a list", job("{kind: noop, matrix: [1]}"),
            "jobs.yaml:3:26: `matrix` must be a mapping of keys to value lists, found a list"},
        Bad{"an empty list of values", job("{kind: noop, matrix: {a: []}}"), "jobs.yaml:3:30: the list of `a` is empty, ..."},
        Bad{"a single value", job("{kind: noop, matrix: {a: 5}}"), "jobs.yaml:3:30: the values of `a` must be a list, ..."},
        Bad{"an empty range", job("{kind: noop, matrix: {a: 5..1}}"),
            "jobs.yaml:3:30: the range of `a` is empty: a step of 1 does not lead from 5 to 1"},
        Bad{"a step of zero", job("{kind: noop, matrix: {a: {range: [1, 5, 0]}}}"),
            "jobs.yaml:3:45: the step of the range of `a` is 0; it would never end"},
        Bad{"a range of words", job("{kind: noop, matrix: {a: {range: [x, y]}}}"),
            "jobs.yaml:3:39: the range of `a` needs decimal numbers ..."},
        Bad{"an unknown form of values", job("{kind: noop, matrix: {a: {list: 5}}}"),
            "jobs.yaml:3:30: the values of `a` must be a list, ..."},
        Bad{"a glob without a match", job("{kind: noop, matrix: {a: {glob: \"/nonexistent/*.x\"}}}"),
            "jobs.yaml:3:37: the glob `/nonexistent/*.x` of `a` matches no file; ..."},
        Bad{"too many jobs", job("{kind: noop, matrix: {a: 1..1000000000, b: 1..1000000000}}"),
            "jobs.yaml:3:26: this matrix makes more than ..."},
        Bad{"keys in step of different lengths", job("{kind: noop, zip: {a: [1, 2], b: [1]}}"),
            "jobs.yaml:3:38: the keys of `zip` go in step, but `a` has 2 values and `b` has 1 value; give them lists of one "
            "length"},
        Bad{"an empty zip", job("{kind: noop, zip: {}}"), "jobs.yaml:3:23: `zip` is empty; ..."},
        Bad{"a file of lines that is missing", job("{kind: noop, matrix: {a: {lines: no.txt}}}"),
            "jobs.yaml:3:38: the file `no.txt` cannot be opened: No such file or directory; paths are relative to the working "
            "directory"},
        Bad{"lines of a list", job("{kind: noop, matrix: {a: {lines: [a]}}}"),
            "jobs.yaml:3:38: {lines: ...} of `a` must name a file, ..."},
        Bad{"env that is a list", job("{command: [ls], env: [A]}"),
            "jobs.yaml:3:26: `env` must be a mapping of names to texts, found a list"},
        Bad{"a list where a word is needed", job("{command: [ls, \"${{ a }}\"], matrix: {a: [[1, 2]]}}"),
            "jobs.yaml:3:20: ..."},
        Bad{"a plug-in that is missing", "version: 1\nplugins: [./no.so]\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:11: the plug-in `./no.so` cannot be opened: ..."},
        Bad{"a plug-in that is a text", "version: 1\nplugins: [" RUNNER_SOURCE_DIR "/README.md]\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:11: the plug-in `..."},
        Bad{"a library that is no plug-in", "version: 1\nplugins: [" RUNNER_FOREIGN_LIBRARY "]\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:11: `..."},
        Bad{"a plug-in of another version", "version: 1\nplugins: [" RUNNER_STALE_PLUGIN "]\njobs: [{kind: noop}]\n",
            "jobs.yaml:2:11: the plug-in `..."}));

TEST(Plugin, OfAnotherVersionSaysWhichAndWhatToDo) {
  const std::string text = error("version: 1\nplugins: [" RUNNER_STALE_PLUGIN "]\njobs: [{kind: noop}]\n");
  EXPECT_THAT(text, HasSubstr("it is for `runner 0.0.1 kinds 0`"));
  EXPECT_THAT(text, HasSubstr("build it again"));
}

TEST(Plugin, NamedInABatchBringsItsKinds) {
  Registry fresh;
  const Result<config::CheckedBatch> checked =
      config::read_batch_text("version: 1\nplugins: [" RUNNER_TEST_PLUGIN "]\njobs: [{kind: shout, args: {text: hello}}]\n",
                              "jobs.yaml", "jobs", fresh);
  ASSERT_TRUE(checked) << checked.error().text;
  ASSERT_EQ(checked->batch.plugins.size(), 1U);
  EXPECT_NE(fresh.find("shout"), nullptr);
}

// ---- files ----

TEST_F(InFolder, AFileThatCannotBeReadIsNamedAsItWasGiven) {
  const auto text = [](const std::string& path) { return config::read_batch(path, registry()).error().text; };
  EXPECT_EQ(text("no.yaml"), "no.yaml: the batch file cannot be opened: No such file or directory");
  EXPECT_EQ(text("."), ".: this is a folder; a batch file was expected");
}

TEST_F(InFolder, TheBatchIsCalledAsItsFileUnlessItSaysOtherwise) {
  std::ofstream("sweep.yaml") << "version: 1\njobs: [{kind: noop}]\n";
  std::ofstream("named.yaml") << "version: 1\nname: night\njobs: [{kind: noop}]\n";
  EXPECT_EQ(config::read_batch("sweep.yaml", registry())->batch.name, "sweep");
  EXPECT_EQ(config::read_batch("named.yaml", registry())->batch.name, "night");
}

}  // namespace
}  // namespace runner
