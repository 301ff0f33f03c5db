// payload.hpp - the bytes that are sent, and the receipt that proves that they came.
//
// The first word of a message is its number; the rest is a pattern. A receipt takes in one word of each cache line, so a side
// that answers with one has had every line in its cache, whatever the mechanism: nobody is faster by not looking. A message
// that is marked thorough asks for every word.
//
// Called from  both sides.
// Owns         Payload: the bytes.
// Fails with   cannot fail.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/ipc/mechanism.hpp"

namespace runner::bench {

class Payload {
 public:
  // `bytes`: a multiple of 8, at least 8. Payloads with different seeds differ in every word.
  Payload(std::size_t bytes, std::uint64_t seed);
  // The message with this number, and what its receipt will be. Valid until the next call.
  [[nodiscard]] Message numbered(std::uint64_t number);
  [[nodiscard]] Message thorough(std::uint64_t number);
  [[nodiscard]] std::uint64_t receipt() const;
  [[nodiscard]] std::size_t bytes() const { return words_.size() * sizeof(std::uint64_t); }

 private:
  std::vector<std::uint64_t> words_;
  std::uint64_t lines_ = 0, all_ = 0;  // of the words behind the first
};

// What the reader of a message makes of it.
[[nodiscard]] std::uint64_t receipt_of(Message message);

}  // namespace runner::bench
