// What a person sees while a run lasts, and when it is over.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <runner/registry.hpp>
#include "report/dashboard.hpp"
#include "report/job_printer.hpp"
#include "report/printable.hpp"
#include "report/progress.hpp"
#include "report/progress_lines.hpp"
#include "report/summary.hpp"
#include "tests/unit/records.hpp"

namespace runner::report {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::command;
using test::Ended;

const TimePoint kBegan{seconds(1000)};

double seconds_of(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

// A moment of a run with `procs` workers, all busy.
struct Moment {
  std::vector<master::WorkerView> workers;
  std::vector<std::string> names;
  std::vector<std::string_view> views;
  master::Snapshot snapshot;

  Moment(std::uint64_t done, std::optional<std::uint64_t> size, std::size_t procs, const std::string& name) {
    for (std::size_t i = 0; i < procs; ++i) {
      workers.push_back({WorkerId{static_cast<std::uint32_t>(i)}, JobId{done + i}, kBegan + milliseconds(100 * i)});
      names.push_back(name);
    }
    views.assign(names.begin(), names.end());
    snapshot = {.now = kBegan + seconds(10),
                .counts = {},
                .in_flight = 2 * procs,
                .size = size,
                .workers = workers,
                .job_names = views};
    snapshot.counts.ok = done;
  }
  Moment(const Moment&) = delete;
};

TEST(Progress, FitsEveryWidth) {
  for (std::size_t columns = 1; columns <= 200; ++columns) {
    for (const std::string& name : {std::string("pi"), std::string("漢字漢字漢字漢字漢字漢字漢字"), std::string(500, 'x'),
                                    std::string("\x1b[2J\n\xff")}) {
      for (const std::optional<std::uint64_t> size :
           {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(10'000'000)}) {
        Moment moment(1'234'567, size, columns % 70, name);
        moment.snapshot.counts.failed = 12'345;
        moment.snapshot.counts.allowed = 45;
        moment.snapshot.stopping = columns % 2 == 0;
        moment.snapshot.interrupts = moment.snapshot.stopping ? static_cast<unsigned>(columns / 2 % 4) : 0;
        if (columns % 3 == 0) moment.snapshot.memory = {{1'000'000'000}, {2'000'000'000}};
        Pace pace(kBegan);
        pace.note(moment.snapshot.now, moment.snapshot.counts.done());
        for (const std::string& line : live_lines(moment.snapshot, pace, columns)) {
          EXPECT_LE(columns_of(std::string_view(line)), columns) << line;
          EXPECT_EQ(line.find_first_of("\x1b\n"), std::string::npos) << line;
        }
      }
    }
  }
}

TEST(Progress, SaysHowFarHowFastAndWhatEachWorkerIsOn) {
  const Moment moment(500, 2000, 2, "pi-7");
  Pace pace(kBegan);
  pace.note(moment.snapshot.now, 500);
  EXPECT_EQ(live_lines(moment.snapshot, pace, 80),
            (std::vector<std::string>{"[########........................]   25 %  500/2 000  2 running  50/s  ETA 30 s",
                                      "w0 pi-7 10 s  w1 pi-7 10 s"}));
  EXPECT_EQ(plain_line(moment.snapshot, pace), "10 s: 500 of 2 000 jobs done (25 %), 2 running, 50/s, about 30 s left");
  for (const std::string& line : live_lines(moment.snapshot, pace, 40)) EXPECT_LE(line.size(), 40U) << line;
}

TEST(Progress, SaysWhatEachInterruptDidAndWhatTheNextOneWouldDo) {
  Moment moment(500, 2000, 2, "pi-7");
  Pace pace(kBegan);
  pace.note(moment.snapshot.now, 500);
  moment.snapshot.stopping = true;
  moment.snapshot.interrupts = 1;
  EXPECT_THAT(live_lines(moment.snapshot, pace, 80)[0],
              testing::HasSubstr("stopping  (running jobs finish; Ctrl-C again ends them)"));
  EXPECT_THAT(plain_line(moment.snapshot, pace), testing::EndsWith("stopping (running jobs finish; another Ctrl-C ends them)"));
  moment.snapshot.interrupts = 2;
  EXPECT_THAT(live_lines(moment.snapshot, pace, 80)[0],
              testing::HasSubstr("ending  (TERM was sent; one more Ctrl-C kills at once)"));
  EXPECT_THAT(plain_line(moment.snapshot, pace),
              testing::EndsWith("ending the running jobs (TERM was sent; one more Ctrl-C kills them at once)"));
  moment.snapshot.interrupts = 0;  // nobody has pressed a key: a results file that is full, say
  EXPECT_THAT(plain_line(moment.snapshot, pace), testing::EndsWith("stopping (running jobs finish)"));
}

TEST(Progress, SaysThatItWaitsForMemory) {
  Moment moment(500, 2000, 2, "pi-7");
  moment.snapshot.memory = {{std::uint64_t{1} << 30}, {std::uint64_t{2} << 30}};
  Pace pace(kBegan);
  pace.note(moment.snapshot.now, 500);
  EXPECT_EQ(live_lines(moment.snapshot, pace, 110)[0],
            "25 %  500/2 000  waiting for memory  1.00 GiB free of the 2.00 GiB that must be  2 running  50/s  ETA 30 s");
  EXPECT_EQ(
      plain_line(moment.snapshot, pace),
      "10 s: 500 of 2 000 jobs done (25 %), 2 running, waiting for memory (1.00 GiB free of the 2.00 GiB that must be), 50/s, "
      "about 30 s left");
  EXPECT_NE(live_lines(moment.snapshot, pace, 45)[0].find("waiting for memory"), std::string::npos);
}

TEST(Pace, CountsCompletionsOfTheLastSecondsWhenThereAreEnough) {
  Pace pace(kBegan);
  EXPECT_FALSE(pace.rate());
  pace.note(kBegan + seconds(1), 0);
  EXPECT_FALSE(pace.left(10));
  for (int second = 2; second <= 60; ++second)
    pace.note(kBegan + seconds(second), static_cast<std::uint64_t>(second < 40 ? 0 : (second - 39) * 100));
  EXPECT_NEAR(*pace.rate(), 100, 1);
  EXPECT_NEAR(runner::seconds(*pace.left(1000)), 10, 0.2);
  Pace slow(kBegan);
  for (int second = 1; second <= 60; ++second) slow.note(kBegan + seconds(second), static_cast<std::uint64_t>(second / 20));
  EXPECT_NEAR(*slow.rate(), 3.0 / 60, 1e-9);
}

// Enough of a terminal to see what is left on it.
class Screen {
 public:
  explicit Screen(std::size_t columns) : columns_(columns) {}
  void feed(const std::string& bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] == '\r') {
        x_ = 0;
      } else if (bytes[i] == '\n') {
        down();
      } else if (bytes.compare(i, 3, "\x1b[K") == 0) {
        rows_[y_].resize(x_);
        i += 2;
      } else if (bytes.compare(i, 3, "\x1b[A") == 0) {
        if (y_ > 0) --y_;
        i += 2;
      } else {
        if (x_ == columns_) {
          down();
          x_ = 0;
        }
        if (rows_[y_].size() <= x_) rows_[y_].resize(x_ + 1, ' ');
        rows_[y_][x_++] = bytes[i];
      }
    }
  }
  std::string text() const {
    std::string all;
    for (const std::string& row : rows_) all += row + "\n";
    return all;
  }
  void resize(std::size_t columns) { columns_ = columns; }

 private:
  void down() {
    if (++y_ == rows_.size()) rows_.emplace_back();
  }
  std::size_t columns_, x_ = 0, y_ = 0;
  std::vector<std::string> rows_{""};
};

