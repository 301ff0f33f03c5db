// The built-in kinds, called as the program calls them: written arguments -> wire -> function -> wire -> JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <runner/async_job.hpp>
#include <runner/describe_type.hpp>
#include <runner/job.hpp>
#include <runner/registry.hpp>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jobs/kinds/split_mix64.hpp"

namespace runner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

using Written = std::vector<std::pair<std::string, std::string>>;

const Kind& kind(std::string_view name) {
  static const Registry all;
  const Kind* found = all.find(name);
  if (found == nullptr) throw std::logic_error("there is no kind " + std::string(name));
  return *found;
}

std::string encode(std::string_view name, const Written& written) {
  Mapping arguments;
  for (const auto& [key, text] : written) arguments.emplace_back(Scalar{key, true}, Value{Scalar{text, !text.empty()}, {}});
  return kind(name).encode_args(Value{arguments, {}}, "kind `" + std::string(name) + "`");
}

std::string text_of(std::string_view name, const Written& written, JobContext context = {}) {
  const std::string args = encode(name, written);
  const std::string result = kind(name).call(as_bytes(args), context);
  return kind(name).result_json(as_bytes(result));
}
nlohmann::json run(std::string_view name, const Written& written) { return nlohmann::json::parse(text_of(name, written)); }

// What is said about arguments that are refused.
std::string refusal(std::string_view name, const Written& written) {
  try {
    (void)encode(name, written);
    return "no error";
  } catch (const ValueError& error) {
    return error.text;
  }
}
// What a job that fails throws.
std::string failure(std::string_view name, const Written& written, const JobContext& context = {}) {
  try {
    return "no error: " + text_of(name, written, context);
  } catch (const std::exception& error) {
    return error.what();
  }
}

class Folder : public testing::Test {
 protected:
  Folder() { std::filesystem::create_directory(path_); }
  ~Folder() override { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string in(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) found.push_back(entry.path().filename().string());
    return found;
  }

 private:
  std::filesystem::path path_ = std::filesystem::temp_directory_path() / ("runner-kinds-test-" + std::to_string(::getpid()));
};
using Sha256 = Folder;
using Mandelbrot = Folder;

const std::vector<std::string_view> kBuiltIn{"count_bytes",    "echo",  "mandelbrot", "matmul",      "misbehave",
                                             "monte_carlo_pi", "noop",  "nqueens",    "power",       "primes",
                                             "sha256",         "sleep", "spin",       "sum_squares", "tally"};

TEST(Kinds, AreAllRegistered) { EXPECT_THAT(Registry().names(), testing::IsSupersetOf(kBuiltIn)); }

TEST(Kinds, SayWhatTheyDoAndWhatEachArgumentMeans) {
  for (const std::string_view name : kBuiltIn) {
    EXPECT_TRUE(kind(name).description.ends_with('.')) << name;
    for (const FieldInfo& field : kind(name).arguments()) EXPECT_FALSE(field.description.empty()) << name << " " << field.name;
  }
}

TEST(Kinds, ThatRunLongEndSoonWhenTheyAreAskedToStop) {
  std::stop_source stop;
  stop.request_stop();
  SharedCount counter{0};
  const std::string text(100, 'x');
  Shared shared;
  shared.add("counter", &counter);
  shared.add("text", std::as_bytes(std::span(text)));
  const JobContext stopped(JobId{}, Attempt{1}, stop.get_token(), &shared);
  const std::string picture = (std::filesystem::temp_directory_path() / "runner-never-painted.png").string();
  const std::vector<std::pair<std::string, Written>> jobs{
      {"spin", {{"duration", "1h"}}},
      {"sleep", {{"duration", "1h"}}},
      {"primes", {{"limit", "1000000000000"}}},
      {"sum_squares", {{"n", "3810777"}}},
      {"monte_carlo_pi", {{"seed", "1"}, {"samples", "1000000000000"}}},
      {"power", {{"base", "999999"}, {"exponent", "100000"}}},
      {"matmul", {{"n", "500"}, {"seed", "1"}}},
      {"nqueens", {{"n", "20"}}},
      {"mandelbrot", {{"file", picture}}},
      {"sha256", {{"path", "/dev/zero"}}},
      {"misbehave", {{"how", "leak"}, {"limit", "1TiB"}}},
      {"tally", {{"counter", "counter"}, {"times", "1000000000000"}}},
      {"count_bytes", {{"shared", "text"}, {"byte", "120"}}},
  };
  for (const auto& [name, written] : jobs) EXPECT_THAT(failure(name, written, stopped), StartsWith("stopped")) << name;
  EXPECT_FALSE(std::filesystem::exists(picture));
}

