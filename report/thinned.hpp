// thinned.hpp - at most so many of however many there are, evenly: every one, then every second, every fourth, ...
//
// Called from  one thread.
// Owns         what it keeps.
// Fails with   nothing.
//
// Which ones are kept depends on their number alone: the 0th, the stride-th, the 2 * stride-th, ... whatever came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace runner::report {

template <class T>
class Thinned {
 public:
  explicit Thinned(std::size_t most) : most_(most) {}

  // Whether the next one is kept. If so, keep() must follow; making what is dropped would cost as much as keeping it.
  [[nodiscard]] bool next() {
    const std::uint64_t number = offered_++;
    if (number % stride_ != 0) return false;
    if (kept_.size() < most_) return true;
    drop_every_second();
    return number % stride_ == 0;
  }
  void keep(T one) { kept_.push_back(std::move(one)); }

  [[nodiscard]] const std::vector<T>& kept() const { return kept_; }
  [[nodiscard]] std::uint64_t offered() const { return offered_; }
  [[nodiscard]] std::size_t most() const { return most_; }
  [[nodiscard]] std::uint64_t stride() const { return stride_; }

 private:
  void drop_every_second() {
    std::size_t left = 0;
    for (std::size_t i = 0; i < kept_.size(); i += 2, ++left) {
      if (i != left) kept_[left] = std::move(kept_[i]);
    }
    kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(left), kept_.end());
    stride_ *= 2;
  }

  std::size_t most_;  // at least 2
  std::vector<T> kept_;
  std::uint64_t offered_ = 0, stride_ = 1;
};

}  // namespace runner::report
