// Shared memory whose reader sleeps on a futex, and never spins: what waking a sleeper costs without a queue of the kernel.
#include "ipc/futex.hpp"

#include "bench/ipc/mechanisms.hpp"
#include "bench/ipc/shared_lanes.hpp"

namespace runner::bench {
namespace {

class SleepWord {
 public:
  explicit SleepWord(const Demand&) {}
  void ring() {
    // Partner of the fence in await: either the reader sees the message, or we see that it sleeps.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_relaxed) == 1 && sleeping_.exchange(0, std::memory_order_relaxed) == 1) {
      ipc::futex_wake(sleeping_);
    }
  }
  template <class Seen>
  void await(Seen seen) {
    while (!seen()) {
      sleeping_.store(1, std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      if (!seen()) ipc::futex_wait(sleeping_, 1);
      sleeping_.store(0, std::memory_order_relaxed);
    }
  }

 private:
  alignas(kLine) std::atomic<std::uint32_t> sleeping_{0};
};

class Futex final : public Mechanism {
 public:
  [[nodiscard]] std::string name() const override { return "futex, sleeping"; }
  [[nodiscard]] Result<std::vector<std::unique_ptr<Link>>> connect(const Demand& demand) const override {
    return connect_lanes<SleepWord>(demand);
  }
};

}  // namespace

std::unique_ptr<Mechanism> make_futex() { return std::make_unique<Futex>(); }

}  // namespace runner::bench
