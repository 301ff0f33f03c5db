// The JSON Schema accepts what the program accepts, by a reader that is not ours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

constexpr const char* kReader = R"(
import json, sys, yaml, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
jsonschema.validate(yaml.safe_load(open(sys.argv[2])), schema)
)";

Ended validate(const Folder& folder, const std::string& file) {
  folder.write("reader.py", kReader);
  return folder.run_other({"/usr/bin/python3", "reader.py", RUNNER_SOURCE_DIR "/config/jobs.schema.json", file});
}

TEST(Schema, AcceptsTheSample) {
  const Folder folder;
  const Ended ended = validate(folder, RUNNER_SOURCE_DIR "/config/jobs.yaml");
  EXPECT_EQ(ended.status, 0) << ended.err;
}

TEST(Schema, AndTheProgramAgreeOnGoodAndBadFiles) {
  const Folder folder;
  const auto both = [&](const std::string& text) {
    folder.write("f.yaml", text);
    const int ours = folder.run({"check", "f.yaml"}).status, theirs = validate(folder, "f.yaml").status;
    EXPECT_EQ(ours == 0, theirs == 0) << text;
    return ours == 0;
  };
  const std::string head = "version: 1\njobs:\n  - ";
  EXPECT_TRUE(both(head + "{kind: noop, matrix: {a: 1..5, b: [1, x], c: {range: [0, 1, 0.5]}}, timeout: 1.5h, retries: 3}\n"));
  EXPECT_TRUE(both(head + "{command: [echo, 1, true], env: {A: 1}, cwd: /, stdin: /dev/null, allow_failure: true}\n"));
  EXPECT_TRUE(both("version: 1\nname: n\ndefaults: {timeout: 5s, retries: 0, env: {A: b}}\njobs: [{shell: \"true\"}]\n"));
  folder.write("rows.csv", "x\n1\n");
  EXPECT_TRUE(both(head + "{kind: noop, matrix: {r: {csv: rows.csv}}, zip: {a: {lines: rows.csv}, b: 1..2}}\n"));
  EXPECT_FALSE(both(head + "{kind: noop, zip: {}}\n"));
  EXPECT_FALSE(both(head + "{kind: noop, matrix: {r: {csv: rows.csv, lines: rows.csv}}}\n"));
  EXPECT_FALSE(both(head + "{kind: noop, matrix: {r: {csv: []}}}\n"));
  EXPECT_FALSE(both(head + "{kind: noop, command: [ls]}\n"));
  EXPECT_FALSE(both(head + "{name: x}\n"));
  EXPECT_FALSE(both(head + "{kind: noop, timeout: 60}\n"));
  EXPECT_FALSE(both(head + "{kind: noop, timeout: soon}\n"));
  EXPECT_FALSE(both(head + "{kind: noop, matrix: {a: []}}\n"));
  EXPECT_FALSE(both(head + "{kind: noop, matrix: {}}\n"));
  EXPECT_FALSE(both(head + "{kind: noop, unknown: 1}\n"));
  EXPECT_FALSE(both(head + "{command: []}\n"));
  const auto shares = [](const std::string& shared) { return "version: 1\nshared: " + shared + "\njobs: [{kind: noop}]\n"; };
  EXPECT_TRUE(both(shares("{f: {file: reader.py}, c: {counter: -5}, r: {bytes: 1.5MiB, writable: true}}")));
  EXPECT_TRUE(both(shares("{low: {counter: -9223372036854775808}, high: {counter: 9223372036854775807}}")));
  EXPECT_FALSE(both(shares("{}")));
  EXPECT_FALSE(both(shares("[a]")));
  EXPECT_FALSE(both(shares("{a: 5}")));
  EXPECT_FALSE(both(shares("{a b: {counter: 0}}")));
  EXPECT_FALSE(both(shares("{a: {}}")));
  EXPECT_FALSE(both(shares("{a: {counter: 0, file: reader.py}}")));
  EXPECT_FALSE(both(shares("{a: {counter: 9223372036854775808}}")));
  EXPECT_FALSE(both(shares("{a: {counter: 0, writable: true}}")));
  EXPECT_FALSE(both(shares("{a: {bytes: 1MiB}}")));
  EXPECT_FALSE(both(shares("{a: {bytes: 1MiB, writable: false}}")));
  EXPECT_FALSE(both(shares("{a: {bytes: 100, writable: true}}")));
  const auto limits = [](const std::string& size) { return "version: 1\nmax_result: " + size + "\njobs: [{kind: noop}]\n"; };
  for (const char* good : {"64MiB", "1B", "1.5 GB", "0.5kB", "10 B"}) EXPECT_TRUE(both(limits(good)));
  for (const char* bad : {"0B", "0", "0.0 MiB", "64", "-1MiB", "much", "[1MiB]", "\"\""}) EXPECT_FALSE(both(limits(bad)));
  EXPECT_FALSE(both("version: 2\njobs: [{kind: noop}]\n"));
  EXPECT_FALSE(both("version: 1\njobs: 7\n"));
  EXPECT_FALSE(both("jobs: [{kind: noop}]\n"));
}

}  // namespace
}  // namespace runner::integration
