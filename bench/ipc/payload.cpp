#include "bench/ipc/payload.hpp"

#include <cstring>

namespace runner::bench {

namespace {

constexpr std::uint64_t kThorough = std::uint64_t{1} << 63;
constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kWordsOfALine = 64 / kWord;

std::uint64_t word(const std::byte* from) {
  std::uint64_t value = 0;
  std::memcpy(&value, from, kWord);
  return value;
}

// Of the words behind the first: each weighs what its place says, so that two that changed places are noticed. The last word
// always counts.
std::uint64_t sum(Message message, std::size_t step) {
  const std::size_t words = message.size() / kWord;
  std::uint64_t total = 0;
  for (std::size_t n = step; n < words; n += step) total += word(message.data() + n * kWord) * (2 * n + 1);
  return words > 1 ? total ^ word(message.data() + (words - 1) * kWord) : total;
}

}  // namespace

Payload::Payload(std::size_t bytes, std::uint64_t seed) : words_(bytes / kWord) {
  for (std::size_t n = 0; n < words_.size(); ++n) words_[n] = (n + 1 + (seed << 40)) * 0x9e3779b97f4a7c15;
  const Message all = std::as_bytes(std::span(words_));
  lines_ = sum(all, kWordsOfALine);
  all_ = sum(all, 1);
}

Message Payload::numbered(std::uint64_t number) {
  words_[0] = number;
  return std::as_bytes(std::span(words_));
}

Message Payload::thorough(std::uint64_t number) { return numbered(number | kThorough); }

std::uint64_t Payload::receipt() const { return ((words_[0] & kThorough) != 0 ? all_ : lines_) + words_[0]; }

std::uint64_t receipt_of(Message message) {
  if (message.size() < kWord) return 0;
  const std::uint64_t first = word(message.data());
  return sum(message, (first & kThorough) != 0 ? 1 : kWordsOfALine) + first;
}

}  // namespace runner::bench
