// bytes.hpp - bytes into and out of a span, one after another: what the archives of wire.hpp stand on.
//
// An archive of cereal costs tens of nanoseconds to make, more than a small call takes; these cost nothing.
//
// Called from  any thread; values on the caller's stack.
// Fails with   WireError from a reader, at the first byte that is not there. A writer never fails: it counts on.
// Never        reads or writes outside its span.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

namespace runner {

struct WireError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Where a writer's bytes go that are too many for its memory, in order.
class WireSpill {
 public:
  virtual ~WireSpill() = default;
  virtual void take(std::span<const std::byte> bytes) = 0;
};

// Writes into the span it was given as long as all fits. size() is what there is to write in any case, so that a caller can try
// a small buffer first and come back with the right one; or it gives a spill, for which the span is only a buffer: then flush()
// at the end.
class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> out) : out_(out) {}
  ByteWriter(std::span<std::byte> buffer, WireSpill& spill) : out_(buffer), spill_(&spill) {}

  [[nodiscard]] std::size_t size() const { return spilled_ + size_; }
  [[nodiscard]] bool fits() const { return size_ <= out_.size(); }

  void put(const void* data, std::size_t bytes) {
    if (bytes == 0) return;
    if (bytes <= out_.size() && size_ <= out_.size() - bytes) {
      std::memcpy(out_.data() + size_, data, bytes);
    } else if (spill_ != nullptr) {
      return spill(data, bytes);
    }
    size_ += bytes;
  }
  void flush() {
    if (size_ != 0) spill_->take(out_.first(size_));
    spilled_ += std::exchange(size_, 0);
  }

 private:
  void spill(const void* data, std::size_t bytes) {
    flush();
    if (bytes > out_.size()) {
      spill_->take({static_cast<const std::byte*>(data), bytes});
      spilled_ += bytes;
    } else {
      put(data, bytes);
    }
  }

  std::span<std::byte> out_;
  std::size_t size_ = 0;  // in `out_`, or what would be there
  WireSpill* spill_ = nullptr;
  std::size_t spilled_ = 0;
};

// `owner`, where there is one, keeps the bytes alive and unchanged: who reads may refer to them instead of copying.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> in, std::shared_ptr<const void> owner = nullptr)
      : in_(in), owner_(std::move(owner)) {}

  [[nodiscard]] std::size_t left() const { return in_.size(); }
  [[nodiscard]] const std::shared_ptr<const void>& owner() const { return owner_; }

  void get(void* data, std::size_t bytes) {
    const std::span<const std::byte> from = view(bytes);
    if (bytes != 0) std::memcpy(data, from.data(), bytes);
  }
  // The next bytes where they lie, for who can do without a copy.
  [[nodiscard]] std::span<const std::byte> view(std::size_t bytes) {
    if (bytes > in_.size()) throw WireError("a value ends after the last byte of its message");
    const std::span<const std::byte> seen = in_.first(bytes);
    in_ = in_.subspan(bytes);
    return seen;
  }

 private:
  std::span<const std::byte> in_;
  std::shared_ptr<const void> owner_;
};

// What writes itself into whatever space it is given, as often as it is asked: the same bytes each time.
class WireContent {
 public:
  virtual ~WireContent() = default;
  virtual void write(ByteWriter& out) const = 0;
};

}  // namespace runner
