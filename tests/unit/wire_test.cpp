// The binary form of arguments and results: what comes back, and what is refused.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <runner/arg.hpp>
#include <runner/wire.hpp>
#include <string>
#include <variant>
#include <vector>

namespace runner {
namespace {

struct Inner {
  std::string name;
  std::optional<double> weight;
  bool operator==(const Inner&) const = default;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(name), CEREAL_NVP(weight));
  }
};
struct Everything {
  bool yes = false;
  std::int8_t small = 0;
  std::uint64_t large = 0;
  double real = 0;
  std::string text;
  Duration time{};
  Bytes size{};
  std::vector<Inner> inners;
  std::vector<bool> bits;
  std::map<std::string, std::vector<std::int32_t>> table;
  std::variant<std::int32_t, std::string> either;
  bool operator==(const Everything&) const = default;
  template <class A>
  void serialize(A& a) {
    a(arg("yes", yes, ""), arg("small", small, "").range(-5, 5), arg("large", large, "").or_default(3), arg("real", real, ""),
      arg("text", text, "").or_default("x"), arg("time", time, ""), arg("size", size, ""), CEREAL_NVP(inners), CEREAL_NVP(bits),
      CEREAL_NVP(table), CEREAL_NVP(either));
  }
};

Everything sample() {
  return {true,
          -5,
          std::numeric_limits<std::uint64_t>::max(),
          -0.1,
          std::string("zero \0 inside", 13),
          std::chrono::milliseconds(1500),
          {std::uint64_t{1} << 40},
          {{"a", 1.5}, {"b", {}}},
          {true, false, true},
          {{"", {}}, {"key", {1, -2, 3}}},
          "word"};
}

TEST(Wire, GivesBackEveryValueItTook) {
  const Everything value = sample();
  EXPECT_EQ(from_wire<Everything>(as_bytes(to_wire(value))), value);
  EXPECT_EQ(from_wire<Everything>(as_bytes(to_wire(Everything{}))), Everything{});
}

TEST(Wire, GivesBackValuesLargerThanItsFirstBuffer) {
  for (const std::size_t bytes : {254U, 255U, 256U, 257U, 5'000'000U}) {
    const std::string text(bytes, 'x');
    EXPECT_EQ(from_wire<std::string>(as_bytes(to_wire(text))), text);
  }
}

TEST(Wire, TellsTheSizeThatIsNeededWithoutWritingPastItsSpan) {
  std::byte buffer[8];
  std::fill(std::begin(buffer), std::end(buffer), std::byte{0xee});
  WireWriter out{std::span(buffer).first(4)};
  out(std::string("abcdef"));
  EXPECT_FALSE(out.fits());
  EXPECT_EQ(out.size(), 7U);
  for (std::size_t i = 4; i < 8; ++i) EXPECT_EQ(buffer[i], std::byte{0xee});
}

TEST(Wire, RefusesAMessageCutOffAtAnyByte) {
  const std::string wire = to_wire(sample());
  for (std::size_t length = 0; length < wire.size(); ++length) {
    EXPECT_THROW(static_cast<void>(from_wire<Everything>(as_bytes(wire.substr(0, length)))), std::exception) << length;
  }
  EXPECT_THROW(static_cast<void>(from_wire<Everything>(as_bytes(wire + '\0'))), WireError);
}

TEST(Wire, RefusesASizeThatItsMessageCannotHold) {
  // Each claims far more elements than there are bytes; none may make the reader allocate them.
  for (const std::string& wire : {std::string("\x05hell"), std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                                  std::string("\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), std::string("\x80\x80\x80\x80\x40")}) {
    EXPECT_THROW(static_cast<void>(from_wire<std::string>(as_bytes(wire))), WireError);
    EXPECT_THROW(static_cast<void>(from_wire<std::vector<std::uint64_t>>(as_bytes(wire))), WireError);
    EXPECT_THROW(static_cast<void>((from_wire<std::map<std::string, std::string>>(as_bytes(wire)))), WireError);
  }
}

TEST(Wire, RefusesASizeOfMoreThanSixtyFourBits) {
  EXPECT_THROW(static_cast<void>(from_wire<std::string>(as_bytes("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"))), WireError);
  EXPECT_THROW(static_cast<void>(from_wire<std::string>(as_bytes(std::string(11, '\x80')))), WireError);
}

TEST(Wire, RefusesATruthValueThatIsNone) {
  EXPECT_TRUE(from_wire<bool>(as_bytes("\x01")));
  EXPECT_THROW(static_cast<void>(from_wire<bool>(as_bytes("\x02"))), WireError);
}

TEST(Wire, RefusesAnAlternativeThatDoesNotExist) {
  using Either = std::variant<std::int32_t, std::string>;
  std::string wire = to_wire(Either("word"));
  wire[0] = 7;
  EXPECT_THROW(static_cast<void>(from_wire<Either>(as_bytes(wire))), std::exception);
}

}  // namespace
}  // namespace runner
