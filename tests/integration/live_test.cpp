// --progress full on a real terminal: what is drawn, what keys do, and how the terminal is left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Runs a program on a terminal of 80 x 24; the script presses keys when it has seen something, and tells what it saw. A key can
// also be SIZE:rows:columns or SIGNAL:number.
constexpr const char* kTerminal = R"(
import fcntl, os, pty, select, signal, struct, sys, termios, time
steps = [step.split('=', 1) for step in sys.argv[1].split(';') if step]
parent, child_end = pty.openpty()
fcntl.ioctl(child_end, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
before = termios.tcgetattr(child_end)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(child_end, termios.TIOCSCTTY, 0)
    for stream in range(3): os.dup2(child_end, stream)
    os.environ.update(TERM='xterm', PS1='ready> ')
    os.execv(sys.argv[2], sys.argv[2:])
seen, part, status = b'', b'', None
began = time.time()
deadline = time.time() + 60
while time.time() < deadline:
    ready, _, _ = select.select([parent], [], [], 0.05)
    if ready:
        got = os.read(parent, 65536)
        seen += got
        part += got
    while steps and steps[0][0].encode() in part:
        action, part = steps.pop(0)[1], b''
        words = action.split(':')
        if words[0] == 'SIGNAL': os.kill(pid, int(words[1]))
        elif words[0] == 'SIZE': fcntl.ioctl(child_end, termios.TIOCSWINSZ, struct.pack('HHHH', int(words[1]), int(words[2]), 0, 0))
        else: os.write(parent, action.encode())
    done, how = os.waitpid(pid, os.WNOHANG)
    if done:
        status = os.waitstatus_to_exitcode(how)
        break
if status is None: os.kill(pid, signal.SIGKILL)
while select.select([parent], [], [], 0.1)[0]:
    try: seen += os.read(parent, 65536)
    except OSError: break
print('status', status)
print('drawings a second', 'at most ten' if seen.count(b'? keys') <= 10 * (time.time() - began) + 2 else 'too many')
print('steps left', steps)
print('modes', 'as before' if termios.tcgetattr(child_end) == before else 'changed')
print(seen.decode(errors='replace'))
)";

Ended on_terminal(const Folder& folder, const std::string& steps, std::vector<std::string> program) {
  folder.write("terminal.py", kTerminal);
  std::vector<std::string> command{"/usr/bin/python3", "terminal.py", steps};
  command.insert(command.end(), program.begin(), program.end());
  return folder.run_other(command);
}

// A shell that leaves the modes of the terminal as they are; the first step types the command.
Ended in_a_shell(const Folder& folder, const std::string& typed, const std::string& steps) {
  return on_terminal(folder, "ready> =" + typed + "\n;" + steps, {"/bin/sh", "-i"});
}

std::string line_of(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

const std::vector<std::string> kFull = words({"--procs", "2", "--no-store", "--progress", "full", "jobs.yaml"});

std::string sleepers(const std::string& duration, int jobs) {
  return "version: 1\njobs: [{name: sleeping, kind: sleep, args: {duration: " + duration + "}, matrix: {i: 1.." +
         std::to_string(jobs) + "}}]\n";
}

TEST(Live, ShowsEachWorkerAndObeysKeysAndLeavesTheTerminalAsItWas) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 50ms}, matrix: {i: 1..2000}}]\n");
  const Ended ended = on_terminal(folder, "w1  running=?;q  as one Ctrl-C=?;? keys=p;PAUSED=p;p pause=q", kFull);
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 130"), HasSubstr("steps left []"), HasSubstr("modes as before"),
                               HasSubstr("spinning-"), HasSubstr("never ran to an end")));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Live, HasOneWorkerMoreOrFewerAsKeysSayButOneAtLeast) {
  const Folder folder;
  folder.write("jobs.yaml", sleepers("300ms", 1000));
  for (const auto& [option, model] : {std::pair("--mode", "processes"), {"--mode", "threads"}, {"--start", "fork"}}) {
    std::vector<std::string> command = kFull;
    command.insert(command.end(), {option, model});
    const Ended ended = on_terminal(folder, "w1  running=+;w2  running=-;workers (2)=--;one is the least=q", command);
    EXPECT_THAT(ended.out, AllOf(HasSubstr("status 130"), HasSubstr("steps left []"), HasSubstr("modes as before"),
                                 HasSubstr("at the end, 2 at first, 3 meanwhile"), HasSubstr("never ran to an end")))
        << model;
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Live, EndsThoughItIsPausedWhenNothingIsLeftAndTakesAHeldDownQForOne) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 400ms}, matrix: {i: 1..2}}]\n");
  Ended ended = on_terminal(folder, "w0  running=p", kFull);
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 0"), HasSubstr("2 jobs · 2 ok")));
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 400ms}, matrix: {i: 1..100}}]\n");
  ended = on_terminal(folder, "w0  running=qqqqqq", kFull);
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 130"), HasSubstr(" ok · "), Not(HasSubstr("cancelled")),
                               HasSubstr("never ran to an end")))
      << "running jobs finish";
}