class OnATerminal : public ::testing::Test {
 protected:
  OnATerminal() {
    const winsize size{24, 80, 0, 0};
    int master = -1, slave = -1;
    EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
    master_.reset(master);
    slave_.reset(slave);
    ::setenv("TERM", "xterm", 1);
  }
  // What was written so far arrives at the other end in its own time; a mark that nobody shows tells when all has.
  void look() {
    ASSERT_EQ(::write(slave_.get(), "\x01", 1), 1);
    std::string bytes;
    while (!bytes.ends_with('\x01')) {
      std::string more(1 << 12, '\0');
      const ssize_t got = ::read(master_.get(), more.data(), more.size());
      ASSERT_GT(got, 0);
      bytes.append(more, 0, static_cast<std::size_t>(got));
    }
    bytes.pop_back();
    for (std::size_t at = bytes.find("live"); at != std::string::npos; at = bytes.find("live", at + 1)) ++drawings_;
    screen_.feed(bytes);
  }
  std::size_t drawings_ = 0;  // of lines that say so
  UniqueFd master_, slave_;
  Screen screen_{80};
  Registry registry_;
  ResultText texts_{registry_};
};

TEST_F(OnATerminal, LiveLinesNeverMixWithWhatIsPrintedAndAreGoneInTheEnd) {
  Console console(slave_.get(), slave_.get());
  ASSERT_TRUE(console.live() && console.together());
  JobPrinter printer(console, texts_);
  Progress progress(console, ProgressStyle::automatic);
  ASSERT_TRUE(progress.started({.started = kBegan}));
  ASSERT_EQ(progress.tick_interval(), Duration(milliseconds(100)));
  Moment moment(5, 10, 2, "pi");
  std::string printed;
  for (int i = 0; i < 20; ++i) {
    moment.snapshot.now += seconds(1);
    ASSERT_TRUE(progress.tick(moment.snapshot));
    look();
    EXPECT_TRUE(screen_.text().ends_with(" s\n")) << screen_.text();
    const Ended ended =
        command(static_cast<std::uint64_t>(i), "c", "out " + std::to_string(i) + (i == 7 ? "" : "\n"), "err\n", i == 3);
    ASSERT_TRUE(printer.ended(ended.record()));
    ASSERT_TRUE(progress.ended(ended.record()));
    ASSERT_TRUE(console.flush());
    printed += "out " + std::to_string(i) + (i == 7 ? "" : "\n") + "err\n";
    if (i == 3) printed += "failed: c: exit status 1, after 200 ms\n";
  }
  ASSERT_TRUE(progress.finished({}));
  look();
  EXPECT_EQ(screen_.text(), printed + "\n");  // nothing of the live lines
}

