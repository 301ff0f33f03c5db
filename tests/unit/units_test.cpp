// Durations and sizes as people write them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <runner/units.hpp>
#include <string>

namespace runner {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

void expect_duration(const std::string& text, Duration wanted) {
  const Result<Duration> read = parse_duration(text);
  ASSERT_TRUE(read.has_value()) << text << ": " << read.error().text;
  EXPECT_EQ(*read, wanted) << text;
}
void expect_size(const std::string& text, std::uint64_t wanted) {
  const Result<Bytes> read = parse_size(text);
  ASSERT_TRUE(read.has_value()) << text << ": " << read.error().text;
  EXPECT_EQ(read->count, wanted) << text;
}

TEST(Duration, IsANumberAndItsUnit) {
  expect_duration("1ns", 1ns);
  expect_duration("200us", 200us);
  expect_duration("15ms", 15ms);
  expect_duration("90s", 90s);
  expect_duration("2m", 2min);
  expect_duration("3h", 3h);
  expect_duration("1d", 24h);
  expect_duration("0s", 0s);
}

TEST(Duration, MayHaveAFractionAndIsRoundedToWholeNanoseconds) {
  expect_duration("1.5s", 1500ms);
  expect_duration("0.25h", 15min);
  expect_duration("0.4ns", 0ns);
  expect_duration("0.5ns", 1ns);
  expect_duration("0.000000001s", 1ns);
  expect_duration("0.0000000000000000000000000000000000000000001d", 0ns);
}

TEST(Duration, OfMoreThanTheClockCanHoldIsRefusedAndTheLastOneThatFitsIsNot) {
  expect_duration("9223372036854775807ns", Duration::max());
  for (const char* text : {"9223372036854775808ns", "106752d", "99999999999999999999d"}) {
    const Result<Duration> read = parse_duration(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().code, ErrorCode::bad_batch);
  }
}

TEST(Duration, OfAnyOtherFormIsRefusedWithTheFormThatIsExpected) {
  for (const char* text : {"", "60", "s", "-1s", "+1s", "1  s", " 1s", "1s ", "1,5s", "1.s", "1..5s", "1e3s", "1sec", "1S",
                           "0x10s", "inf", "nans", "99999999999999999999999999999999999999999999s"}) {
    const Result<Duration> read = parse_duration(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_THAT(read.error().text, HasSubstr("such as 90s")) << text;
  }
  EXPECT_FALSE(parse_duration(std::string_view("1s\0", 3)).has_value());
}

TEST(Size, IsANumberAndAUnitOfTenOrOfTwo) {
  expect_size("17B", 17);
  expect_size("1kB", 1000);
  expect_size("64MiB", std::uint64_t{64} << 20);
  expect_size("1.5GiB", std::uint64_t{3} << 29);
  expect_size("2TB", 2'000'000'000'000);
  expect_size("0.5KiB", 512);
  expect_size("18446744073709551615B", UINT64_MAX);
}

TEST(Size, OfHalfAByteOrOfMoreThanThereCanBeIsRefused) {
  for (const char* text : {"0.5B", "0.0001kB", "18446744073709551616B", "16777216TiB", "64", "64mb", "MiB", "-1B", "1  MiB"}) {
    const Result<Bytes> read = parse_size(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().code, ErrorCode::bad_batch);
  }
}

TEST(Duration, IsShownWithThreeDigitsThatAPersonReads) {
  EXPECT_EQ(format_duration(0ns), "0 ns");
  EXPECT_EQ(format_duration(812ns), "812 ns");
  EXPECT_EQ(format_duration(999ns), "999 ns");
  EXPECT_EQ(format_duration(1000ns), "1.00 us");
  EXPECT_EQ(format_duration(15'340ns), "15.3 us");
  EXPECT_EQ(format_duration(999'499us), "999 ms");
  EXPECT_EQ(format_duration(999'999us), "1.00 s");
  EXPECT_EQ(format_duration(2400ms), "2.40 s");
  EXPECT_EQ(format_duration(119s), "119 s");
  EXPECT_EQ(format_duration(192s), "3 min 12 s");
  EXPECT_EQ(format_duration(2h), "2 h 0 min");
  EXPECT_EQ(format_duration(75h), "3 d 3 h");
  EXPECT_EQ(format_duration(-15ms), "-15.0 ms");
}

TEST(Size, IsShownInPowersOfTwo) {
  EXPECT_EQ(format_size({17}), "17 B");
  EXPECT_EQ(format_size({1023}), "1023 B");
  EXPECT_EQ(format_size({65'536}), "64.0 KiB");
  EXPECT_EQ(format_size({1'048'575}), "1.00 MiB");
  EXPECT_EQ(format_size({std::uint64_t{3} << 29}), "1.50 GiB");
  EXPECT_EQ(format_size({UINT64_MAX}), "16.0 EiB");
}

}  // namespace
}  // namespace runner
