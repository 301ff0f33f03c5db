// Arguments of a kind: read from what a person wrote, described for the table, and printed as JSON, all from one serialize.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <runner/describe_type.hpp>
#include <runner/job.hpp>
#include <runner/registry.hpp>
#include <string>
#include <vector>

namespace runner {
namespace {

using testing::HasSubstr;

struct Corner {
  double x = 0, y = 0;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(x), CEREAL_NVP(y));
  }
};
struct ShapeArgs {
  std::uint64_t limit{};
  std::int8_t small{};
  double scale{};
  bool filled{};
  std::string colour;
  Duration time{};
  Bytes size{};
  InputPath source;
  std::optional<std::uint32_t> seed;
  std::vector<Corner> corners;
  std::map<std::string, std::int32_t> weights;
  template <class A>
  void serialize(A& a) {
    a(arg("limit", limit, "how far").range(1, 1000), arg("small", small, "a few").or_default(7),
      arg("scale", scale, "how large").or_default(1.5).range(0.5, 2), arg("filled", filled, "").or_default(true),
      arg("colour", colour, "of the line").or_default("red").one_of({"red", "green", "blue"}),
      arg("time", time, "").or_default(std::chrono::seconds(2)).unit("per corner"),
      arg("size", size, "").or_default(Bytes{65'536}).range(Bytes{1}, Bytes{1 << 20}),
      arg("source", source, "a file").or_default("none.txt"), arg("seed", seed, "random without one"),
      arg("corners", corners, "").or_default({}), arg("weights", weights, "").or_default({}));
  }
};
struct Shape {
  ShapeArgs args;
  double not_a_number = std::nan("");
  std::optional<std::string> nothing;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(args), CEREAL_NVP(not_a_number), CEREAL_NVP(nothing));
  }
};
Shape shape(const ShapeArgs& args, JobContext&) { return {args, std::nan(""), {}}; }

struct NoArgs {
  template <class A>
  void serialize(A&) {}
};
NoArgs nothing(const NoArgs&, JobContext&) { return {}; }

}  // namespace
}  // namespace runner

RUNNER_JOB("test_shape", runner::shape, "Gives back what it got.")
RUNNER_JOB("test_nothing", runner::nothing, "Does nothing.")