TEST_F(OnATerminal, ALineThatACommandLeftOpenIsNotOverwritten) {
  Console console(slave_.get(), slave_.get());
  console.show({"live"});
  console.out().buffer() += "no end";
  ASSERT_TRUE(console.out().end_record());
  ASSERT_TRUE(console.flush());
  console.show({"live"});
  look();
  EXPECT_EQ(screen_.text(), "no end\nlive\n");
  console.clear();
  look();
  EXPECT_EQ(screen_.text(), "no end\n\n");
}

TEST_F(OnATerminal, LinesFoldedByANarrowerTerminalAreErasedWhole) {
  Console console(slave_.get(), slave_.get());
  console.err().buffer() += "kept\n";
  ASSERT_TRUE(console.err().end_record());
  ASSERT_TRUE(console.flush());
  const winsize size{24, 30, 0, 0};
  ASSERT_EQ(::ioctl(slave_.get(), TIOCSWINSZ, &size), 0);
  screen_.resize(30);
  console.show({std::string(79, 'a'), std::string(40, 'b')});
  console.clear();
  look();
  EXPECT_EQ(screen_.text().substr(0, 6), "kept\n\n");
  EXPECT_EQ(screen_.text().find_first_of("ab"), std::string::npos) << screen_.text();
}

TEST_F(OnATerminal, ADyingProgramTakesItsLiveLinesAway) {
  Console console(slave_.get(), slave_.get());
  console.show({"one", "two"});
  console.out().buffer() += "saved\n";
  ASSERT_TRUE(console.out().end_record());
  console.salvage();
  look();
  EXPECT_EQ(screen_.text(), "saved\n\n");
}