TEST(Arguments, OutOfTheirRangeAreRefusedWithTheRange) {
  EXPECT_EQ(refusal("primes", {{"limit", "1000000000001"}}), "`limit` must be from 0 to 1000000000000, found `1000000000001`");
  EXPECT_EQ(refusal("echo", {{"bytes", "257MiB"}}), "`bytes` must be from 0 B to 256 MiB, found `257MiB`");
  EXPECT_EQ(refusal("sum_squares", {{"n", "3810778"}}), "`n` must be from 0 to 3810777, found `3810778`");
  EXPECT_EQ(refusal("nqueens", {{"n", "0"}}), "`n` must be from 1 to 20, found `0`");
}

TEST(Arguments, ThatAreMissingUnknownOrIllTypedAreRefusedByName) {
  EXPECT_EQ(refusal("primes", {}), "kind `primes` needs the argument `limit` (primes below this are counted)");
  EXPECT_EQ(refusal("primes", {{"limit", "5"}, {"limt", "6"}}), "kind `primes` has no argument `limt`; did you mean `limit`?");
  EXPECT_EQ(refusal("noop", {{"x", "1"}}), "kind `noop` has no argument `x`; it takes none");
  EXPECT_THAT(refusal("spin", {{"duration", "5"}}), HasSubstr("`5` is no duration"));
  EXPECT_THAT(refusal("primes", {{"limit", "-1"}}), HasSubstr("found `-1`"));
}

TEST(Arguments, WithChoicesTakeNoOtherWordAndSuggestTheNearest) {
  EXPECT_EQ(refusal("misbehave", {{"how", "segfalt"}}),
            "`how` must be one of segfault, abort, exit, throw, hang, leak, found `segfalt`; did you mean `segfault`?");
  EXPECT_EQ(refusal("misbehave", {{"how", "politely"}}),
            "`how` must be one of segfault, abort, exit, throw, hang, leak, found `politely`");
  EXPECT_EQ(refusal("misbehave", {{"how", "hang"}}), "no error");
}

TEST(Arguments, AreDescribedWithChoicesDefaultsRangesAndUnits) {
  const std::vector<FieldInfo> misbehave = kind("misbehave").arguments();
  ASSERT_EQ(misbehave.size(), 2U);
  EXPECT_THAT(misbehave[0].choices, ElementsAre("segfault", "abort", "exit", "throw", "hang", "leak"));
  EXPECT_TRUE(misbehave[0].required);
  EXPECT_THAT(misbehave[1].choices, IsEmpty());
  EXPECT_EQ(misbehave[1].default_text, "1.00 GiB");
  EXPECT_FALSE(misbehave[1].required);
  const std::vector<FieldInfo> mandelbrot = kind("mandelbrot").arguments();
  ASSERT_EQ(mandelbrot.size(), 7U);
  EXPECT_EQ(mandelbrot[3].unit, "pixels");
  EXPECT_EQ(mandelbrot[3].range->high, "8192");
  EXPECT_TRUE(kind("sha256").arguments().at(0).is_input_path);
}

// A kind of this test's own, for a default that is a text.
struct GreetArgs {
  std::string whom;
  template <class A>
  void serialize(A& a) {
    a(arg("whom", whom, "who is greeted").one_of({"the world", "nobody"}).or_default("the world"));
  }
};
TEST(Arguments, MayHaveTextsAsDefaults) {
  GreetArgs args;
  const Value none{Mapping{}, {}};
  ValueReader reader(none, "kind `greet`");
  reader(args);
  EXPECT_EQ(args.whom, "the world");
  EXPECT_EQ(describe_fields<GreetArgs>().at(0).default_text, "the world");
}

TEST(Noop, AnswersWithNothing) { EXPECT_EQ(text_of("noop", {}), "{}"); }

TEST(Spin, AnswersWithNothing) { EXPECT_EQ(text_of("spin", {{"duration", "1ms"}}), "{}"); }

TEST(Echo, AnswersWithAsManyPrintableCharactersAsAsked) {
  EXPECT_EQ(text_of("echo", {{"bytes", "3B"}}), R"({"bytes":3,"text":"ABC"})");
  EXPECT_EQ(text_of("echo", {{"bytes", "0B"}}), R"({"bytes":0,"text":""})");
  const std::string text = run("echo", {{"bytes", "1MiB"}})["text"];
  EXPECT_EQ(text.size(), 1'048'576U);
  EXPECT_EQ(text.find_first_of("\"\\ \n"), std::string::npos);
}

