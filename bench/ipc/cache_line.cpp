// The limit: both sides look at the other's cache line without a pause longer than the processor's own, so a message costs
// what the caches take to move it. A processor is burnt on each side.
#include <sched.h>

#include "bench/ipc/mechanisms.hpp"
#include "bench/ipc/shared_lanes.hpp"

namespace runner::bench {
namespace {

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Spin {
 public:
  explicit Spin(const Demand& demand) : crowded_(demand.crowded) {}
  void ring() {}
  template <class Seen>
  void await(Seen seen) {
    // On a processor that the other side needs, a spin would last until the scheduler's tick. After some 10 us it is likely
    // that somebody who is not measured needs one.
    for (int looks = 1; !seen(); ++looks) {
      if (crowded_ || looks % kPatience == 0) {
        ::sched_yield();
      } else {
        pause();
      }
    }
  }

 private:
  static constexpr int kPatience = 512;
  bool crowded_;
};

class CacheLine final : public Mechanism {
 public:
  [[nodiscard]] std::string name() const override { return "cache line, spinning"; }
  [[nodiscard]] Result<std::vector<std::unique_ptr<Link>>> connect(const Demand& demand) const override {
    return connect_lanes<Spin>(demand);
  }
};

}  // namespace

std::unique_ptr<Mechanism> make_cache_line() { return std::make_unique<CacheLine>(); }

}  // namespace runner::bench