TimePoint clock_of_the_test = kBegan;
TimePoint test_clock() { return clock_of_the_test; }

TEST_F(OnATerminal, LiveLinesAreDrawnTenTimesASecondHoweverMuchIsPrintedAndNothingIsLost) {
  for (const bool hold : {true, false}) {
    screen_ = Screen(80);
    Console console(slave_.get(), slave_.get(), &test_clock);
    console.hold(hold);
    std::string printed;
    std::size_t most = 0;
    for (int i = 0; i < 2000; ++i) {  // two seconds, a millisecond each
      clock_of_the_test += milliseconds(1);
      if (i % 100 == 0) console.show({"live"});
      const std::string line = "line " + std::to_string(i) + "\n";
      (i % 2 == 0 ? console.out() : console.err()).buffer() += line;
      ASSERT_TRUE(console.out().end_record());
      ASSERT_TRUE(console.flush());
      printed += line;
      most = std::max<std::size_t>(most, console.out().buffer().size());
      if (i % 100 == 99) look();
    }
    EXPECT_EQ(drawings_, 20U) << hold;
    EXPECT_EQ(most > 100, hold) << "what is held waits for the next drawing";
    drawings_ = 0;
    console.clear();
    look();
    EXPECT_EQ(screen_.text(), printed + "\n") << "in the order of printing, and the lines are gone";
  }
}

TEST_F(OnATerminal, WhatIsHeldIsNotHeldBackFromAPipe) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd reading(ends[0]), writing(ends[1]);
  Console console(writing.get(), slave_.get(), &test_clock);
  console.hold(true);
  console.show({"live"});
  console.out().buffer() += "out\n";
  console.err().buffer() += "err\n";
  ASSERT_TRUE(console.flush());
  std::array<char, 10> got{};
  EXPECT_EQ(::read(reading.get(), got.data(), got.size()), 4);
  look();
  EXPECT_EQ(screen_.text(), "live\n");
  clock_of_the_test += milliseconds(100);
  ASSERT_TRUE(console.flush());
  look();
  EXPECT_EQ(screen_.text(), "err\nlive\n");
}

TEST_F(OnATerminal, AFailureToPrintWhileLinesAreShownIsToldByTheNextFlush) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  Console console(full.get(), slave_.get(), &test_clock);
  console.out().buffer() += "lost\n";
  console.show({"live"});
  EXPECT_FALSE(console.flush());
  EXPECT_TRUE(console.flush()) << "once";
}

TEST_F(OnATerminal, AfterAStopTheLiveLinesAreDrawnBelowWhatOthersWrote) {
  Console console(slave_.get(), slave_.get());
  console.show({"live"});
  const JobControl job_control(nullptr);
  ASSERT_EQ(::write(slave_.get(), "\nshell\n", 7), 7);
  ASSERT_EQ(::raise(SIGCONT), 0);
  console.show({"live"});
  look();
  EXPECT_EQ(screen_.text(), "live\nshell\nlive\n");
}

// ---- the dashboard ----

Pace steady() {
  Pace pace(kBegan);
  for (int i = 0; i <= 20; ++i) pace.note(kBegan + milliseconds(500 * i), static_cast<std::uint64_t>(10 * i + i % 2));
  for (int i = 0; i < 200; ++i) pace.took(milliseconds(50 + i % 3));
  return pace;
}

