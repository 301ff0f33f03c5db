// The corpus, replayed in every run, and several thousand seeded mutations of it. What a fuzzer finds goes into the corpus.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/readers.hpp"
#include "tests/silence.hpp"

namespace runner::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Seed {
  std::string name;
  Bytes bytes;
};

std::vector<Seed> corpus(const std::string& folder) {
  std::vector<Seed> seeds;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(RUNNER_SOURCE_DIR) / "tests/fuzz/corpus" / folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    seeds.push_back({entry.path().filename().string(), Bytes(std::istreambuf_iterator<char>(file), {})});
  }
  // The order in which a folder lists its files must not change what is tried.
  std::sort(seeds.begin(), seeds.end(), [](const Seed& a, const Seed& b) { return a.name < b.name; });
  return seeds;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<Seed>& seeds) : seeds_(seeds) {}

  [[nodiscard]] Bytes next() {
    Bytes bytes = any();
    for (std::uint64_t changes = 1 + below(4); changes > 0; --changes) change(bytes);
    return bytes;
  }

 private:
  [[nodiscard]] std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : random_() % n; }
  [[nodiscard]] const Bytes& any() { return seeds_[below(seeds_.size())].bytes; }
  [[nodiscard]] std::ptrdiff_t place(const Bytes& bytes) { return static_cast<std::ptrdiff_t>(below(bytes.size() + 1)); }
  void change(Bytes& bytes) {
    const std::ptrdiff_t from = place(bytes),
                         to = std::min<std::ptrdiff_t>(from + static_cast<std::ptrdiff_t>(below(24)), std::ssize(bytes));
    switch (below(7)) {
      case 0:
        if (!bytes.empty()) bytes[below(bytes.size())] ^= static_cast<std::uint8_t>(1U << below(8));
        return;
      case 1:
        if (!bytes.empty()) bytes[below(bytes.size())] = static_cast<std::uint8_t>(random_());
        return;
      case 2: bytes.erase(bytes.begin() + from, bytes.begin() + to); return;
      case 3: {  // a piece of itself once more
        const Bytes piece(bytes.begin() + from, bytes.begin() + to);
        bytes.insert(bytes.begin() + place(bytes), piece.begin(), piece.end());
        return;
      }
      case 4: bytes.resize(static_cast<std::size_t>(from)); return;
      case 5: {  // extremes, where a size or an index may lie
        static constexpr std::uint8_t extremes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
        for (std::ptrdiff_t i = from; i < to; ++i) bytes[static_cast<std::size_t>(i)] = extremes[below(5)];
        return;
      }
      default: {  // a piece of another
        const Bytes& other = any();
        const std::ptrdiff_t begin = place(other);
        const std::ptrdiff_t end = std::min<std::ptrdiff_t>(begin + static_cast<std::ptrdiff_t>(below(60)), std::ssize(other));
        bytes.insert(bytes.begin() + from, other.begin() + begin, other.begin() + end);
      }
    }
  }

  const std::vector<Seed>& seeds_;
  std::mt19937_64 random_{20240601};
};

std::string shown(const Bytes& bytes) {
  return testing::PrintToString(std::string(bytes.begin(), bytes.begin() + std::min<std::ptrdiff_t>(std::ssize(bytes), 4000)));
}

void replay(const std::string& folder, void (*feed)(Input), int mutations) {
  const Silence silence;
  const std::vector<Seed> seeds = corpus(folder);
  ASSERT_GE(seeds.size(), 5U);
  for (const Seed& seed : seeds) {
    try {
      feed(seed.bytes);
    } catch (const BrokenPromise& broken) {
      ADD_FAILURE() << folder << "/" << seed.name << ": " << broken.what();
    }
  }
  Mutator mutator(seeds);
  for (int i = 0; i < mutations; ++i) {
    const Bytes bytes = mutator.next();
    try {
      feed(bytes);
    } catch (const BrokenPromise& broken) {
      FAIL() << "mutation " << i << ": " << broken.what() << "\n" << shown(bytes);
    }
  }
}

TEST(Corpus, OfWireFormsIsReadOrRefused) { replay("wire", &feed_wire, 20'000); }
TEST(Corpus, OfMessagesIsReadOrRefused) { replay("message", &feed_message, 20'000); }
TEST(Corpus, OfBatchFilesIsReadOrRefused) { replay("batch", &feed_batch, 20'000); }

}  // namespace
}  // namespace runner::fuzz
