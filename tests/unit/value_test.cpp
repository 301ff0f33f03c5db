// What a person wrote, shown back in a message, and the word they may have meant; what is text and what may be printed.
#include <gtest/gtest.h>

#include <runner/utf8.hpp>
#include <runner/value.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace runner {
namespace {

Value scalar(std::string text, bool plain = true) { return {Scalar{std::move(text), plain}, {}}; }

TEST(Found, TellsAScalarFromAListFromAMappingFromNothing) {
  EXPECT_EQ(found(scalar("abc")), "`abc`");
  EXPECT_EQ(found(scalar("5", false)), "the text \"5\"");
  EXPECT_EQ(found({Sequence{}, {}}), "a list");
  EXPECT_EQ(found({Mapping{}, {}}), "a mapping");
  for (const char* nothing : {"", "~", "null"}) EXPECT_EQ(found(scalar(nothing)), "nothing");
  EXPECT_EQ(found(scalar("null", false)), "the text \"null\"");
}

TEST(Found, ShowsOneLineOfAtMostSixtyBytesThatNeverCutsACharacter) {
  EXPECT_EQ(found(scalar("a\nb\tc\x7f")), "`a b c `");
  std::string umlauts;
  for (int i = 0; i < 50; ++i) umlauts += "\u00e4";
  for (const std::string& text : {std::string(61, 'x'), umlauts, "x" + umlauts}) {
    const std::string shown = found(scalar(text));
    EXPECT_TRUE(is_printable(shown)) << shown;
    EXPECT_TRUE(shown.ends_with("...`")) << shown;
    EXPECT_LE(shown.size(), 60 + std::string_view("`...`").size());
  }
}

TEST(NearMiss, FindsASlipOfTheFingers) {
  const std::vector<std::string_view> keys{"timeout", "retries", "matrix", "kind", "args"};
  EXPECT_EQ(near_miss("timout", keys), "timeout");
  EXPECT_EQ(near_miss("timeuot", keys), "timeout");
  EXPECT_EQ(near_miss("retry", keys), "");
  EXPECT_EQ(near_miss("retrie", keys), "retries");
  EXPECT_EQ(near_miss("matrx", keys), "matrix");
  EXPECT_EQ(near_miss("knid", keys), "kind");
}

TEST(NearMiss, StaysSilentWhenNothingIsNear) {
  const std::vector<std::string_view> keys{"timeout", "kind", "a"};
  EXPECT_EQ(near_miss("completely", keys), "");
  EXPECT_EQ(near_miss("", keys), "");
  EXPECT_EQ(near_miss("b", keys), "");
  EXPECT_EQ(near_miss("timeout", {}), "");
  EXPECT_EQ(near_miss(std::string(100'000, 'x'), keys), "") << "and does not spend a minute on it";
}

TEST(Utf8, KnowsEachLengthAndRefusesWhatIsOverlongOrASurrogateOrCutOff) {
  EXPECT_EQ(utf8_length("a"), 1U);
  EXPECT_EQ(utf8_length("\u00e4"), 2U);
  EXPECT_EQ(utf8_length("\u20ac"), 3U);
  EXPECT_EQ(utf8_length("\U0001f600"), 4U);
  EXPECT_EQ(utf8_length(""), 0U);
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xe2\x82",
                          "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_EQ(utf8_length(bad), 0U);
    EXPECT_FALSE(is_utf8(std::string("text ") + bad));
  }
  EXPECT_TRUE(is_utf8("Gr\u00fc\u00dfe \U0001f600\n"));
}

TEST(Printable, IsTextThatMovesNoCursor) {
  EXPECT_TRUE(is_printable("Gr\u00fc\u00dfe \U0001f600"));
  EXPECT_TRUE(is_printable(""));
  for (const char* bad : {"a\nb", "\x1b[2J", "\x7f", "\u009b1m", "\u0085", "\xff"}) EXPECT_FALSE(is_printable(bad));
  EXPECT_FALSE(is_printable(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace runner