TEST(Dashboard, FitsEveryTerminalWhateverIsOnIt) {
  for (const std::size_t procs : {0U, 1U, 4U, 40U}) {
    for (const std::size_t columns : {1U, 2U, 10U, 20U, 40U, 80U, 200U}) {
      for (const std::size_t rows : {1U, 2U, 3U, 5U, 10U, 24U, 60U}) {
        for (const bool help : {false, true}) {
          Moment moment(200, 1000, procs, "j\u00f6b-\u6f22\u5b57-with-a-very-long-name-that-nobody-can-read-at-once");
          moment.snapshot.now = kBegan + seconds(10);
          moment.snapshot.paused = help;
          if (help)
            moment.snapshot.refused = "no fewer workers: the job `j\u00f6b-\u6f22\u5b57` needs 40 CPUs, and could never start";
          const std::vector<Bytes> memory(procs, Bytes{std::uint64_t{34} << 20});
          const std::vector<std::string> lines = dashboard(moment.snapshot, steady(), memory, {columns, rows}, true, help);
          ASSERT_FALSE(lines.empty());
          EXPECT_LE(lines.size(), std::max<std::size_t>(1, rows - 1)) << rows;
          for (const std::string& line : lines) {
            EXPECT_LT(columns_of(std::string_view(line)), std::max<std::size_t>(2, columns)) << line;
          }
        }
      }
    }
  }
}

TEST(Dashboard, HasARowForEachWorkerWithItsJobItsAgeAndItsMemory) {
  Moment moment(200, 1000, 3, "pi");
  moment.snapshot.now = kBegan + seconds(10);
  moment.workers[1].job.reset();
  moment.snapshot.workers = moment.workers;
  master::Costs costs;
  costs.workers.resize(1);
  costs.workers[0][master::Use::execute] = seconds(9);
  costs.workers[0][master::Use::wake_up] = seconds(1);
  moment.snapshot.costs = &costs;
  moment.snapshot.procs = 3;
  const std::vector<std::string> lines =
      dashboard(moment.snapshot, steady(), {Bytes{1 << 20}, Bytes{2 << 20}, Bytes{}}, {60, 24}, true, false);
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_THAT(lines[1], testing::AllOf(testing::HasSubstr("IPC 10.0 %"), testing::ContainsRegex("ETA [0-9]+ s ± [0-9]+ s")));
  EXPECT_EQ(lines[2], "w0  running  pi                             10 s   1.00 MiB");
  EXPECT_EQ(lines[3], "w1  idle                                    10 s   2.00 MiB");
  EXPECT_EQ(lines[4], "w2  running  pi                                        10 s");
  EXPECT_EQ(lines[5], "p pause · + - workers (3) · q stop · ? keys");
  EXPECT_THAT(lines[0], testing::Not(testing::HasSubstr("ETA"))) << "that is on the second line";
  moment.snapshot.procs = 2;
  EXPECT_EQ(dashboard(moment.snapshot, steady(), {}, {60, 24}, true, false)[4],
            "w2  leaving  pi                                        10 s")
      << "it is one too many, and finishes what it runs";
}

TEST(Dashboard, SaysWhyThereAreNotAsManyWorkersAsWereAskedFor) {
  Moment moment(200, 1000, 2, "pi");
  moment.snapshot.procs = 2;
  moment.snapshot.refused = "no fewer workers:\x1b[2J job `wide` needs 2 CPUs";
  const std::vector<std::string> lines = dashboard(moment.snapshot, steady(), {}, {80, 24}, true, false);
  ASSERT_GE(lines.size(), 2U);
  EXPECT_THAT(lines[lines.size() - 2],
              testing::AllOf(testing::HasSubstr("job `wide` needs 2 CPUs"), testing::Not(testing::HasSubstr("\x1b"))));
  EXPECT_THAT(lines.back(), testing::HasSubstr("workers (2)"));
  const std::vector<std::string> help = dashboard(moment.snapshot, steady(), {}, {80, 24}, true, true);
  EXPECT_THAT(help, testing::Contains(testing::HasSubstr("+  one worker more, -  one fewer (now 2)")));
}