TEST(Sleep, GivesTheSameResultOnTheLoopAsOnAThread) {
  const std::string on_thread = text_of("sleep", {{"duration", "1ms"}});
  ASSERT_NE(kind("sleep").async, nullptr);
  boost::asio::io_context loop;
  JobContext context;
  const std::string args = encode("sleep", {{"duration", "1ms"}});
  std::string on_loop = "not ended";
  boost::asio::co_spawn(loop, kind("sleep").async->call(as_bytes(args), context),
                        [&](const std::exception_ptr& thrown, const std::string& result) {
                          on_loop = thrown ? "threw" : kind("sleep").result_json(as_bytes(result));
                        });
  loop.run();
  EXPECT_EQ(on_loop, on_thread);
}

TEST(Sleep, EndsOnTheLoopWhenItIsCancelled) {
  boost::asio::io_context loop;
  boost::asio::cancellation_signal cancel;
  JobContext context;
  const std::string args = encode("sleep", {{"duration", "1h"}});
  std::string said = "not ended";
  boost::asio::co_spawn(loop, kind("sleep").async->call(as_bytes(args), context),
                        boost::asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr thrown, const std::string&) {
                          try {
                            if (thrown) std::rethrow_exception(thrown);
                            said = "ended by itself";
                          } catch (const std::exception& error) {
                            said = error.what();
                          }
                        }));
  loop.poll();
  cancel.emit(boost::asio::cancellation_type::terminal);
  loop.run();
  EXPECT_THAT(said, StartsWith("stopped"));
}

TEST(Primes, AreCountedBelowTheLimitAndNotAtIt) {
  const auto primes = [](const char* limit) { return text_of("primes", {{"limit", limit}}); };
  EXPECT_EQ(primes("0"), R"({"count":0,"largest":0})");
  EXPECT_EQ(primes("2"), R"({"count":0,"largest":0})");
  EXPECT_EQ(primes("3"), R"({"count":1,"largest":2})");
  EXPECT_EQ(primes("7"), R"({"count":3,"largest":5})");
  EXPECT_EQ(primes("8"), R"({"count":4,"largest":7})");
  EXPECT_EQ(primes("1e6"), R"({"count":78498,"largest":999983})");
  EXPECT_EQ(primes("10000000"), R"({"count":664579,"largest":9999991})");
}

TEST(Primes, AreTheSameForEveryLimitAroundASegmentsEnd) {
  // 262 139 and 262 147 are neighbours among the primes, on both sides of the first segment's end at 2^18.
  for (const char* limit : {"262140", "262143", "262144", "262145", "262147"}) {
    EXPECT_EQ(run("primes", {{"limit", limit}})["largest"], 262'139) << limit;
  }
  EXPECT_EQ(run("primes", {{"limit", "262148"}})["largest"], 262'147);
  EXPECT_EQ(run("primes", {{"limit", "262148"}})["count"].get<int>() - run("primes", {{"limit", "262147"}})["count"].get<int>(),
            1);
}

TEST(SumSquares, AgreesWithTheFormulaUpToTheLastSumOf64Bits) {
  EXPECT_EQ(text_of("sum_squares", {{"n", "0"}}), R"({"sum":0})");
  EXPECT_EQ(text_of("sum_squares", {{"n", "10"}}), R"({"sum":385})");
  EXPECT_EQ(text_of("sum_squares", {{"n", "3810777"}}), R"({"sum":18446735571075162805})");
}

TEST(SplitMix64, GivesThePublishedNumbers) {
  SplitMix64 random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317U);
  EXPECT_EQ(random.next(), 3203168211198807973U);
  EXPECT_EQ(SplitMix64(0).next(), 0xe220'a839'7b1d'cdafU);
}

TEST(MonteCarloPi, FindsTheSamePointsOnEveryMachine) {
  EXPECT_EQ(text_of("monte_carlo_pi", {{"seed", "1"}, {"samples", "1000000"}}), R"({"pi":3.137716})");
  EXPECT_NEAR(run("monte_carlo_pi", {{"seed", "2"}, {"samples", "4000000"}})["pi"].get<double>(), 3.14159, 0.005);
}

TEST(Power, HasEveryDigit) {
  const nlohmann::json power = run("power", {{"base", "2"}, {"exponent", "2389"}});
  const std::string value = power["value"];
  EXPECT_EQ(power["digits"], 720);
  EXPECT_EQ(value.size(), 720U);
  EXPECT_THAT(value, StartsWith("14476368886229401080"));
  EXPECT_TRUE(value.ends_with("56905727194784858112")) << value;
}

TEST(Power, KnowsSignsZerosAndFullGroupsOfDigits) {
  const auto power = [](const char* base, const char* exponent) {
    return text_of("power", {{"base", base}, {"exponent", exponent}});
  };
  EXPECT_EQ(power("0", "0"), R"({"value":"1","digits":1})");
  EXPECT_EQ(power("0", "5"), R"({"value":"0","digits":1})");
  EXPECT_EQ(power("-3", "3"), R"({"value":"-27","digits":2})");
  EXPECT_EQ(power("-3", "4"), R"({"value":"81","digits":2})");
  EXPECT_EQ(power("10", "36"), R"({"value":"1)" + std::string(36, '0') + R"(","digits":37})");
  EXPECT_EQ(power("-999999", "7"), R"({"value":"-999993000020999965000034999979000006999999","digits":42})");
}

TEST(Matmul, AgreesWithThePlainTripleLoop) {
  constexpr std::size_t n = 70;  // more than a block, and not a multiple of one
  SplitMix64 random(7);
  std::vector<double> a(n * n), b(n * n);
  for (double& element : a) element = 2 * random.next_unit() - 1;
  for (double& element : b) element = 2 * random.next_unit() - 1;
  double trace = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < n; ++k) trace += a[i * n + k] * b[k * n + i];
  }
  EXPECT_NEAR(run("matmul", {{"n", "70"}, {"seed", "7"}})["trace"].get<double>(), trace, 1e-9);
}

