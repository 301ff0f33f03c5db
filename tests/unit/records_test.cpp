// Values that stand in files: lines, CSV, JSON lines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "config/bad_batch.hpp"
#include "config/record_reader.hpp"
#include "config/records.hpp"

namespace runner::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Files : public testing::Test {
 protected:
  Files() : folder_(testing::TempDir() + "runner-records-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~Files() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& text) {
    const std::string path = folder_ + "/f";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static Records records(const std::string& form, const std::string& path) {
    return {"k", form, Value{Scalar{path, true}, {3, 7}}};
  }

  // Each record as its values' texts, joined by `|`.
  std::vector<std::string> all(const std::string& form, const std::string& text) {
    Records made = records(form, file(text));
    std::vector<std::string> texts;
    for (std::uint64_t i = 0; made.select(i); ++i) {
      std::string& joined = texts.emplace_back();
      for (const Value& value : made.values())
        joined += (joined.empty() ? "" : "|") + (value.scalar() != nullptr ? value.scalar()->text : found(value));
    }
    EXPECT_EQ(made.size(), texts.size());
    return texts;
  }
  std::string error(const std::string& form, const std::string& text) {
    try {
      static_cast<void>(all(form, text));
    } catch (const BadBatch& bad) {
      const std::string message = bad.message("jobs.yaml");
      return message.starts_with(folder_) ? message.substr(folder_.size() + 1) : message;
    }
    return "no error";
  }

  std::string folder_;
};

TEST_F(Files, OfLinesKeepEveryLineAsItIs) {
  EXPECT_THAT(all("lines", "a\n\n b c \nlast"), ElementsAre("a", "", " b c ", "last"));
  EXPECT_THAT(all("lines", "a\r\nb\r\n"), ElementsAre("a", "b"));
  EXPECT_THAT(all("lines",
                  "\xEF\xBB\xBF"
                  "a\nb"),
              ElementsAre("a", "b"));
  EXPECT_THAT(all("lines", ""), IsEmpty());
  EXPECT_THAT(all("lines", "\n"), ElementsAre(""));
}

TEST_F(Files, OfLinesHoldNumbersButNoNulls) {
  Records made = records("lines", file("17\nnull\n\n~\n"));
  for (std::uint64_t i = 0; made.select(i); ++i) {
    EXPECT_EQ(made.values()[0].scalar()->plain, i == 0);
    EXPECT_FALSE(made.values()[0].is_null());
  }
}

TEST_F(Files, OfCsvNameTheirColumnsAndCountTheirRows) {
  Records made = records("csv", file("name,\"size, in mm\"\r\n\"a \"\"b\"\"\",1\r\n\r\n\"two\nlines\",\n"));
  EXPECT_THAT(made.variables(), ElementsAre("k", "name", "size, in mm"));
  ASSERT_TRUE(made.select(1));
  EXPECT_EQ(made.values()[1].scalar()->text, "two\nlines");
  EXPECT_EQ(made.line(), 4U) << "the line where the row begins";
  EXPECT_FALSE(made.select(2));
  ASSERT_TRUE(made.select(0)) << "it can be read again";
  EXPECT_EQ(made.values()[0].scalar()->text, "1");
  EXPECT_EQ(made.values()[1].scalar()->text, "a \"b\"");
  EXPECT_TRUE(made.counts(0));
  EXPECT_FALSE(made.counts(1));
}

TEST_F(Files, OfCsvMayCallAColumnAsTheKey) {
  Records made = records("csv", file("k,x\n5,6\n"));
  EXPECT_THAT(made.variables(), ElementsAre("k", "x"));
  EXPECT_FALSE(made.counts(0));
  ASSERT_TRUE(made.select(0));
  EXPECT_EQ(made.values()[0].scalar()->text, "5");
}

TEST_F(Files, OfCsvThatAreWrongAreToldWithTheLine) {
  EXPECT_EQ(error("csv", ""), "f: this file is empty; the first line of a CSV file has the names of its columns");
  EXPECT_EQ(error("csv", "a,b\n1,2\n3\n"), "f:3: this row has 1 field, and the first line names 2 columns");
  EXPECT_EQ(error("csv", "a,b\n\"x\ny\",2\n3,4,5\n"), "f:4: this row has 3 fields, and the first line names 2 columns");
  EXPECT_THAT(error("csv", "a,b,a\n1,2,3\n"), HasSubstr("f:1: the name `a` stands here twice"));
  EXPECT_THAT(error("csv", "a,,b\n1,2,3\n"), HasSubstr("f:1: `` cannot be a variable"));
  EXPECT_THAT(error("csv", "a,b\n1,x\"y\"\n"), HasSubstr("f:2: field 2 has a quote in its middle"));
  EXPECT_THAT(error("csv", "a,b\n1,\"x\" y\n"), HasSubstr("f:2: behind the closing quote of field 2"));
  EXPECT_EQ(error("csv", "a,b\n1,\"x\n2,y\n"), "f:2: the quote that is opened in this record is never closed");
  EXPECT_EQ(error("csv", "a,b\n1,2\n3,\xff\n"), "f:3: this line is not UTF-8; save the file as UTF-8");
}

TEST_F(Files, OfJsonLinesKeepTheTypesAndTheDigits) {
  Records made = records(
      "jsonl",
      file("{\"s\": \"5\", \"n\": 12345678901234567890123, \"f\": 0.10, \"b\": true, \"z\": null, \"l\": [1, {\"x\": 2}]}\n"
           "\n{\"n\": -3, \"s\": \"\\u00e9\", \"f\": 1e3, \"b\": false, \"z\": 1, \"l\": []}"));
  EXPECT_THAT(made.variables(), ElementsAre("k", "s", "n", "f", "b", "z", "l"));
  ASSERT_TRUE(made.select(0));
  EXPECT_FALSE(made.values()[1].scalar()->plain);
  EXPECT_EQ(made.values()[2].scalar()->text, "12345678901234567890123");
  EXPECT_EQ(made.values()[3].scalar()->text, "0.10");
  EXPECT_TRUE(made.values()[5].is_null());
  EXPECT_EQ(made.values()[6].sequence()->size(), 2U);
  ASSERT_TRUE(made.select(1));
  EXPECT_EQ(made.values()[0].scalar()->text, "2");
  EXPECT_EQ(made.values()[1].scalar()->text, "\xC3\xA9");
  EXPECT_EQ(made.values()[2].scalar()->text, "-3");
  EXPECT_FALSE(made.select(2));
}

TEST_F(Files, OfJsonLinesThatAreWrongAreToldWithTheLine) {
  EXPECT_THAT(error("jsonl", "{\"a\": 1}\n{\"a\": 1\n"), HasSubstr("f:2: this is no JSON, from byte"));
  EXPECT_THAT(error("jsonl", "{\"a\": 1}\n[1]\n"), HasSubstr("f:2: a JSON object was expected"));
  EXPECT_THAT(error("jsonl", "{\"a\": 1}\n{\"b\": 1}\n"), HasSubstr("f:2: the key `b` does not stand in the first object"));
  EXPECT_THAT(error("jsonl", "{\"a\": 1, \"b\": 2}\n{\"b\": 1}\n"),
              HasSubstr("f:2: the key `a` of the first object is missing"));
  EXPECT_THAT(error("jsonl", "{\"a\": 1, \"a\": 2}\n"), HasSubstr("f:1: the key `a` stands here twice"));
  EXPECT_THAT(error("jsonl", "{\"a\": " + std::string(100'000, '[') + "\n"), HasSubstr("nested more than 64 deep"));
  EXPECT_THAT(error("jsonl", "{\"a\": \"\xff\"}\n"), HasSubstr("f:1: this line is not UTF-8"));
}

TEST_F(Files, ThatCannotBeReadAreNamedWhereTheyAreWritten) {
  EXPECT_THAT(error("lines", std::string("a\nb\0c\n", 6)), HasSubstr("f:2: a NUL character"));
  const auto opening = [](const std::string& path) {
    try {
      static_cast<void>(records("lines", path));
    } catch (const BadBatch& bad) {
      return bad.message("jobs.yaml");
    }
    return std::string("no error");
  };
  EXPECT_THAT(opening("no-such-file"), HasSubstr("jobs.yaml:3:7: the file `no-such-file` cannot be opened: No such file"));
  EXPECT_THAT(opening("/tmp"), HasSubstr("jobs.yaml:3:7: `/tmp` is a folder"));
  EXPECT_THAT(opening(""), HasSubstr("must name a file"));
}

TEST_F(Files, WithARecordLongerThanAnyIsNotReadOn) {
  EXPECT_THAT(error("lines", std::string(RecordReader::kLongest + (std::size_t{1} << 20), 'x')),
              HasSubstr("f:1: this record is longer than 16 MiB"));
  EXPECT_THAT(error("csv", "a\n\"" + std::string(RecordReader::kLongest + (std::size_t{1} << 20), '\n')),
              HasSubstr("f:2: this record is longer than 16 MiB, or its quote is never closed"));
}

TEST(RecordReader, OfAPipeWaitsOnlyWhileNoWholeRecordIsThere) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  RecordReader reader("/dev/fd/" + std::to_string(ends[0]), RecordEnd::newline, {});
  const auto write = [&](std::string_view text) {
    ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  };
  std::string_view record;
  EXPECT_FALSE(reader.again());
  EXPECT_TRUE(reader.waits());
  write("on");
  EXPECT_TRUE(reader.waits());
  write("e\ntwo\nthr");
  EXPECT_FALSE(reader.waits());
  EXPECT_FALSE(reader.waits()) << "asking changes nothing";
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(record, "one");
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(record, "two");
  EXPECT_TRUE(reader.waits());
  ::close(ends[1]);
  EXPECT_FALSE(reader.waits());
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(record, "thr");
  EXPECT_FALSE(reader.next(record));
  ::close(ends[0]);
}

TEST(RecordReader, TakesNoMoreFromAPipeThanItNeeds) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  RecordReader reader("/dev/fd/" + std::to_string(ends[0]), RecordEnd::newline, {});
  const std::string block(std::size_t{64} << 10, '\n');
  std::string_view record;
  std::uint64_t written = 0, read = 0;
  // Each block that is written holds 65536 records; the pipe itself holds one block.
  for (int turn = 0; turn < 4; ++turn) {
    written += static_cast<std::uint64_t>(::write(ends[1], block.data(), block.size()));
    ASSERT_FALSE(reader.waits());
    while (!reader.waits() && reader.next(record)) ++read;
    EXPECT_EQ(read, written);
  }
  ::close(ends[1]);
  ::close(ends[0]);
}

}  // namespace
}  // namespace runner::config
