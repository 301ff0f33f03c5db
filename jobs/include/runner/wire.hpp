// wire.hpp - the compact binary form in which arguments and results cross between processes.
//
// cereal archives over a span: no streams, no growth, and a reader that can be fed anything. Little endian; numbers as they
// lie in memory; container sizes as LEB128, checked against what is left before anything is allocated (an element takes at
// least one byte, so a lying size cannot ask for more elements than there are bytes).
//
// Called from  any thread; archives are values on the caller's stack.
// Fails with   WireError from a reader, at the first byte that cannot be right. A writer never fails: it counts on.
// Never        reads or writes outside its span.
#pragma once

#include <array>
#include <bit>
#include <cereal/cereal.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "runner/blob.hpp"
#include "runner/bytes.hpp"
#include "runner/units.hpp"

static_assert(std::endian::native == std::endian::little, "the wire form is written as the numbers lie in memory");

namespace runner {

template <class Archive>
void serialize(Archive& archive, Bytes& bytes) {
  archive(bytes.count);
}

// An archive over a span, or over a writer that somebody else has.
class WireWriter : public cereal::OutputArchive<WireWriter, cereal::AllowEmptyClassElision> {
 public:
  explicit WireWriter(std::span<std::byte> out) : OutputArchive(this), own_(out), to_(&own_) {}
  explicit WireWriter(ByteWriter& to) : OutputArchive(this), own_({}), to_(&to) {}

  [[nodiscard]] std::size_t size() const { return to_->size(); }
  [[nodiscard]] bool fits() const { return to_->fits(); }

  void put(const void* data, std::size_t bytes) { to_->put(data, bytes); }
  void put_size(std::uint64_t value) {
    do {
      const auto low = static_cast<std::uint8_t>(value & 0x7f);
      value >>= 7;
      const auto byte = static_cast<std::uint8_t>(value != 0 ? low | 0x80U : low);
      put(&byte, 1);
    } while (value != 0);
  }

 private:
  ByteWriter own_;
  ByteWriter* to_;
};

// With an owner (bytes.hpp) a Blob that is read refers to the bytes instead of copying them.
class WireReader : public cereal::InputArchive<WireReader, cereal::AllowEmptyClassElision> {
 public:
  explicit WireReader(std::span<const std::byte> in, std::shared_ptr<const void> owner = nullptr)
      : InputArchive(this), own_(in, std::move(owner)), from_(&own_) {}
  explicit WireReader(ByteReader& from) : InputArchive(this), own_({}), from_(&from) {}

  [[nodiscard]] const std::shared_ptr<const void>& owner() const { return from_->owner(); }
  [[nodiscard]] std::size_t left() const { return from_->left(); }

  void get(void* data, std::size_t bytes) { from_->get(data, bytes); }
  [[nodiscard]] std::span<const std::byte> view(std::size_t bytes) { return from_->view(bytes); }
  [[nodiscard]] std::uint64_t get_size() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      std::uint8_t byte = 0;
      get(&byte, 1);
      const std::uint64_t bits = byte & 0x7fU;
      if (shift == 63 && bits > 1) break;
      value |= bits << shift;
      if ((byte & 0x80U) == 0) {
        if (value > left()) throw WireError("a size is larger than its message");
        return value;
      }
    }
    throw WireError("a size has too many digits");
  }

 private:
  ByteReader own_;
  ByteReader* from_;
};

template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const T& value) {
  archive.put(&value, sizeof value);
}
template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    std::uint8_t byte = 0;
    archive.get(&byte, 1);
    if (byte > 1) throw WireError("a truth value is neither 0 nor 1");
    value = byte == 1;
  } else {
    archive.get(&value, sizeof value);
  }
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const cereal::SizeTag<T>& tag) {
  archive.put_size(static_cast<std::uint64_t>(tag.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, cereal::SizeTag<T>& tag) {
  tag.size = static_cast<std::remove_reference_t<T>>(archive.get_size());
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const cereal::BinaryData<T>& data) {
  archive.put(data.data, static_cast<std::size_t>(data.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, cereal::BinaryData<T>& data) {
  archive.get(data.data, static_cast<std::size_t>(data.size));
}

inline void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const Blob& blob) {
  archive.put_size(blob.size());
  archive.put(blob.bytes().data(), blob.size());
}
inline void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, Blob& blob) {
  const std::span<const std::byte> bytes = archive.view(archive.get_size());
  blob = archive.owner() != nullptr ? Blob(archive.owner(), bytes) : Blob::copy_of(bytes);
}

template <class T>
[[nodiscard]] std::string to_wire(const T& value) {
  std::array<std::byte, 256> first;
  WireWriter small(first);
  small(value);
  if (small.size() == 0) return {};
  if (small.fits()) return {reinterpret_cast<const char*>(first.data()), small.size()};
  std::string wire(small.size(), '\0');
  WireWriter large(std::as_writable_bytes(std::span(wire)));
  large(value);
  return wire;
}

// Throws WireError when the bytes are not exactly one T. `owner` as for WireReader.
template <class T>
[[nodiscard]] T from_wire(std::span<const std::byte> wire, std::shared_ptr<const void> owner = nullptr) {
  T value{};
  WireReader reader(wire, std::move(owner));
  reader(value);
  if (reader.left() != 0) throw WireError("bytes are left over after the last value of a message");
  return value;
}

[[nodiscard]] inline std::span<const std::byte> as_bytes(const std::string& wire) { return std::as_bytes(std::span(wire)); }

}  // namespace runner

CEREAL_REGISTER_ARCHIVE(runner::WireWriter)
CEREAL_REGISTER_ARCHIVE(runner::WireReader)
CEREAL_SETUP_ARCHIVE_TRAITS(runner::WireReader, runner::WireWriter)
