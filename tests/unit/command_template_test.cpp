// Commands with GNU parallel's replacement strings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/bad_batch.hpp"
#include "config/command_template.hpp"

namespace runner::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Words = std::vector<std::string>;

Words render(const Words& command, const Words& values, bool exact = false) {
  Words argv{"left", "from", "the", "job", "before"};
  CommandTemplate::parse(command, values.size(), exact).render(values, 7, argv);
  return argv;
}

std::string script(const Words& command, const Words& values) {
  const Words argv = render(command, values);
  if (argv.size() != 3 || argv[0] != "/bin/sh" || argv[1] != "-c") return "no shell";
  return argv[2];
}

std::string error(const Words& command, std::size_t inputs = 1, bool exact = false) {
  try {
    static_cast<void>(CommandTemplate::parse(command, inputs, exact));
  } catch (const BadBatch& bad) {
    return bad.text;
  }
  return "no error";
}

TEST(CommandTemplate, TakesArgumentsApartAsGnuParallelDoes) {
  const auto forms = [](const std::string& value) { return render({"x", "{}", "{.}", "{/}", "{//}", "{/.}"}, {value}); };
  EXPECT_THAT(forms("a/b.tar.gz"), ElementsAre("x", "a/b.tar.gz", "a/b.tar", "b.tar.gz", "a", "b.tar"));
  EXPECT_THAT(forms("plain"), ElementsAre("x", "plain", "plain", "plain", ".", "plain"));
  EXPECT_THAT(forms("/top.x"), ElementsAre("x", "/top.x", "/top", "top.x", "/", "top"));
  EXPECT_THAT(forms("a.b/c"), ElementsAre("x", "a.b/c", "a.b/c", "c", "a.b", "c"));
  EXPECT_THAT(forms("d/."), ElementsAre("x", "d/.", "d/", ".", "d", ""));
  EXPECT_THAT(forms("two..x"), ElementsAre("x", "two..x", "two.", "two..x", ".", "two."));
  EXPECT_THAT(forms("a."), ElementsAre("x", "a.", "a", "a.", ".", "a"));
  EXPECT_THAT(forms("b/.c"), ElementsAre("x", "b/.c", "b/", ".c", "b", ""));
  EXPECT_THAT(forms("b/.c.d"), ElementsAre("x", "b/.c.d", "b/.c", ".c.d", "b", ".c"));
}

TEST(CommandTemplate, NamesInputsByPlace) {
  EXPECT_THAT(render({"x", "{2}{1.}", "{-1/}", "{#}", "{}"}, {"a.b", "c/d"}), ElementsAre("x", "c/da", "d", "7", "a.b", "c/d"));
  EXPECT_EQ(error({"x", "{3}"}, 2), "`{3}` stands for an input that does not exist; there are 2");
  EXPECT_EQ(error({"x", "{-2.}"}, 1), "`{-2.}` stands for an input that does not exist; there is 1");
  EXPECT_THAT(render({"x", "{0}", "{a}", "{}"}, {"v"}, true), ElementsAre("x", "{0}", "{a}", "v"))
      << "what is no replacement string stays";
}

TEST(CommandTemplate, WithoutReplacementGetsTheArgumentsBehindIt) {
  EXPECT_THAT(render({"gzip", "-9"}, {"a b"}), ElementsAre("gzip", "-9", "a b"));
  EXPECT_THAT(render({"cmp"}, {"a", "b c"}), ElementsAre("cmp", "a", "b c"));
  EXPECT_EQ(script({"echo x;", "echo"}, {"a b"}), "echo x; echo 'a b'");
  EXPECT_THAT(render({"echo", "{#}"}, {"a"}), ElementsAre("echo", "7"));
}

TEST(CommandTemplate, OfPlainWordsNeedsNoShell) {
  EXPECT_THAT(render({"gzip -9  {}"}, {"a b"}), ElementsAre("gzip", "-9", "a b"));
  EXPECT_THAT(render({"x", "--level=9", "{.}.gz"}, {"$(id).y"}), ElementsAre("x", "--level=9", "$(id).gz"));
  for (const char* command : {"echo {} > f", "echo {} | cat", "echo $HOME {}", "echo \"{}\"", "A=b env {}", "cd {}", "exit {}",
                              "if {}; then :; fi", "~/bin/x {}", "echo *.txt {}", "echo {%} {}", "[ {} ]", "! true {}"}) {
    EXPECT_NE(script({command}, {"a"}), "no shell") << command;
  }
  EXPECT_NE(script({"echo x{}"}, {"a", "b"}), "no shell") << "all inputs beside text are several words";
}

TEST(CommandTemplate, QuotesForThePlaceAnArgumentStandsIn) {
  EXPECT_EQ(script({"echo {} >{}.x"}, {"it's"}), "echo 'it'\\''s' >'it'\\''s'.x");
  EXPECT_EQ(script({"echo \"<{}>\""}, {"a b"}), "echo \"<\"'a b'\">\"");
  EXPECT_EQ(script({"echo '<{}>'"}, {"a b"}), "echo '<''a b''>'");
  EXPECT_EQ(script({"echo \"$(basename {})\" {}"}, {"a b"}), "echo \"$(basename 'a b')\" 'a b'");
  EXPECT_EQ(script({"echo {};"}, {"a", "b c"}), "echo a 'b c';");
  EXPECT_EQ(script({"echo {%} '{%}';"}, {"a"}), "echo ${RUNNER_SLOT} ''\"$RUNNER_SLOT\"'';");
}

TEST(CommandTemplate, RefusesPlacesWhereNoQuotingHelps) {
  for (const char* command : {"echo `basename {}`", "echo ${x:-{}}", "echo \\{}", "echo $'{}'"}) {
    EXPECT_THAT(error({command}), HasSubstr("where quoting works differently")) << command;
  }
  EXPECT_THAT(error({"cat <<E\n{}\nE"}), HasSubstr("behind a `<<`"));
  EXPECT_THAT(error({"true # {}"}), HasSubstr("in a comment"));
}

TEST(CommandTemplate, WithoutACommandTakesEachArgumentAsAScript) {
  EXPECT_EQ(script({}, {"echo a; echo 'b'"}), "echo a; echo 'b'");
  EXPECT_THAT(error({}, 1, true), HasSubstr("--quote"));
  EXPECT_THAT(error({" "}), "no error");
  EXPECT_THAT(error({"{#}", ""}), "no error");
}

TEST(CommandTemplate, TakenExactlyStartsNoShell) {
  EXPECT_THAT(render({"sh", "-c", "echo \"$1\" > f", "-", "{}"}, {"a b"}, true),
              ElementsAre("sh", "-c", "echo \"$1\" > f", "-", "a b"));
  EXPECT_THAT(error({"x", "{%}"}, 1, true), HasSubstr("`{%}` is filled in by a shell"));
}

TEST(CommandTemplate, CallsItsJobsAfterTheProgram) {
  const auto program = [](const Words& words) { return CommandTemplate::parse(words, 1, false).program(); };
  EXPECT_EQ(program({"/usr/bin/gzip -9 {}"}), "gzip");
  EXPECT_EQ(program({"echo {}; false"}), "echo");
  EXPECT_EQ(program({"{}"}), "exec");
  EXPECT_EQ(program({}), "exec");
  EXPECT_EQ(program({"A=b x {}"}), "exec");
}

}  // namespace
}  // namespace runner::config
