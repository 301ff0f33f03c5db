#include "master/engines/last_words.hpp"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <new>

#include "ipc/os.hpp"

namespace runner::master {

namespace {

constexpr std::size_t kStackSize = std::size_t{64} << 10;
constexpr int kMostNaps = 1000;
constexpr timespec kNap{0, 1'000'000};

// All of it is read by a signal handler: lock-free atomics, and plain words of the thread that is interrupted.
std::atomic<LastWords*> installed{nullptr};
enum class Sinks : int { in_use, at_rest, lent, seized };
std::atomic<Sinks> sinks_are{Sinks::in_use};
std::atomic<int> dying_thread{0};
static_assert(std::atomic<LastWords*>::is_always_lock_free && std::atomic<Sinks>::is_always_lock_free);
thread_local const JobSpec* noted = nullptr;

int this_thread() { return static_cast<int>(::syscall(SYS_gettid)); }

// A stack for the handler, because that of the thread may be what overflowed.
class AlternateStack {
 public:
  void provide() noexcept {
    if (asked_) return;
    asked_ = true;
    stack_t there{};
    if (::sigaltstack(nullptr, &there) != 0 || (there.ss_flags & SS_DISABLE) == 0) return;  // it has one
    memory_.reset(new (std::nothrow) std::byte[kStackSize]);
    if (!memory_) return;
    stack_t ours{};
    ours.ss_sp = memory_.get();
    ours.ss_size = kStackSize;
    // Without one an overflow of the stack ends the program without a word; nothing else changes.
    if (::sigaltstack(&ours, nullptr) != 0) memory_.reset();
  }
  ~AlternateStack() {
    if (!memory_) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
  }

 private:
  bool asked_ = false;
  std::unique_ptr<std::byte[]> memory_;
};

thread_local AlternateStack alternate_stack;

// From here on the loop's thread, when it wants the sinks again, waits for the end.
bool seize_sinks(bool patiently) {
  for (int naps = 0;; ++naps) {
    Sinks expected = Sinks::at_rest;
    if (sinks_are.compare_exchange_strong(expected, Sinks::seized, std::memory_order_acquire)) return true;
    // Lent to a thread that is not the crashed one, they soon come back.
    if ((!patiently && expected != Sinks::lent) || naps == kMostNaps) return false;
    ::nanosleep(&kNap, nullptr);
  }
}

}  // namespace

Result<std::unique_ptr<LastWords>> LastWords::install(Say say, std::span<Sink* const> sinks) {
  std::unique_ptr<LastWords> words(new LastWords(say, sinks));
  installed.store(words.get(), std::memory_order_release);
  alternate_stack.provide();
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  // One story at a time on a thread; a fault of the handler itself, being blocked, then ends the program at once.
  for (const int signal : kSignals) sigaddset(&action.sa_mask, signal);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (os::call("sigaction", ::sigaction, kSignals[i], &action, &words->before_[i]) != 0) {
      return os::failure("be told when a job crashes", "sigaction");
    }
  }
  return words;
}

LastWords::LastWords(Say say, std::span<Sink* const> sinks) : say_(say), sinks_(sinks), loop_thread_(this_thread()) {
  for (struct sigaction& action : before_) action.sa_handler = SIG_DFL;
}

LastWords::~LastWords() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    static_cast<void>(os::call("sigaction", ::sigaction, kSignals[i], &before_[i], nullptr));
  }
  installed.store(nullptr, std::memory_order_release);
}

void LastWords::on_signal(int signal) {
  int nobody = 0;
  if (!dying_thread.compare_exchange_strong(nobody, this_thread())) {
    // Another thread tells the story. On its own thread only a signal sent from outside gets here, and ends it.
    while (nobody != this_thread()) ::pause();
  } else if (LastWords* words = installed.load(std::memory_order_acquire); words != nullptr) {
    words->speak(signal);
  }
  // It is blocked until the handler returns, and then ends the program as if it had never been caught.
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void LastWords::speak(int signal) noexcept {
  const bool ours = seize_sinks(this_thread() != loop_thread_);
  say_(noted != nullptr ? std::string_view(noted->name) : std::string_view(), safe(), signal);
  if (!ours) return;
  for (Sink* sink : sinks_) sink->salvage();
}

JobNote::JobNote(const JobSpec& job) noexcept : outer_(noted) {
  noted = &job;
  if (installed.load(std::memory_order_relaxed) != nullptr) alternate_stack.provide();
}

JobNote::~JobNote() { noted = outer_; }

LoopAtRest::LoopAtRest() noexcept { sinks_are.store(Sinks::at_rest, std::memory_order_release); }

LoopAtRest::~LoopAtRest() {
  if (sinks_are.exchange(Sinks::in_use, std::memory_order_acquire) != Sinks::seized) return;
  for (;;) ::pause();
}

SinksLent::SinksLent() noexcept {
  Sinks expected = Sinks::at_rest;
  if (sinks_are.compare_exchange_strong(expected, Sinks::lent, std::memory_order_acquire)) return;
  for (;;) ::pause();
}

SinksLent::~SinksLent() { sinks_are.store(Sinks::at_rest, std::memory_order_release); }

}  // namespace runner::master
