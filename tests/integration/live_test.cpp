// --progress full on a real terminal: what is drawn, what keys do, and how the terminal is left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/program.hpp"

namespace runner::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Runs a program on a terminal of 80 x 24; the script presses keys when it has seen something, and tells what it saw.
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
    os.environ['TERM'] = 'xterm'
    os.execv(sys.argv[2], sys.argv[2:])
seen, part, status = b'', b'', None
deadline = time.time() + 60
while time.time() < deadline:
    ready, _, _ = select.select([parent], [], [], 0.05)
    if ready:
        got = os.read(parent, 65536)
        seen += got
        part += got
    while steps and steps[0][0].encode() in part:
        action, part = steps.pop(0)[1], b''
        if action == 'TERM': os.kill(pid, signal.SIGTERM)
        elif action == 'NARROW': fcntl.ioctl(child_end, termios.TIOCSWINSZ, struct.pack('HHHH', 8, 20, 0, 0))
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
print('steps left', steps)
print('modes', 'as before' if termios.tcgetattr(child_end) == before else 'changed')
print(seen.decode(errors='replace'))
)";

Ended on_terminal(const Folder& folder, const std::string& steps, const std::vector<std::string>& arguments) {
  folder.write("terminal.py", kTerminal);
  std::vector<std::string> command{"/usr/bin/python3", "terminal.py", steps};
  const std::vector<std::string> program = words(arguments);
  command.insert(command.end(), program.begin(), program.end());
  return folder.run_other(command);
}

TEST(Live, ShowsEachWorkerAndObeysKeysAndLeavesTheTerminalAsItWas) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 50ms}, matrix: {i: 1..2000}}]\n");
  const Ended ended = on_terminal(folder, "w1  running=?;q  as one Ctrl-C=?;? keys=p;PAUSED=p;p pause=q",
                                  {"--procs", "2", "--no-store", "--progress", "full", "jobs.yaml"});
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 130"), HasSubstr("steps left []"), HasSubstr("modes as before"),
                               HasSubstr("spinning-"), HasSubstr("never ran to an end")));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST(Live, EndsThoughItIsPausedWhenNothingIsLeftAndTakesAHeldDownQForOne) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 400ms}, matrix: {i: 1..2}}]\n");
  Ended ended = on_terminal(folder, "w0  running=p", {"--procs", "2", "--no-store", "--progress", "full", "jobs.yaml"});
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 0"), HasSubstr("2 jobs · 2 ok")));
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 400ms}, matrix: {i: 1..100}}]\n");
  ended = on_terminal(folder, "w0  running=qqqqqq", {"--procs", "2", "--no-store", "--progress", "full", "jobs.yaml"});
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 130"), HasSubstr("2 ok"), HasSubstr("never ran to an end")))
      << "running jobs finish";
}

TEST(Live, LeavesTheTerminalAsItWasAfterATermAndOnAnEndByItself) {
  const Folder folder;
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 50ms}, matrix: {i: 1..2000}}]\n");
  Ended ended = on_terminal(folder, "w0  running=TERM", {"--procs", "2", "--no-store", "--progress", "full", "jobs.yaml"});
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 130"), HasSubstr("modes as before")));
  folder.write("jobs.yaml", "version: 1\njobs: [{name: spinning, kind: spin, args: {duration: 50ms}, matrix: {i: 1..20}}]\n");
  ended = on_terminal(folder, "w0  running=NARROW", {"--procs", "2", "--no-store", "--progress", "full", "jobs.yaml"});
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status 0"), HasSubstr("modes as before"), HasSubstr("20 jobs")))
      << "resized meanwhile";
  // A job that takes the program along.
  folder.write(
      "jobs.yaml",
      "version: 1\njobs: [{kind: spin, args: {duration: 300ms}}, {name: bad, kind: misbehave, args: {how: segfault}}]\n");
  ended = on_terminal(folder, "", {"--mode", "threads", "--procs", "1", "--no-store", "--progress", "full", "jobs.yaml"});
  EXPECT_THAT(ended.out, AllOf(HasSubstr("status -11"), HasSubstr("modes as before")));
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
