// pool_work.hpp - what a process pool is given: items of one function, written as bytes, and their results, read from bytes.
//
// The pool (process_pool.hpp) knows neither arguments nor results; a PoolWork does. It may be asked to write the same items again,
// when the worker that had them died before it entered them.
//
// Called from  whichever thread polls the pool, one at a time.
// Call order   (write* (read | fail))* : each item is read or failed exactly once
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "runner/call.hpp"
#include "runner/outcome.hpp"

namespace runner {

// Why a call has no result: its function threw, or the process it ran in died.
class JobError : public std::runtime_error {
 public:
  JobError(Ending ending, std::size_t item);
  // Failed, Crashed, Cancelled, ...
  [[nodiscard]] const Ending& ending() const { return ending_; }
  // Its place among the items of a map; 0 for a single call.
  [[nodiscard]] std::size_t item() const { return item_; }

 private:
  Ending ending_;
  std::size_t item_;
};

// A function and its trampoline.
struct Callable {
  Trampoline run = nullptr;
  AnyFunction code = nullptr;
  bool operator==(const Callable&) const = default;
};

class PoolWork {
 public:
  // `each`: bytes that one result takes, where all take as many; else 0. `only_copied`: read() copies bytes, whatever they are.
  PoolWork(Callable called, std::size_t each, bool only_copied)
      : callable_(called), result_bytes_(each), copies_(only_copied) {}
  virtual ~PoolWork() = default;
  PoolWork(const PoolWork&) = delete;
  PoolWork& operator=(const PoolWork&) = delete;

  [[nodiscard]] const Callable& callable() const { return callable_; }
  [[nodiscard]] std::size_t result_bytes() const { return result_bytes_; }
  [[nodiscard]] bool copies() const { return copies_; }

  virtual void write(std::size_t first, std::uint32_t count, ByteWriter& out) const = 0;
  // Results of that many items, one after another; `read`, from 0, counts those that are there. Throws WireError, or what the code
  // that reads a result throws; then the others are failed.
  virtual void read(std::size_t first, std::uint32_t count, ByteReader& in, std::size_t& read) = 0;
  virtual void fail(std::size_t item, JobError error) = 0;
  // All items were read or failed.
  virtual void end() = 0;

 private:
  Callable callable_;
  std::size_t result_bytes_;
  bool copies_;
};

template <class F>
concept PlainFunction = requires(F function) {
  requires std::is_pointer_v<decltype(+function)> && std::is_function_v<std::remove_pointer_t<decltype(+function)>>;
};
// The function pointer that a plain function or a lambda without captures is.
template <class F>
[[nodiscard]] auto plain_function(F function) {
  static_assert(
      PlainFunction<F>,
      "only plain functions and lambdas without captures can be called in another process: what a lambda captures, or "
      "an object holds, would stay here; pass it as an argument");
  if constexpr (PlainFunction<F>) {
    return +function;
  } else {
    return static_cast<void (*)()>(nullptr);  // so that the compiler says the above, and little else
  }
}
template <class F>
[[nodiscard]] Callable callable(F function) {
  const auto pointer = plain_function(function);
  return {&call_function<std::remove_const_t<decltype(pointer)>>, reinterpret_cast<AnyFunction>(pointer)};
}
template <class F>
using TraitsOf = CallTraits<decltype(plain_function(std::declval<F>()))>;

// How many bytes each result of type R takes on its way; 0: it depends.
template <class R>
[[nodiscard]] constexpr std::size_t result_bytes() {
  if constexpr (kIsFlat<R>) {
    return sizeof(R);
  } else {
    return 0;
  }
}
template <class R>
inline constexpr bool kCopiesResult = std::is_void_v<R> || kIsFlat<R>;

}  // namespace runner
