// future.hpp - the result of one call that was submitted to a process pool, when it is there.
//
// Called from  any thread, one at a time per Future; get() and outcome() wait, and while they wait they do the pool's work.
// Owns         its share of the call. A Future may outlive its pool: a call that had not ended by then is Cancelled.
// Fails with   get: JobError. outcome: the same as a value.
#pragma once

#include <atomic>
#include <optional>
#include <tl/expected.hpp>
#include <tuple>
#include <utility>

#include "runner/pool_work.hpp"

namespace runner {

class PoolCore;

// Waits until `ended`, doing the pool's work meanwhile.
void wait_for(PoolCore& core, const std::atomic<bool>& ended);

// A call of `Sent` arguments that gives an R, shared by the pool and the Future.
template <class R, class Sent>
class CallState;

template <class R>
class CallResult : public PoolWork {
 public:
  using Value = std::conditional_t<std::is_void_v<R>, std::tuple<>, R>;

  CallResult(PoolCore& core, Callable called) : PoolWork(called, runner::result_bytes<R>(), kCopiesResult<R>), core_(&core) {}

  void read(std::size_t, std::uint32_t count, ByteReader& in) override {
    if (count == 0) return;
    value_.emplace();
    if constexpr (!std::is_void_v<R>) read_item(in, *value_);
  }
  void fail(std::size_t, JobError error) override {
    value_.reset();
    error_.emplace(std::move(error));
  }
  void end() override {
    ended_.store(true, std::memory_order_release);
    release();
  }

  void wait() {
    if (!ended()) wait_for(*core_, ended_);
  }
  [[nodiscard]] bool ended() const { return ended_.load(std::memory_order_acquire); }
  // After ended().
  [[nodiscard]] std::optional<JobError>& error() { return error_; }
  [[nodiscard]] Value& value() { return *value_; }

  void release() {
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  PoolCore* core_;
  std::optional<Value> value_;
  std::optional<JobError> error_;
  std::atomic<bool> ended_{false};
  std::atomic<int> shares_{2};  // the pool's and the Future's
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
    if (call_ != nullptr) call_->release();
  }

  // False once get() or outcome() took the result.
  [[nodiscard]] bool valid() const { return call_ != nullptr; }
  // Whether get() would return at once. Does not do the pool's work.
  [[nodiscard]] bool ready() const { return call_->ended(); }

  // Waits, then gives the result or throws JobError. Once.
  R get() {
    call_->wait();
    const Future done = std::move(*this);
    if (done.call_->error()) throw *std::move(done.call_->error());
    if constexpr (!std::is_void_v<R>) return std::move(done.call_->value());
  }
  // The same without a throw. Once.
  [[nodiscard]] tl::expected<R, JobError> outcome() {
    call_->wait();
    const Future done = std::move(*this);
    if (done.call_->error()) return tl::unexpected(*std::move(done.call_->error()));
    if constexpr (std::is_void_v<R>) {
      return {};
    } else {
      return std::move(done.call_->value());
    }
  }

 private:
  CallResult<R>* call_ = nullptr;
};

}  // namespace runner
