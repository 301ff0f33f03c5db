// readers.hpp - every reader of bytes that somebody else wrote, fed with any bytes: one function per kind of corpus.
//
// Called from  the replayed corpus (corpus_test.cpp) and the libFuzzer programs (fuzz_*.cpp).
// Fails with   BrokenPromise when a reader accepts something that it must not, or says what nobody can read. A crash, a leak or
//              an endless loop is the sanitizers' and the clock's to find.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>

namespace runner::fuzz {

struct BrokenPromise : std::logic_error {
  using std::logic_error::logic_error;
};

using Input = std::span<const std::uint8_t>;

// Arguments and results in wire form: the first byte chooses the type.
void feed_wire(Input input);
// Requests, replies, hellos and notes: the first byte chooses.
void feed_message(Input input);
// A batch file, and the first jobs of its expansion.
void feed_batch(Input input);

}  // namespace runner::fuzz
