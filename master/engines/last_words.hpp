// last_words.hpp - what is still said and saved when a job's code kills this program: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT.
//
// The handler says which job did it, lets the sinks salvage what they hold, and lets the signal end the program as it would
// have (139 in a shell for SIGSEGV). The sinks are the loop's, and may be half way through something when a job crashes on
// another thread. So the loop's thread marks the time in which it is sure not to touch them (LoopAtRest: all of wait()), and
// the handler seizes that mark: the loop then stays where it is. While the loop is awake the handler waits for it, 1 s at most;
// if it does not come to rest in that time, or it is itself what crashed, nothing is salvaged, and what the sinks had not yet
// flushed is lost.
//
// Called from  cli installs it, for the in-process engines only, and hands it to the run as the *last* of the sinks: what it
//              was told is with all the others, and it counts that. JobNote: each thread that enters a job. LoopAtRest: the
//              loop's thread. SinksLent: the watchdog's.
// Owns         the dispositions of those signals while it lives (at most one exists); an alternate stack for each thread that
//              runs jobs, so that an overflowing stack is told too.
// Fails with   install: system.
// Never        (the handler) allocates, locks, or calls what is not async-signal-safe; `say` and salvage() must not either.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <signal.h>

#include "master/sink.hpp"

namespace runner::master {

class LastWords final : public Sink {
 public:
  // `job_name` is empty when it cannot be told: a thread that a job started, or one of several coroutines. `safe` outcomes are
  // with the sinks. Must be async-signal-safe.
  using Say = void (*)(std::string_view job_name, std::uint64_t safe, int signal);

  // To be called on the loop's thread. `sinks` stays as long as this does.
  [[nodiscard]] static Result<std::unique_ptr<LastWords>> install(Say say, std::span<Sink* const> sinks);
  ~LastWords() override;
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

  [[nodiscard]] Result<void> ended(const JobRecord&) override {
    safe_.fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  // Outcomes that every sink accepted. Any thread.
  [[nodiscard]] std::uint64_t safe() const { return safe_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::array kSignals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

  LastWords(Say say, std::span<Sink* const> sinks);
  static void on_signal(int signal);
  void speak(int signal) noexcept;

  Say say_;
  std::span<Sink* const> sinks_;
  int loop_thread_;  // its number for the kernel
  std::atomic<std::uint64_t> safe_{0};
  std::array<struct sigaction, kSignals.size()> before_{};
};

// The calling thread is inside the code of this job.
class JobNote {
 public:
  explicit JobNote(const JobSpec& job) noexcept;
  ~JobNote();
  JobNote(const JobNote&) = delete;
  JobNote& operator=(const JobNote&) = delete;

 private:
  const JobSpec* outer_;
};

// The loop's thread touches no sink while one of these lives.
class LoopAtRest {
 public:
  LoopAtRest() noexcept;
  // Does not return once a crash has seized the sinks.
  ~LoopAtRest();
  LoopAtRest(const LoopAtRest&) = delete;
  LoopAtRest& operator=(const LoopAtRest&) = delete;
};

// Another thread touches the sinks for the loop's, which is at rest and stays so. Where a crash has seized them it does not return:
// the program is about to end.
class SinksLent {
 public:
  SinksLent() noexcept;
  ~SinksLent();
  SinksLent(const SinksLent&) = delete;
  SinksLent& operator=(const SinksLent&) = delete;
};

}  // namespace runner::master
