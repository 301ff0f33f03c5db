// blob.hpp - bytes that never change and may lie in memory shared with another process, so that megabytes travel without a
// copy.
//
// An argument or result that is a Blob, or holds one, crosses between processes as its bytes; the side that receives it from a
// sealed segment keeps that segment mapped for as long as a Blob (or a copy of it) refers to it.
//
//   runner::Blob render(const Scene&);                     // 64 MiB from a worker: written once, mapped here
//   std::span<const std::byte> pixels = future.get().bytes();
//
// Called from  any thread; a value. Copies share the bytes.
// Owns         its bytes, together with its copies; view_of() owns nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace runner {

class Blob {
 public:
  Blob() = default;
  // Takes the text over.
  Blob(std::string text) : text_(std::move(text)) {}
  // `bytes` stay valid and unchanged as long as `owner` lives.
  Blob(std::shared_ptr<const void> owner, std::span<const std::byte> bytes) : owner_(std::move(owner)), shared_(bytes) {}

  [[nodiscard]] static Blob copy_of(std::span<const std::byte> bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  // The caller keeps the bytes alive and unchanged for as long as this Blob and its copies are used.
  [[nodiscard]] static Blob view_of(std::span<const std::byte> bytes) { return {nullptr, bytes}; }

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return shared_.data() != nullptr ? shared_ : std::as_bytes(std::span(text_));
  }
  [[nodiscard]] std::string_view text() const {
    const std::span<const std::byte> all = bytes();
    return {reinterpret_cast<const char*>(all.data()), all.size()};
  }
  [[nodiscard]] std::size_t size() const { return bytes().size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }

  bool operator==(const Blob& other) const { return text() == other.text(); }

 private:
  std::string text_;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> shared_;  // data() null: the bytes are in text_
};

}  // namespace runner
