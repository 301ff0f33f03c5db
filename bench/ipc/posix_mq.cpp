// POSIX message queues: two per child, as deep and as wide as this user may make them.
#include <fcntl.h>
#include <mqueue.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "bench/ipc/brief_name.hpp"
#include "bench/ipc/mechanisms.hpp"

namespace runner::bench {
namespace {

// A limit of the kernel; what it has been since Linux 2.6.6 where it cannot be read.
std::size_t kernel_limit(const char* name, std::size_t usual) {
  std::ifstream file(std::string("/proc/sys/fs/mqueue/") + name);
  std::size_t value = 0;
  return file >> value ? value : usual;
}

class PosixQueue {
 public:
  PosixQueue(std::size_t messages, std::size_t bytes) {
    mq_attr wanted{};
    wanted.mq_maxmsg = static_cast<long>(messages);
    wanted.mq_msgsize = static_cast<long>(bytes);
    fd_ = ::mq_open(brief_name::get().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &wanted);
    // EMFILE also says that RLIMIT_MSGQUEUE is used up, which its usual text does not suggest.
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), errno == EMFILE ? "mq_open (ulimit -q?)" : "mq_open");
    ::mq_unlink(brief_name::get().c_str());
  }
  ~PosixQueue() { ::mq_close(fd_); }
  PosixQueue(const PosixQueue&) = delete;
  PosixQueue& operator=(const PosixQueue&) = delete;
  [[nodiscard]] mqd_t fd() const { return fd_; }

 private:
  mqd_t fd_ = -1;
};

class PosixEnd final : public End {
 public:
  PosixEnd(const PosixQueue& in, const PosixQueue& out, std::size_t incoming)
      : in_(in.fd()), out_(out.fd()), received_(incoming) {}
  void send(Message message) override {
    while (::mq_send(out_, reinterpret_cast<const char*>(message.data()), message.size(), 0) < 0) {
      if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "mq_send");
    }
  }
  [[nodiscard]] Message receive() override {
    for (;;) {
      const ssize_t got = ::mq_receive(in_, reinterpret_cast<char*>(received_.data()), received_.size(), nullptr);
      if (got >= 0) return Message(received_).first(static_cast<std::size_t>(got));
      if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "mq_receive");
    }
  }

 private:
  mqd_t in_, out_;
  std::vector<std::byte> received_;
};

class PosixLink final : public Link {
 public:
  PosixLink(const Demand& demand, std::size_t window)
      : demand_(demand), window_(window), there_(window, demand.there), back_(window, demand.back) {}
  [[nodiscard]] std::unique_ptr<End> parent() override { return std::make_unique<PosixEnd>(back_, there_, demand_.back); }
  [[nodiscard]] std::unique_ptr<End> child() override { return std::make_unique<PosixEnd>(there_, back_, demand_.there); }
  [[nodiscard]] std::size_t window() const override { return window_; }

 private:
  Demand demand_;
  std::size_t window_;
  PosixQueue there_, back_;
};

class PosixMq final : public Mechanism {
 public:
  [[nodiscard]] std::string name() const override { return "POSIX mq"; }
  [[nodiscard]] std::size_t most_bytes() const override { return kernel_limit("msgsize_max", 8192); }
  [[nodiscard]] std::string limit() const override {
    return "at most " + std::to_string(most_bytes()) + " bytes a message (fs.mqueue.msgsize_max)";
  }
  [[nodiscard]] Result<std::vector<std::unique_ptr<Link>>> connect(const Demand& demand) const override try {
    std::vector<std::unique_ptr<Link>> links;
    const std::size_t window = affordable(demand);
    for (std::size_t n = 0; n < demand.children; ++n) links.push_back(std::make_unique<PosixLink>(demand, window));
    return links;
  } catch (const std::system_error& refused) {
    return fail(ErrorCode::system, refused.what());
  }

 private:
  // What RLIMIT_MSGQUEUE pays for, all queues of this user together: mq_overview(7) has the price of a message.
  [[nodiscard]] static std::size_t affordable(const Demand& demand) {
    constexpr std::size_t bookkeeping = 64;
    rlimit limit{};
    const std::size_t depth = std::min(demand.window, kernel_limit("msg_max", 10));
    if (::getrlimit(RLIMIT_MSGQUEUE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return depth;
    const std::size_t one = demand.children * (demand.there + demand.back + 2 * bookkeeping);
    return std::clamp<std::size_t>(limit.rlim_cur / one, 1, depth);
  }
};

}  // namespace

std::unique_ptr<Mechanism> make_posix_mq() { return std::make_unique<PosixMq>(); }

}  // namespace runner::bench
