// Shared memory and an eventfd for each direction: rung for every message, read when the message is not there yet.
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <runner/unique_fd.hpp>
#include <system_error>

#include "bench/ipc/mechanisms.hpp"
#include "bench/ipc/shared_lanes.hpp"

namespace runner::bench {
namespace {

class Doorbell {
 public:
  explicit Doorbell(const Demand&) : fd_(::eventfd(0, EFD_CLOEXEC)) {
    if (!fd_) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  void ring() {
    const std::uint64_t one = 1;
    if (::write(fd_.get(), &one, sizeof one) < 0) throw std::system_error(errno, std::generic_category(), "write to eventfd");
  }
  template <class Seen>
  void await(Seen seen) {
    while (!seen()) {
      std::uint64_t rings = 0;
      if (::read(fd_.get(), &rings, sizeof rings) < 0 && errno != EINTR) {
        throw std::system_error(errno, std::generic_category(), "read of eventfd");
      }
    }
  }

 private:
  UniqueFd fd_;  // the same number in parent and child: both got it before the fork
};

class EventFd final : public Mechanism {
 public:
  [[nodiscard]] std::string name() const override { return "eventfd pair"; }
  [[nodiscard]] Result<std::vector<std::unique_ptr<Link>>> connect(const Demand& demand) const override {
    return connect_lanes<Doorbell>(demand);
  }
};

}  // namespace

std::unique_ptr<Mechanism> make_eventfd() { return std::make_unique<EventFd>(); }

}  // namespace runner::bench
