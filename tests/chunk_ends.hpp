// chunk_ends.hpp - requests of several items, and a worker's way through them, for tests of both transports.
//
// An item is a number: of letters in its result. What a chunk asks for and what it should give is known by both sides.
//
// Called from  tests; ask() and read_results() on the master's side, ChunkWorker on the worker's.
// Owns         nothing.
#pragma once

#include <gtest/gtest.h>

#include <cereal/types/string.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <runner/call.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/channel_ends.hpp"
#include "tests/letters.hpp"

namespace runner::ipc {

using Sizes = std::vector<std::size_t>;

class ChunkContent final : public WireContent {
 public:
  explicit ChunkContent(const Sizes& sizes) : sizes_(sizes) {}
  void write(ByteWriter& out) const override {
    for (const std::size_t size : sizes_) WireWriter{out}(std::uint64_t{size});
  }

 private:
  const Sizes& sizes_;
};

inline constexpr std::uint64_t kPlenty = 32 * 1024;

[[nodiscard]] inline Result<Ticket> ask(Requester& master, const Sizes& sizes, std::uint64_t stream_room = kPlenty) {
  const ChunkContent content(sizes);
  return master.send({.form = Form::call,
                      .items = static_cast<std::uint32_t>(sizes.size()),
                      .stream_room = stream_room,
                      .timed = true,
                      .content = content});
}

// The texts in `bytes`, which must be exactly `count`.
[[nodiscard]] inline std::vector<std::string> read_results(std::span<const std::byte> bytes, std::size_t count) {
  WireReader in(bytes);
  std::vector<std::string> results(count);
  for (std::string& result : results) in(result);
  EXPECT_EQ(in.left(), 0U);
  return results;
}
[[nodiscard]] inline std::vector<std::string> expected(const Sizes& sizes, std::size_t count) {
  std::vector<std::string> results;
  for (std::size_t i = 0; i < count; ++i) results.push_back(letters(sizes[i]));
  return results;
}

class ChunkWorker {
 public:
  explicit ChunkWorker(Responder& responder) : responder_(responder) {}

  // Takes the next request up to its first item; false: the master wants no more.
  [[nodiscard]] bool take() {
    Result<std::optional<Incoming>> got = responder_.next();
    EXPECT_TRUE(got.has_value()) << got.error().text;
    if (!got || !*got) return false;
    EXPECT_EQ((*got)->form, Form::call);
    sizes_.clear();
    WireReader in((*got)->bytes);
    for (std::uint32_t i = 0; i < (*got)->items; ++i) {
      std::uint64_t size = 0;
      in(size);
      sizes_.push_back(static_cast<std::size_t>(size));
    }
    EXPECT_EQ(in.left(), 0U);
    return true;
  }
  void enter() { EXPECT_TRUE(responder_.entering().has_value()); }
  // Runs items until `item` is entered, and stays inside it; false: a result took the end of the request.
  bool run_until(std::uint32_t item) {
    for (std::uint32_t i = 0;; ++i) {
      responder_.items().enter(i);
      if (i == item) return true;
      if (!put_result(responder_.items(), letters(sizes_[i]))) return false;
    }
  }
  void answer() { EXPECT_TRUE(responder_.answer({}).has_value()); }
  void fail(std::string_view why) {
    const TextContent text(why);
    EXPECT_TRUE(responder_.answer({.last_part = LastPart::failure, .last = &text, .files = 0, .attached = {}}).has_value());
  }
  // All of one request.
  [[nodiscard]] bool serve() {
    if (!take()) return false;
    enter();
    run_until(static_cast<std::uint32_t>(sizes_.size()));
    answer();
    return true;
  }
  [[nodiscard]] const Sizes& sizes() const { return sizes_; }

 private:
  Responder& responder_;
  Sizes sizes_;
};

}  // namespace runner::ipc