TEST(Dashboard, SaysOfTheWorkersThatHaveNoRowHowManyRun) {
  Moment moment(200, 1000, 40, "pi");
  moment.snapshot.now = kBegan + seconds(10);
  moment.snapshot.procs = 40;
  for (std::size_t i = 0; i < 10; ++i) moment.workers[i].job.reset();
  moment.snapshot.workers = moment.workers;
  const std::vector<std::string> lines = dashboard(moment.snapshot, steady(), {}, {80, 12}, false, false);
  EXPECT_EQ(lines.size(), 11U);
  EXPECT_TRUE(lines[2].starts_with("w10 running")) << lines[2] << ": an idle one tells least";
  EXPECT_EQ(lines.back(), "and 32 more workers: 22 running, 10 idle");
}

TEST(Dashboard, IsPlainAsciiWhereTheTerminalSpeaksNoUtf8) {
  Moment moment(200, 1000, 3, "pi");
  moment.snapshot.procs = 3;
  const std::vector<std::string> lines = dashboard(moment.snapshot, steady(), {}, {80, 24, false}, true, false);
  for (const std::string& line : lines)
    EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; })) << line;
  EXPECT_THAT(lines[1], testing::ContainsRegex("ETA [0-9]+ s \\+- [0-9]+ s +[_.:=+*#-]+$"));
}

TEST(Dashboard, ShowsOfTheThroughputTheLatestThatThereIsRoomFor) {
  Moment moment(200, 1000, 1, "pi");
  Pace pace(kBegan);
  std::uint64_t done = 0;
  for (int i = 0; i <= 20; ++i) pace.note(kBegan + milliseconds(500 * i), done += i > 16 ? 20U : 10U);
  moment.snapshot.now = kBegan + seconds(10);
  const auto spark = [&](std::size_t columns) {
    const std::string line = dashboard(moment.snapshot, pace, {}, {columns, 24, false}, false, false)[1];
    return line.substr(line.rfind(' ') + 1);
  };
  EXPECT_EQ(spark(80), "================####");
  EXPECT_EQ(spark(20), "=====####");
}

TEST(ThePace, SaysHowFarOffItMayBe) {
  EXPECT_FALSE(Pace(kBegan).uncertainty(100).has_value());
  Pace even(kBegan), uneven(kBegan);
  for (Pace* pace : {&even, &uneven}) {
    for (int i = 0; i <= 20; ++i) pace->note(kBegan + milliseconds(500 * i), static_cast<std::uint64_t>(10 * i));
  }
  for (int i = 0; i < 3; ++i) even.took(seconds(1));
  EXPECT_FALSE(even.uncertainty(100).has_value()) << "three durations are no distribution";
  for (int i = 0; i < 197; ++i) even.took(seconds(1));
  for (int i = 0; i < 200; ++i) uneven.took(milliseconds(i % 2 == 0 ? 500 : 1500));
  EXPECT_EQ(even.uncertainty(100), Duration::zero());
  ASSERT_TRUE(uneven.uncertainty(100).has_value());
  // Durations of 1 s with a standard deviation of half of it: of the 5 s that 100 jobs take.
  EXPECT_NEAR(seconds_of(*uneven.uncertainty(100)), 5 * 0.5 * std::sqrt(1 / 100.0 + 1 / 200.0), 0.01);
  EXPECT_LE(*uneven.uncertainty(1), *uneven.left(1));
}

// Standard error is a file; standard output nobody looks at.
class InAFile : public ::testing::Test {
 protected:
  InAFile() : file_(::open(folder_.file("stderr").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)), console_(-1, file_.get()) {}
  std::string text() {
    EXPECT_TRUE(console_.flush());
    return test::content(folder_.file("stderr"));
  }
  test::TempFolder folder_;
  UniqueFd file_;
  Console console_;
};

