// each_call.hpp - does something again and again, its 1st, 2nd, 3rd, ... system call failing, until none of them fails.
//
//   fail_each_call(EMFILE, [] { return drop(make_channel(Transport::shm)); });
//
// Each time it must either succeed or end in an error with a sentence, and leave nothing behind. The time when no call fails
// must succeed.
// Called from  tests.
// Never        fails a call of a program that was started by exec; a forked process counts for itself (ipc/os.hpp).
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "ipc/os.hpp"
#include "tests/silence.hpp"

namespace runner {

template <class T>
[[nodiscard]] Result<void> drop(const Result<T>& result) {
  if (!result) return tl::unexpected(result.error());
  return {};
}

// An error that a person can read: one line of text.
inline void expect_sentence(const Error& error) {
  EXPECT_FALSE(error.text.empty());
  EXPECT_EQ(error.text.find('\n'), std::string::npos) << error.text;
}

// `forks`: forked processes meet the fault too, so that a failure is allowed after the last call of this one.
template <class Body>
void fail_each_call(int error, Body&& body, bool forks = false) {
  for (std::uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth) + " failed with " + ::strerror(error));
    ASSERT_LT(nth, 10'000U) << "it never comes to an end";
    const Silence silence;
    os::faults::arm({.nth = nth, .error = error});
    const Result<void> done = body();
    const bool struck = os::faults::seen() >= nth;
    os::faults::disarm();
    if (!done) expect_sentence(done.error());
    if (!struck && (done || !forks)) {
      EXPECT_TRUE(done.has_value()) << done.error().text;
      EXPECT_GT(nth, 1U) << "no call passed the seam";
      return;
    }
    if (testing::Test::HasFailure()) return;
  }
}

// The errnos of the limits that people run into, one that means nothing special, and one that means "again".
inline constexpr int kErrors[] = {EMFILE, ENOMEM, ENOSPC, EIO, EINTR};

}  // namespace runner
