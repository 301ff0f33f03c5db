// future.hpp - the result of one call that was submitted to a process pool, when it is there.
//
// Called from  any thread, one at a time per Future; get() and outcome() wait, and while they wait they do the pool's work.
// Owns         its share of the call. A Future may outlive its pool: a call that had not ended by then is Cancelled.
// Fails with   get: JobError. outcome: the same as a value. Both, and ready: std::logic_error where there is no result (any more).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <tl/expected.hpp>
#include <tuple>
#include <utility>

#include "runner/pool_work.hpp"

namespace runner {

class PoolCore;

// A call belongs to the pool until it ended, and to its Future; whoever is the second to have done with it deletes it.
enum class CallStage : std::uint8_t { under_way, ended, unwanted };

// Waits until it ended, doing the pool's work meanwhile.
void wait_for(PoolCore& core, const std::atomic<CallStage>& stage);

// A call of `Sent` arguments that gives an R, shared by the pool and the Future.
template <class R, class Sent>
class CallState;

// Memory of calls, which come and go by the thousand and may end in another thread than they began. Throws bad_alloc.
[[nodiscard]] void* allocate_call(std::size_t bytes, std::align_val_t alignment);
void free_call(void* memory, std::align_val_t alignment) noexcept;

template <class R>
class CallResult : public PoolWork {
  static constexpr std::align_val_t kUsual{alignof(std::max_align_t)};

 public:
  static void* operator new(std::size_t bytes) { return allocate_call(bytes, kUsual); }
  static void* operator new(std::size_t bytes, std::align_val_t alignment) { return allocate_call(bytes, alignment); }
  static void operator delete(void* memory) noexcept { free_call(memory, kUsual); }
  static void operator delete(void* memory, std::align_val_t alignment) noexcept { free_call(memory, alignment); }

  using Value = std::conditional_t<std::is_void_v<R>, std::tuple<>, R>;

  CallResult(PoolCore& core, Callable called) : PoolWork(called, runner::result_bytes<R>(), kCopiesResult<R>), core_(&core) {}

  void read(std::size_t, std::uint32_t, ByteReader& in, std::size_t&) override {
    value_.emplace();
    if constexpr (!std::is_void_v<R>) read_item(in, *value_);
  }
  void fail(std::size_t, JobError error) override {
    value_.reset();
    error_ = std::make_unique<JobError>(std::move(error));
  }
  void end() override {
    if (stage_.exchange(CallStage::ended, std::memory_order_acq_rel) == CallStage::unwanted) delete this;
  }

  void wait() {
    if (!ended()) wait_for(*core_, stage_);
  }
  [[nodiscard]] bool ended() const { return stage_.load(std::memory_order_acquire) == CallStage::ended; }
  // After ended().
  [[nodiscard]] std::unique_ptr<JobError>& error() { return error_; }
  [[nodiscard]] Value& value() { return *value_; }

  // By its Future.
  void let_go() {
    if (ended() || stage_.exchange(CallStage::unwanted, std::memory_order_acq_rel) == CallStage::ended) delete this;
  }

 private:
  PoolCore* core_;
  std::optional<Value> value_;
  std::unique_ptr<JobError> error_;  // rare, and large
  std::atomic<CallStage> stage_{CallStage::under_way};
};

template <class R, class Sent>
class CallState final : public CallResult<R> {
 public:
  template <class... A>
  CallState(PoolCore& core, Callable called, A&&... arguments)
      : CallResult<R>(core, called), sent_(std::forward<A>(arguments)...) {}

  void write(std::size_t, std::uint32_t, ByteWriter& out) const override {
    std::apply([&](const auto&... values) { (write_item(out, values), ...); }, sent_);
  }

 private:
  Sent sent_;  // kept: it is written again when a worker dies before it entered the call
};

template <class R>
class Future {
 public:
  using Value = typename CallResult<R>::Value;

  Future() = default;
  explicit Future(CallResult<R>* call) : call_(call) {}
  Future(Future&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
  Future& operator=(Future&& other) noexcept {
    std::swap(call_, other.call_);
    return *this;
  }
  Future(const Future&) = delete;
  Future& operator=(const Future&) = delete;
  ~Future() {
    if (call_ != nullptr) call_->let_go();
  }

  // False once get() or outcome() took the result.
  [[nodiscard]] bool valid() const { return call_ != nullptr; }
  // Whether get() would return at once. Does not do the pool's work.
  [[nodiscard]] bool ready() const { return call().ended(); }

  // Waits, then gives the result or throws JobError. Once.
  R get() {
    call().wait();
    const Future done = std::move(*this);
    if (done.call_->error()) throw *std::move(done.call_->error());
    if constexpr (!std::is_void_v<R>) return std::move(done.call_->value());
  }
  // The same without a throw. Once.
  [[nodiscard]] tl::expected<R, JobError> outcome() {
    call().wait();
    const Future done = std::move(*this);
    if (done.call_->error()) return tl::unexpected(*std::move(done.call_->error()));
    if constexpr (std::is_void_v<R>) {
      return {};
    } else {
      return std::move(done.call_->value());
    }
  }

 private:
  [[nodiscard]] CallResult<R>& call() const {
    if (call_ == nullptr) throw std::logic_error("this Future has no call: its result was taken, or it never had one");
    return *call_;
  }
  CallResult<R>* call_ = nullptr;
};

}  // namespace runner