TEST_F(InAFile, ProgressIsALineNowAndThenAndOnePerFailure) {
  Progress progress(console_, ProgressStyle::bar);
  ASSERT_TRUE(progress.started({.started = kBegan}));
  Moment moment(5, 10, 2, "pi");
  for (int i = 0; i < 60; ++i) {
    moment.snapshot.now = kBegan + milliseconds(100 * i);
    ASSERT_TRUE(progress.tick(moment.snapshot));
  }
  Ended ended = command(1, "bad\nname", "", "", 3);
  ASSERT_TRUE(progress.retried({ended.job, ended.outcome, Attempt{1}}));
  ended.attempts = Attempt{2};
  ended.job.allow_failure = true;
  ASSERT_TRUE(progress.ended(ended.record()));
  ASSERT_TRUE(progress.ended(command(2, "fine").record()));
  EXPECT_EQ(text(),
            "5 s: 5 of 10 jobs done (50 %), 2 running, 1.0/s, about 5 s left\n"
            "again: bad\\nname: exit status 3, after 200 ms\n"
            "allowed to fail: bad\\nname: exit status 3, after 200 ms, 2nd attempt\n");
}

TEST_F(InAFile, ProgressNoneSaysNothingButThatItWasInterrupted) {
  Progress progress(console_, ProgressStyle::none);
  EXPECT_FALSE(progress.tick_interval());
  ASSERT_TRUE(progress.ended(command(1, "bad", "", "", 3).record()));
  Moment moment(5, 10, 2, "pi");
  ASSERT_TRUE(progress.tick(moment.snapshot));
  EXPECT_EQ(text(), "");
  moment.snapshot.stopping = true;
  for (const unsigned interrupts : {1U, 1U, 2U, 2U}) {
    moment.snapshot.interrupts = interrupts;
    ASSERT_TRUE(progress.tick(moment.snapshot));
  }
  EXPECT_EQ(text(),
            "interrupted: running jobs finish, nothing more starts; another Ctrl-C ends them\n"
            "interrupted: the running jobs were sent TERM; one more Ctrl-C kills them at once\n");
}