namespace runner {
namespace {

const Position kHere{7, 3};

Value plain(std::string text) { return {Scalar{std::move(text), true}, {8, 5}}; }
Value quoted(std::string text) { return {Scalar{std::move(text), false}, {8, 5}}; }
Value mapping(std::vector<std::pair<std::string, Value>> items) {
  Mapping all;
  for (auto& [key, value] : items) all.emplace_back(Scalar{key, true}, std::move(value));
  return {std::move(all), kHere};
}

ShapeArgs read(std::vector<std::pair<std::string, Value>> items) {
  ShapeArgs args;
  const Value value = mapping(std::move(items));
  ValueReader reader(value, "kind `test_shape`");
  reader(args);
  reader.finish();
  return args;
}
// The message for one argument besides the required one, and that it stands where the person wrote it.
std::string error(const std::string& name, Value value) {
  try {
    std::vector<std::pair<std::string, Value>> items{{name, std::move(value)}};
    if (name != "limit") items.insert(items.begin(), {"limit", plain("1")});
    static_cast<void>(read(std::move(items)));
    return "no error";
  } catch (const ValueError& wrong) {
    EXPECT_EQ(wrong.at.line, 8U) << wrong.text;
    return wrong.text;
  }
}

TEST(Arguments, TakeTheirDefaultsWhenTheyAreNotGiven) {
  const ShapeArgs args = read({{"limit", plain("12")}});
  EXPECT_EQ(args.limit, 12U);
  EXPECT_EQ(args.small, 7);
  EXPECT_EQ(args.scale, 1.5);
  EXPECT_TRUE(args.filled);
  EXPECT_EQ(args.colour, "red");
  EXPECT_EQ(args.time, std::chrono::seconds(2));
  EXPECT_EQ(args.size, Bytes{65'536});
  EXPECT_EQ(args.source.text, "none.txt");
  EXPECT_FALSE(args.seed.has_value());
  EXPECT_TRUE(args.corners.empty());
}

TEST(Arguments, AreReadInAnyOrderAndAnySpelling) {
  const ShapeArgs args = read({{"weights", mapping({{"a", plain("-1")}, {"b", plain("+2")}})},
                               {"corners", {Sequence{mapping({{"y", plain("1e3")}, {"x", plain("-.5")}})}, {8, 5}}},
                               {"seed", plain("0x1F")},
                               {"source", plain("data.bin")},
                               {"size", plain("2KiB")},
                               {"time", plain("1.5s")},
                               {"colour", quoted("blue")},
                               {"filled", plain("False")},
                               {"scale", plain("2")},
                               {"small", plain("-128")},
                               {"limit", plain("1e3")}});
  EXPECT_EQ(args.limit, 1000U);
  EXPECT_EQ(args.small, -128);
  EXPECT_EQ(args.scale, 2);
  EXPECT_FALSE(args.filled);
  EXPECT_EQ(args.time, std::chrono::milliseconds(1500));
  EXPECT_EQ(args.size, Bytes{2048});
  EXPECT_EQ(args.seed, 31U);
  ASSERT_EQ(args.corners.size(), 1U);
  EXPECT_EQ(args.corners[0].x, -0.5);
  EXPECT_EQ(args.corners[0].y, 1000);
  EXPECT_EQ(args.weights.at("b"), 2);
}

TEST(Arguments, OfAWholeNumberAreReadToTheirLastValueAndNoFurther) {
  const auto whole = [](const std::string& text) { return read_unsigned(plain(text), "n", UINT64_MAX); };
  const auto integer = [](const std::string& text) { return read_signed(plain(text), "n", INT64_MIN, INT64_MAX); };
  EXPECT_EQ(whole("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(whole("010"), 10U) << "a leading zero changes nothing";
  EXPECT_EQ(whole("0o17"), 15U);
  EXPECT_EQ(whole("-0"), 0U);
  EXPECT_EQ(whole("2.50e2"), 250U);
  EXPECT_EQ(integer("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(integer("9223372036854775807"), INT64_MAX);
  for (const char* text :
       {"18446744073709551616", "-1", "1e19", "1e400", "1.5", "0x", "0xg", "", "1_000", "--1", "1 2", ".5", "NaN"}) {
    EXPECT_THROW(static_cast<void>(whole(text)), ValueError) << text;
  }
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "-1e400"}) {
    EXPECT_THROW(static_cast<void>(integer(text)), ValueError) << text;
  }
}

TEST(Arguments, ThatAreIllTypedSayWhatWasFoundAndWhatIsExpected) {
  EXPECT_EQ(error("limit", plain("abc")), "`limit` must be a whole number, found `abc`");
  EXPECT_EQ(error("limit", quoted("5")), "`limit` must be a whole number, found the text \"5\" (write it without quotes)");
  EXPECT_THAT(error("limit", plain("-1")), HasSubstr("a whole number from 0 to 18446744073709551615"));
  EXPECT_EQ(error("limit", plain("1001")), "`limit` must be from 1 to 1000, found `1001`");
  EXPECT_THAT(error("small", plain("128")), HasSubstr("from -128 to 127"));
  EXPECT_THAT(error("scale", plain("1e400")), HasSubstr("a number of at most"));
  EXPECT_EQ(error("scale", plain("inf")), "`scale` must be a number, found `inf`");
  EXPECT_EQ(error("scale", plain("0.25")), "`scale` must be from 0.5 to 2, found `0.25`");
  EXPECT_EQ(error("filled", plain("yes")), "`filled` must be true or false, found `yes`");
  EXPECT_EQ(error("colour", {Sequence{}, {8, 5}}), "`colour` must be text, found a list");
  EXPECT_EQ(error("colour", plain("gren")), "`colour` must be one of red, green, blue, found `gren`; did you mean `green`?");
  EXPECT_THAT(error("time", plain("60")), HasSubstr("`time`: `60` is no duration"));
  EXPECT_THAT(error("size", plain("2MiB")), HasSubstr("must be from 1 B to 1.00 MiB"));
  EXPECT_EQ(error("corners", plain("5")), "`corners` must be a list, found `5`");
  EXPECT_EQ(error("weights", plain("")), "`weights` must be a mapping, found nothing");
  EXPECT_THAT(error("weights", {Mapping{{Scalar{"a"}, plain("x")}}, {8, 5}}), HasSubstr("`weights.a` must be a whole number"));
}

TEST(Arguments, ThatDoNotExistAreRefusedWithANearMiss) {
  EXPECT_EQ(error("colur", plain("red")), "kind `test_shape` has no argument `colur`; did you mean `colour`?");
  EXPECT_THAT(error("zzzzzzzz", plain("1")), HasSubstr("it takes: limit, small, scale"));
}

TEST(Arguments, ThatAreMissingAreNamedWithTheirDescription) {
  try {
    static_cast<void>(read({}));
    FAIL();
  } catch (const ValueError& wrong) {
    EXPECT_EQ(wrong.text, "kind `test_shape` needs the argument `limit` (how far)");
    EXPECT_EQ(wrong.at.line, kHere.line);
  }
}

TEST(Kind, WithoutArgumentsTakesNoneOrAnEmptyMapping) {
  const Registry registry;
  const Kind* kind = registry.find("test_nothing");
  ASSERT_NE(kind, nullptr);
  EXPECT_EQ(kind->encode_args({Mapping{}, {}}, "kind `test_nothing`"), "");
  EXPECT_EQ(kind->encode_args({Scalar{}, {}}, "kind `test_nothing`"), "");
  EXPECT_TRUE(kind->arguments().empty());
  try {
    static_cast<void>(kind->encode_args(mapping({{"x", plain("1")}}), "kind `test_nothing`"));
    FAIL();
  } catch (const ValueError& wrong) {
    EXPECT_THAT(wrong.text, HasSubstr("it takes none"));
  }
  EXPECT_THROW(static_cast<void>(kind->encode_args(plain("5"), "kind `test_nothing`")), ValueError);
  JobContext context;
  EXPECT_EQ(kind->result_json(as_bytes(kind->call({}, context))), "{}");
}

TEST(Kind, DescribesItsArgumentsFromTheSameFunction) {
  const std::vector<FieldInfo> fields = describe_fields<ShapeArgs>();
  ASSERT_EQ(fields.size(), 11U);
  const auto field = [&](const std::string& name) {
    return *std::find_if(fields.begin(), fields.end(), [&](const FieldInfo& info) { return info.name == name; });
  };
  EXPECT_EQ(field("limit").type, "whole number");
  EXPECT_TRUE(field("limit").required);
  ASSERT_TRUE(field("limit").range.has_value());
  EXPECT_EQ(field("limit").range->high, "1000");
  EXPECT_EQ(field("small").default_text, "7");
  EXPECT_FALSE(field("small").required);
  EXPECT_EQ(field("scale").type, "number");
  EXPECT_EQ(field("filled").type, "truth value");
  EXPECT_EQ(field("filled").default_text, "true");
  EXPECT_EQ(field("colour").choices, (std::vector<std::string>{"red", "green", "blue"}));
  EXPECT_EQ(field("time").type, "duration");
  EXPECT_EQ(field("time").unit, "per corner");
  EXPECT_EQ(field("size").default_text, "64.0 KiB");
  EXPECT_TRUE(field("source").is_input_path);
  EXPECT_FALSE(field("seed").required);
  EXPECT_EQ(field("seed").type, "whole number");
  EXPECT_EQ(field("corners").type, "list of {x, y}");
  EXPECT_EQ(field("weights").type, "mapping to whole number");
}

TEST(Kind, PrintsItsResultAsOneLineOfJson) {
  const Registry registry;
  const Kind* kind = registry.find("test_shape");
  ASSERT_NE(kind, nullptr);
  const Value args = mapping({{"limit", plain("3")}, {"source", quoted("not utf-8: \xff\n")}});
  JobContext context;
  const std::string json = kind->result_json(as_bytes(kind->call(as_bytes(kind->encode_args(args, "test_shape")), context)));
  EXPECT_EQ(json.find('\n'), std::string::npos);
  const Json read_again = Json::parse(json);
  EXPECT_EQ(read_again["args"]["limit"], 3);
  EXPECT_EQ(read_again["args"]["time"], 2.0);
  EXPECT_EQ(read_again["args"]["size"], 65'536);
  EXPECT_TRUE(read_again["not_a_number"].is_null());
  EXPECT_TRUE(read_again["nothing"].is_null());
}

}  // namespace
}  // namespace runner
