// Where a value may stand in a shell script: whatever shell_quoted() makes must stay one word there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config/shell_state.hpp"

namespace runner::config {
namespace {

ShellPlace place(const std::string& before) {
  ShellState state;
  state.read(before);
  return state.place();
}

TEST(ShellState, KnowsWords) {
  for (const char* text : {"",
                           "echo ",
                           "echo 'a' ",
                           "echo \"a\" ",
                           "echo \\' ",
                           "a=",
                           "cat <",
                           "(",
                           "$(echo ",
                           "echo \"$(date)\" ",
                           "echo \"$(echo \"x\")\" ",
                           "echo '# no comment' ",
                           "a#b ",
                           "# over\n",
                           "echo \\\\",
                           "case ",
                           "{ ",
                           "echo ${x} ",
                           "echo \"$(echo ",
                           "echo `date` "}) {
    EXPECT_EQ(place(text), ShellPlace::word) << text;
  }
}

TEST(ShellState, KnowsQuotes) {
  for (const char* text : {"'", "echo 'a \" b ", "echo \"x\"'", "$(echo '", "echo \"$(echo '"})
    EXPECT_EQ(place(text), ShellPlace::single_quotes) << text;
  for (const char* text : {"\"", "echo \"a ' b ", "echo \"\\\" ", "echo \"$(date)", "echo \"$(echo \"", "echo \"$(echo \"x\")",
                           "echo \"`date` ", "echo \"${x} "}) {
    EXPECT_EQ(place(text), ShellPlace::double_quotes) << text;
  }
}

TEST(ShellState, KnowsWhereNothingMayStand) {
  for (const char* text : {"echo `", "echo \"`", "${x:-", "echo \\", "echo $", "echo \"$(case x in a) ", "echo $'a",
                           "echo \"${x:-\"a\"}", "${x:-$(echo "}) {
    EXPECT_EQ(place(text), ShellPlace::nowhere) << text;
  }
  EXPECT_EQ(place("cat <<EOF\n"), ShellPlace::here_document);
  for (const char* text : {"# ", "echo # '", "(#"}) EXPECT_EQ(place(text), ShellPlace::comment) << text;
}

}  // namespace
}  // namespace runner::config
