// The section `shared:` of a batch file, and what is said about one that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <variant>
#include <vector>

#include "config/read_batch.hpp"
#include "tests/unit/records.hpp"

namespace runner {
namespace {

std::string batch(const std::string& shared) { return "version: 1\nshared: " + shared + "\njobs: [{kind: noop}]\n"; }

Result<config::CheckedBatch> read(const std::string& shared) {
  static Registry registry;
  return config::read_batch_text(batch(shared), "jobs.yaml", "jobs", registry);
}
std::string error(const std::string& shared) {
  const Result<config::CheckedBatch> checked = read(shared);
  return checked ? "no error" : checked.error().text;
}

TEST(SharedSection, BecomesSpecificationsInTheOrderOfTheFile) {
  const Result<config::CheckedBatch> checked = read(
      "{hits: {counter: 0}, self: {file: /proc/self/exe}, low: {counter: -9223372036854775808}, grid: {bytes: 64MiB, "
      "writable: true}}");
  ASSERT_TRUE(checked.has_value()) << checked.error().text;
  const std::vector<SharedSpec>& shared = checked->batch.shared;
  ASSERT_EQ(shared.size(), 4U);
  EXPECT_EQ(shared[0].name, "hits");
  EXPECT_EQ(std::get<SharedCounter>(shared[0].what).initial, 0);
  EXPECT_EQ(std::get<SharedFile>(shared[1].what).path, "/proc/self/exe");
  EXPECT_EQ(std::get<SharedCounter>(shared[2].what).initial, INT64_MIN);
  EXPECT_EQ(std::get<SharedBytes>(shared[3].what).bytes.count, std::uint64_t{64} << 20);
}

TEST(SharedSection, MayBeLeftOut) {
  static Registry registry;
  const Result<config::CheckedBatch> checked =
      config::read_batch_text("version: 1\njobs: [{kind: noop}]\n", "jobs.yaml", "jobs", registry);
  ASSERT_TRUE(checked.has_value());
  EXPECT_TRUE(checked->batch.shared.empty());
}

struct Bad {
  const char* what;
  std::string shared;
  const char* expected;
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.what; }

class BadSharedSection : public testing::TestWithParam<Bad> {};
TEST_P(BadSharedSection, GetsOneClearMessage) { EXPECT_EQ(error(GetParam().shared), GetParam().expected); }

std::string many() {
  std::string all = "{";
  for (int i = 0; i < 129; ++i) all += (i == 0 ? "c" : ", c") + std::to_string(i) + ": {counter: 0}";
  return all + "}";
}

INSTANTIATE_TEST_SUITE_P(
    Forms, BadSharedSection,
    testing::Values(
        Bad{"a list", "[hits]",
            "jobs.yaml:2:9: `shared` must be a mapping of names to {file: path}, {counter: 0} or {bytes: 64MiB, writable: "
            "true}, "
            "found a list"},
        Bad{"nothing", "~",
            "jobs.yaml:2:9: `shared` must be a mapping of names to {file: path}, {counter: 0} or {bytes: 64MiB, "
            "writable: true}, found nothing"},
        Bad{"empty", "{}", "jobs.yaml:2:9: `shared` is empty; give it a name with what is shared, or leave it out"},
        Bad{"too many", many(),
            "jobs.yaml:2:9: `shared` has 129 names, at most 128 are possible; one region or file can hold many things"},
        Bad{"a name of two words", "{my hits: {counter: 0}}",
            "jobs.yaml:2:19: `my hits` cannot be the name of something shared; use a word of letters, digits, `_`, `-` and `.` "
            "with "
            "at most 64 characters"},
        Bad{"an empty name", "{\"\": {counter: 0}}",
            "jobs.yaml:2:14: `` cannot be the name of something shared; use a word of letters, digits, `_`, `-` and `.` with "
            "at most "
            "64 characters"},
        Bad{"a name twice", "{a: {counter: 0}, a: {counter: 1}}", "jobs.yaml:2:27: the key `a` stands here twice"},
        Bad{"only a path", "{genome: genome.txt}",
            "jobs.yaml:2:18: `shared.genome` must be {file: path}, {counter: 0} or {bytes: 64MiB, writable: true}, found "
            "`genome.txt`"},
        Bad{"none of the forms", "{a: {}}",
            "jobs.yaml:2:13: `shared.a` must be exactly one of {file: path}, {counter: 0} or {bytes: 64MiB, writable: true}, "
            "found "
            "none"},
        Bad{"two forms", "{a: {file: x, counter: 0}}",
            "jobs.yaml:2:13: `shared.a` must be exactly one of {file: path}, {counter: 0} or {bytes: 64MiB, writable: true}, "
            "found "
            "`file` and `counter`"},
        Bad{"an unknown key", "{a: {countr: 0}}", "jobs.yaml:2:22: `shared.a` has no key `countr`; did you mean `counter`?"},
        Bad{"a key like no other", "{a: {counter: 0, zzzzzz: 1}}",
            "jobs.yaml:2:34: `shared.a` has no key `zzzzzz`; its keys are: file, counter, bytes, writable"}));

INSTANTIATE_TEST_SUITE_P(
    Values, BadSharedSection,
    testing::Values(
        Bad{"a counter that is a word", "{a: {counter: none}}",
            "jobs.yaml:2:23: `shared.a.counter` must be a whole number, found `none`"},
        Bad{"a counter that is a fraction", "{a: {counter: 0.5}}",
            "jobs.yaml:2:23: `shared.a.counter` must be a whole number, found `0.5`"},
        Bad{"a counter beyond 64 bits", "{a: {counter: 9223372036854775808}}",
            "jobs.yaml:2:23: `shared.a.counter` must be a whole number from -9223372036854775808 to 9223372036854775807, found "
            "`9223372036854775808`"},
        Bad{"a counter that is writable", "{a: {counter: 0, writable: true}}",
            "jobs.yaml:2:36: `writable` is for `bytes`; leave it out: jobs can always write a counter"},
        Bad{"a file that is writable", "{a: {file: /proc/self/exe, writable: true}}",
            "jobs.yaml:2:46: `writable` is for `bytes`; leave it out: jobs can only read a file"},
        Bad{"a size without a unit", "{a: {bytes: 64, writable: true}}",
            "jobs.yaml:2:21: `shared.a.bytes`: `64` is no size; write a number and one of B KiB MiB GiB kB MB GB, such as "
            "64MiB"},
        Bad{"a size of nothing", "{a: {bytes: 0B, writable: true}}",
            "jobs.yaml:2:21: `shared.a` has 0 bytes, which nobody can share; give it a size such as 64MiB"},
        Bad{"bytes that nobody writes", "{a: {bytes: 64MiB}}",
            "jobs.yaml:2:21: the bytes of `shared.a` begin as zeros and need `writable: true`, found no `writable`; to share "
            "what is "
            "read only, use {file: path}"},
        Bad{"bytes that nobody may write", "{a: {bytes: 64MiB, writable: false}}",
            "jobs.yaml:2:38: the bytes of `shared.a` begin as zeros and need `writable: true`, found `false`; to share what is "
            "read "
            "only, use {file: path}"},
        Bad{"a truth value that is none", "{a: {bytes: 64MiB, writable: maybe}}",
            "jobs.yaml:2:38: `shared.a.writable` must be true or false, found `maybe`"},
        Bad{"a file that is a list", "{a: {file: [x]}}", "jobs.yaml:2:20: `shared.a.file` must be text, found a list"},
        Bad{"a file that is missing", "{a: {file: no/such.txt}}",
            "jobs.yaml:2:20: the file `no/such.txt` of `shared.a` cannot be opened: No such file or directory; paths are "
            "relative to "
            "the working directory"},
        Bad{"a folder", "{a: {file: /proc}}", "jobs.yaml:2:20: `/proc` of `shared.a` is a folder; a file was expected"},
        Bad{"a device", "{a: {file: /dev/null}}",
            "jobs.yaml:2:20: `/dev/null` of `shared.a` is a pipe, a socket or a device, which cannot be mapped; a regular file "
            "was "
            "expected"}));

TEST(SharedSection, OfAFileIsLookedAtWithoutWaitingOrWriting) {
  const test::TempFolder folder;
  ASSERT_EQ(::mkfifo(folder.file("fifo").c_str(), 0600), 0);
  EXPECT_THAT(error("{a: {file: " + folder.file("fifo") + "}}"), testing::HasSubstr("is a pipe, a socket or a device"));
  std::ofstream(folder.file("empty")).flush();
  EXPECT_EQ(error("{a: {file: " + folder.file("empty") + "}}"), "no error") << "an empty file is a file";
  std::ofstream(folder.file("secret")) << "x";
  ASSERT_EQ(::chmod(folder.file("secret").c_str(), 0), 0);
  if (::geteuid() == 0) return;  // whom nothing is forbidden
  EXPECT_THAT(error("{a: {file: " + folder.file("secret") + "}}"), testing::HasSubstr("cannot be opened: Permission denied"));
}

}  // namespace
}  // namespace runner