TEST(Live, LeavesTheTerminalAsItWasAfterATermAndOnAnEndByItself) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 50ms}, matrix: {i: 1..2000}}]\n");
  Ended ended = on_terminal(folder, "w0  running=SIGNAL:15", kFull);
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 130"), HasSubstr("modes as before")));
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 50ms}, matrix: {i: 1..20}}]\n");
  ended = on_terminal(folder, "w0  running=SIZE:8:20", kFull);
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 0"), HasSubstr("modes as before"), HasSubstr("20 jobs")))
      << "resized meanwhile";
  // A job that takes the program along.
  folder.write(
      "jobs.yaml",
      "version: 1\njobs: [{kind: spin, args: {duration: 300ms}}, {name: bad, kind: misbehave, args: {how: segfault}}]\n");
  ended =
      on_terminal(folder, "", words({"--mode", "threads", "--procs", "1", "--no-store", "--progress", "full", "jobs.yaml"}));
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status -11"), HasSubstr("modes as before")));
}

TEST(Live, LeavesTheTerminalAsItWasWhateverSignalEndsIt) {
  for (const int signal : {SIGQUIT, SIGSEGV, SIGABRT, SIGUSR1, SIGALRM, SIGXCPU}) {
    const Folder folder;
    folder.write("jobs.yaml", sleepers("300ms", 100));
    const Ended ended = on_terminal(folder, "? keys=SIGNAL:" + std::to_string(signal), kFull);
    EXPECT_THAT(ended.out, AllOf(HasSubstr("status -" + std::to_string(signal)), HasSubstr("modes as before"))) << signal;
  }
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Live, GivesTheTerminalBackOnCtrlZAndTakesItAgainOnFg) {
  const Folder folder;
  folder.write("jobs.yaml", sleepers("300ms", 1000));
  const Ended ended = in_a_shell(folder, line_of(kFull),
                                 "? keys=\x1a;ready> =stty -a\n;ready> =fg\n;? keys=?;q  as one Ctrl-C=q;ready> =exit\n");
  EXPECT_THAT(ended.out, AllOf(HasSubstr("steps left []"), HasSubstr("modes as before"), HasSubstr("Stopped"),
                               HasSubstr(" icanon"), HasSubstr(" echo "), Not(HasSubstr("-icanon")), Not(HasSubstr(" -echo ")),
                               HasSubstr("never ran to an end")))
      << "a second \"? keys\" is the screen drawn anew, the help is a key that works";
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Live, ReadsNoKeysAndDrawsNothingInTheBackground) {
  const Folder folder;
  folder.write("jobs.yaml", sleepers("300ms", 1000));
  Ended ended = in_a_shell(folder, line_of(kFull),
                           "? keys=\x1a;ready> =bg\n;ready> =sleep 1\n;ready> =jobs\n;Running=true qq\n;ready> =fg\n;? keys=q;"
                           "ready> =exit\n");
  EXPECT_THAT(ended.out, AllOf(HasSubstr("steps left []"), HasSubstr("modes as before"), HasSubstr("never ran to an end")));
  const std::size_t from = ended.out.find("ready> sleep 1"), to = ended.out.find("ready> fg");
  ASSERT_TRUE(from < to && to != std::string::npos) << ended.out;
  EXPECT_THAT(ended.out.substr(from, to - from), Not(HasSubstr("? keys")));
  ended = in_a_shell(folder, line_of(kFull) + " &", "ready> =sleep 1\n;ready> =jobs\n;Running=fg\n;? keys=q;ready> =exit\n");
  EXPECT_THAT(ended.out, AllOf(HasSubstr("steps left []"), HasSubstr("modes as before"), HasSubstr("never ran to an end")));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Live, DrawsTenTimesASecondAtMostThoughJobsPrintAndPrintsAll) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: e, shell: \"sleep 0.01; echo 'said '\", matrix: {i: 1..200}}]\n");
  for (const std::string mode : {"processes", "serial"}) {
    std::vector<std::string> command = kFull;
    command.insert(command.end(), {"--mode", mode});
    const Ended ended = on_terminal(folder, "", command);
    EXPECT_THAT(ended.out, AllOf(HasSubstr("status 0"), HasSubstr("drawings a second at most ten"))) << mode;
    std::size_t said = 0;
    for (std::size_t at = ended.out.find("said "); at != std::string::npos; at = ended.out.find("said ", at + 1)) ++said;
    EXPECT_EQ(said, 200U) << mode;
  }
}

TEST(Live, FollowsATerminalThatIsResizedTo40AndTo10Columns) {
  const Folder folder;
  folder.write("jobs.yaml", sleepers("300ms", 12));
  const Ended ended = on_terminal(folder, "? keys=SIZE:10:40;sleeping=SIZE:5:10;100 %=SIZE:24:80", kFull);
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 0"), HasSubstr("12 jobs"), HasSubstr("modes as before")));
}

TEST(Live, IsLinesWhereThereIsNoTerminal) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{kind: noop, matrix: {i: 1..10}}]\n");
  const Ended ended = folder.run({"--no-store", "--progress", "full", "jobs.yaml"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("10 jobs"), Not(HasSubstr("p pause"))));
}

}  // namespace
}  // namespace runner::integration