TEST(Nqueens, AreCountedAsPublished) {
  const std::vector<std::pair<std::string, int>> known{{"1", 1}, {"2", 0}, {"3", 0}, {"4", 2}, {"8", 92}, {"10", 724}};
  for (const auto& [n, solutions] : known) EXPECT_EQ(run("nqueens", {{"n", n}})["solutions"], solutions) << n;
}

TEST_F(Sha256, IsThePublishedDigestOfAKnownText) {
  std::ofstream(in("abc")) << "abc";
  std::ofstream(in("empty")).flush();
  EXPECT_EQ(text_of("sha256", {{"path", in("abc")}}),
            R"({"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","bytes":3})");
  EXPECT_EQ(text_of("sha256", {{"path", in("empty")}}),
            R"({"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","bytes":0})");
}

TEST_F(Sha256, IsTheSameForAFileThatIsReadInManyPieces) {
  std::ofstream(in("million")) << std::string(1'000'000, 'a');
  EXPECT_EQ(run("sha256", {{"path", in("million")}})["sha256"],
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_F(Sha256, NamesTheFileThatCannotBeRead) {
  EXPECT_EQ(failure("sha256", {{"path", in("missing")}}),
            "cannot read the file `" + in("missing") + "`: No such file or directory");
  EXPECT_EQ(failure("sha256", {{"path", in("")}}), "cannot read the file `" + in("") + "`: Is a directory");
}

TEST_F(Mandelbrot, IsAPictureThatALibraryReads) {
  const Written written{{"width", "60"}, {"height", "40"}, {"iterations", "200"}, {"file", in("set.png")}};
  EXPECT_EQ(run("mandelbrot", written)["file"], in("set.png"));
  EXPECT_THAT(names(), ElementsAre("set.png"));

  std::string signature(8, '\0');
  std::ifstream(in("set.png"), std::ios::binary).read(signature.data(), 8);
  EXPECT_EQ(signature, "\x89PNG\r\n\x1a\n");
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_file(&image, in("set.png").c_str()), 0) << image.message;
  EXPECT_EQ(image.width, 60U);
  EXPECT_EQ(image.height, 40U);
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(image));
  ASSERT_NE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr), 0) << image.message;
  const auto pixel = [&](std::size_t x, std::size_t y) {
    return std::vector<int>(pixels.begin() + static_cast<std::ptrdiff_t>(3 * (60 * y + x)),
                            pixels.begin() + static_cast<std::ptrdiff_t>(3 * (60 * y + x) + 3));
  };
  EXPECT_THAT(pixel(38, 20), ElementsAre(0, 0, 0));              // inside
  EXPECT_THAT(pixel(0, 0), testing::Not(ElementsAre(0, 0, 0)));  // outside
  EXPECT_EQ(pixel(45, 10), pixel(45, 29)) << "not symmetrical";
}

TEST_F(Mandelbrot, HasAChecksumOfItsPixelsNotOfItsName) {
  const auto checksum = [&](const char* x, const char* file) {
    return run("mandelbrot", {{"x", x}, {"width", "32"}, {"height", "24"}, {"file", in(file)}})["checksum"].get<std::string>();
  };
  const std::string first = checksum("-0.5", "a.png");
  EXPECT_EQ(first.size(), 16U);
  EXPECT_EQ(checksum("-0.5", "b.png"), first);
  EXPECT_NE(checksum("-0.6", "a.png"), first);
}