master::RunTotals totals() {
  master::RunTotals totals;
  totals.counts = {.ok = 1998, .crashed = 1, .timed_out = 1};
  totals.wall = milliseconds(12'400);
  totals.compute = milliseconds(97'100);
  totals.compute_cpu = milliseconds(96'800);
  totals.cpus = 8;
  master::Costs& costs = totals.costs;
  costs.kept = true;
  costs.wall = milliseconds(12'410);
  costs.workers.resize(8);
  for (master::Account& worker : costs.workers) {
    worker[master::Use::start] = milliseconds(6);
    worker[master::Use::wake_up] = milliseconds(15);
    worker[master::Use::execute] = milliseconds(12'370);
    worker[master::Use::idle] = milliseconds(12);
    worker[master::Use::stop] = milliseconds(5);
  }
  costs.workers[0][master::Use::answer] = milliseconds(3);
  costs.wake_ups = 1234;
  costs.tail = milliseconds(20);
  costs.master_cpu = milliseconds(310);
  costs.attempts[master::Span::serialize] = milliseconds(4);
  costs.distribution[static_cast<std::size_t>(master::Span::execute)].add(milliseconds(48));
  costs.distribution[static_cast<std::size_t>(master::Span::wake_up)].add(std::chrono::microseconds(10));
  totals.procs = 8;
  totals.mode = "processes";
  totals.engine = "8 worker processes (shm, spawn, each bound to a core)";
  totals.size = 2000;
  return totals;
}

TEST_F(InAFile, SummarySaysWhatBecameOfTheRunAndWhatItCost) {
  Summary summary(console_);
  Ended crashed = test::typed(730, "pi-731", "pi");
  crashed.outcome.ending = Crashed{11, ""};
  crashed.outcome.wall = milliseconds(210);
  crashed.attempts = Attempt{3};
  ASSERT_TRUE(summary.ended(crashed.record()));
  Ended late = test::typed(5, "pi-6", "pi");
  late.outcome.ending = TimedOut{seconds(2), {}};
  ASSERT_TRUE(summary.ended(late.record()));
  ASSERT_TRUE(summary.finished(totals()));
  EXPECT_EQ(text(),
            "2 000 jobs · 1 998 ok · 1 crashed (SIGSEGV) · 1 timed out · 12.4 s · 8 worker processes (shm, spawn, each bound "
            "to a core)\n"
            "compute 97.1 s (96.8 s of CPU) · speed-up 7.8x · efficiency 98 %\n"
            "cost of processes  320 ms, 0.3 % of 8 × 12.4 s:  start 48.0 ms (8 × 6.00 ms) · wake-up 120 ms (1 234) · answer "
            "3.00 ms · "
            "idle 96.0 ms (20.0 ms of it at the end) · stop 40.0 ms · unaccounted 13.0 ms\n"
            "master  310 ms of CPU · serialize 4.00 ms\n"
            "one job  wake-up 10.0 us · execute 48.0 ms  (medians)\n"
            "failed: pi-731: crashed: SIGSEGV, after 210 ms, 3rd attempt\n"
            "failed: pi-6: timed out after 2.00 s\n");
}

TEST_F(InAFile, SummaryTellsHowCountersWereLeft) {
  master::RunTotals shared = totals();
  shared.counters = {{"hits", 4000}, {"total", -3}};
  EXPECT_NE(Summary(console_).text(shared).find("(medians)\nshared  hits = 4000 · total = -3\n"), std::string::npos)
      << Summary(console_).text(shared);
}

TEST_F(InAFile, SummaryDoesNotCallWaitingForACoreASpeedUp) {
  Summary summary(console_);
  master::RunTotals shared = totals();
  shared.cpus = 2;
  shared.compute_cpu = milliseconds(24'400);
  EXPECT_NE(summary.text(shared).find("compute 97.1 s (24.4 s of CPU) · 7.8 jobs at a time share 2 cores, 98 % busy\n"),
            std::string::npos)
      << summary.text(shared);
}

TEST(Folded, BreaksBetweenFactsAndIndentsWhatGoesOn) {
  EXPECT_EQ(folded("one · two · three\nshort\n", 80), "one · two · three\nshort\n");
  EXPECT_EQ(folded("one · two · three\nshort\n", 12), "one · two\n  three\nshort\n");
  EXPECT_EQ(folded("a-very-long-fact · b\n", 8), "a-very-long-fact\n  b\n");
}

TEST_F(InAFile, SummaryListsTheFirstTenAndSaysWhereTheOthersAre) {
  Summary summary(console_, "out.jsonl");
  for (std::uint64_t id = 0; id < 25; ++id) {
    Ended ended = command(id, "job-" + std::to_string(id), "", "", 1);
    ended.job.allow_failure = id < 5;
    ASSERT_TRUE(summary.ended(ended.record()));
  }
  master::RunTotals some = totals();
  some.counts = {.ok = 0, .failed = 25, .allowed = 5};
  some.size = 100;
  some.interrupted = true;
  const std::string text = summary.text(some);
  EXPECT_NE(text.find("25 jobs · 25 failed (5 allowed to fail)"), std::string::npos) << text;
  EXPECT_NE(text.find("interrupted: 75 of 100 jobs never ran to an end"), std::string::npos) << text;
  EXPECT_NE(text.find("failed: job-5:"), std::string::npos) << text;
  EXPECT_NE(text.find("failed: job-14:"), std::string::npos) << text;
  EXPECT_EQ(text.find("job-15"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("and 15 more; see out.jsonl\n")) << text;
}

TEST_F(InAFile, SummaryShowsOnlyCostsThatWereMeasured) {
  master::RunTotals serial = totals();
  serial.counts = {.ok = 3};
  serial.size = 3;
  serial.costs = {};
  serial.procs = 1;
  serial.mode = "serial";
  serial.engine = "serial, in this process";
  serial.compute = serial.wall;
  EXPECT_EQ(Summary(console_).text(serial),
            "3 jobs · 3 ok · 12.4 s · serial, in this process\n"
            "compute 12.4 s (96.8 s of CPU) · speed-up 1.0x · efficiency 100 %\n");
}

}  // namespace
}  // namespace runner::report
