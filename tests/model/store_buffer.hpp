// store_buffer.hpp - the memory of total store order (x86-TSO: Owens, Sarkar, Sewell 2009), as two processes see it.
//
// Called from  the channel model.
//
// A store goes into the first-in-first-out buffer of its process and reaches memory later, at a step of its own; a load looks
// into the own buffer first. A fence and every locked instruction wait until the own buffer is empty. So a load may overtake
// an older store of the same process, and nothing else changes places.
//
// A kill throws the buffer away. Real hardware drains what was retired, and every such run is here too: the one in which the
// drains came before the kill. What is lost here is as if it had not been executed.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace runner::model {

using Cell = std::uint8_t;
using Value = std::uint8_t;

template <std::size_t Cells>
using Memory = std::array<Value, Cells>;

class StoreBuffer {
 public:
  struct Store {
    Cell cell;
    Value value;
    bool operator==(const Store&) const = default;
  };

  // A store waits while the buffer is full, as on hardware; a worker's chunk has 11 stores from its claim to its fence.
  [[nodiscard]] bool full() const { return size_ == stores_.size(); }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  void push(Cell cell, Value value) { stores_[size_++] = {cell, value}; }

  Store pop() {
    const Store oldest = stores_[0];
    for (std::size_t at = 1; at < stores_.size(); ++at) stores_[at - 1] = stores_[at];
    stores_.back() = {};  // equal buffers have equal bytes
    --size_;
    return oldest;
  }

  [[nodiscard]] std::optional<Value> newest(Cell cell) const {
    for (std::size_t at = size_; at-- > 0;) {
      if (stores_[at].cell == cell) return stores_[at].value;
    }
    return {};
  }

  [[nodiscard]] bool holds(Store store) const { return std::find(stores_.begin(), stores_.end(), store) != stores_.end(); }

 private:
  std::uint8_t size_ = 0;
  std::array<Store, 12> stores_{};
};

template <std::size_t Cells>
[[nodiscard]] Value load(const Memory<Cells>& memory, const StoreBuffer& own, Cell cell) {
  return own.newest(cell).value_or(memory[cell]);
}

}  // namespace runner::model