TEST_F(Mandelbrot, SaysWhyItsFileCannotBeWrittenAndLeavesNoneBehind) {
  const auto paint = [&](const std::string& file) { return failure("mandelbrot", {{"file", file}}); };
  EXPECT_EQ(paint("/dev/null/x.png"),
            "cannot write the picture `/dev/null/x.png`: Not a directory (its folder cannot be made or written to)");
  EXPECT_EQ(paint(in("")), "cannot write the picture `" + in("") + "`: Is a directory");
  EXPECT_EQ(paint(""), "cannot write the picture ``: the name of a file was expected");
  EXPECT_THAT(names(), IsEmpty());
}

TEST(Tally, AddsOneAsOftenAsAskedInOneStepOrInThree) {
  SharedCount counter{-5};
  Shared shared;
  shared.add("hits", &counter);
  const JobContext context(JobId{}, Attempt{1}, {}, &shared);
  EXPECT_EQ(text_of("tally", {{"counter", "hits"}}, context), R"({"added":1000})");
  EXPECT_EQ(counter.load(), 995);
  EXPECT_EQ(text_of("tally", {{"counter", "hits"}, {"times", "70000"}, {"atomic", "false"}}, context), R"({"added":70000})");
  EXPECT_EQ(counter.load(), 70'995) << "alone, nobody's additions get lost";
  EXPECT_EQ(text_of("tally", {{"counter", "hits"}, {"times", "0"}}, context), R"({"added":0})");
  counter = INT64_MAX;
  EXPECT_EQ(text_of("tally", {{"counter", "hits"}, {"times", "1"}, {"atomic", "false"}}, context), R"({"added":1})");
  EXPECT_EQ(counter.load(), INT64_MIN) << "both ways wrap round";
}

TEST(Tally, NeedsACounterThatIsShared) {
  EXPECT_EQ(failure("tally", {{"counter", "hits"}}), "this batch shares nothing called `hits`; it has no `shared:` section");
}

TEST(CountBytes, AreCountedInAPartOrInAll) {
  const std::string text = "banana" + std::string(3U << 20, 'n');
  Shared shared;
  shared.add("text", std::as_bytes(std::span(text)));
  const JobContext context(JobId{}, Attempt{1}, {}, &shared);
  const auto count = [&](Written more) {
    Written written{{"shared", "text"}};
    written.insert(written.end(), more.begin(), more.end());
    return text_of("count_bytes", written, context);
  };
  EXPECT_EQ(count({{"byte", "110"}}), R"({"count":3145730,"bytes":3145734})");
  EXPECT_EQ(count({{"byte", "97"}, {"to", "6"}}), R"({"count":3,"bytes":6})");
  EXPECT_EQ(count({{"byte", "97"}, {"from", "2"}, {"to", "5"}}), R"({"count":1,"bytes":3})");
  EXPECT_EQ(count({{"byte", "97"}, {"from", "3145734"}}), R"({"count":0,"bytes":0})");
  const auto refused = [&](const char* from, const char* to) {
    return failure("count_bytes", {{"shared", "text"}, {"byte", "0"}, {"from", from}, {"to", to}}, context);
  };
  EXPECT_EQ(refused("5", "4"), "`from` 5 and `to` 4 are no part of `text`, which has 3145734 bytes");
  EXPECT_EQ(refused("0", "3145735"), "`from` 0 and `to` 3145735 are no part of `text`, which has 3145734 bytes");
}

TEST(Misbehave, ThrowsAndStopsLeakingAtItsLimit) {
  EXPECT_EQ(failure("misbehave", {{"how", "throw"}}), "thrown on purpose");
  EXPECT_EQ(failure("misbehave", {{"how", "leak"}, {"limit", "9MiB"}}),
            "leaked 9.00 MiB on purpose, as much as `limit` allows");
}

TEST(MisbehaveDeathTest, EndsItsProcessInTheWayThatWasAsked) {
  EXPECT_EXIT((void)text_of("misbehave", {{"how", "exit"}}), testing::ExitedWithCode(3), "");
  EXPECT_EXIT((void)text_of("misbehave", {{"how", "abort"}}), testing::KilledBySignal(SIGABRT), "");
  EXPECT_DEATH((void)text_of("misbehave", {{"how", "segfault"}}), "");  // under a sanitizer it is no signal
}

}  // namespace
}  // namespace runner
