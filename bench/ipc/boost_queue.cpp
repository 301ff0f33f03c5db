// Boost.Interprocess message_queue: messages in shared memory behind one process-shared mutex and two condition variables.
#include <sys/statvfs.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <utility>

#include "bench/ipc/brief_name.hpp"
#include "bench/ipc/mechanisms.hpp"

namespace runner::bench {
namespace {

using boost::interprocess::message_queue;

// The queue is made under the brief name and loses it at once; parent and child keep the mapping.
class NamelessQueue {
 public:
  NamelessQueue(std::size_t messages, std::size_t bytes)
      : queue_(boost::interprocess::create_only, brief_name::get().c_str() + 1, messages, bytes) {
    message_queue::remove(brief_name::get().c_str() + 1);
  }
  [[nodiscard]] message_queue& operator*() { return queue_; }

 private:
  message_queue queue_;
};

class BoostEnd final : public End {
 public:
  BoostEnd(message_queue& in, message_queue& out, std::size_t incoming) : in_(in), out_(out), received_(incoming) {}
  void send(Message message) override { out_.send(message.data(), message.size(), 0); }
  [[nodiscard]] Message receive() override {
    message_queue::size_type got = 0;
    unsigned priority = 0;
    in_.receive(received_.data(), received_.size(), got, priority);
    return Message(received_).first(got);
  }

 private:
  message_queue &in_, &out_;
  std::vector<std::byte> received_;
};

class BoostLink final : public Link {
 public:
  explicit BoostLink(const Demand& demand)
      : demand_(demand), there_(demand.window, demand.there), back_(demand.window, demand.back) {}
  [[nodiscard]] std::unique_ptr<End> parent() override { return std::make_unique<BoostEnd>(*back_, *there_, demand_.back); }
  [[nodiscard]] std::unique_ptr<End> child() override { return std::make_unique<BoostEnd>(*there_, *back_, demand_.there); }
  [[nodiscard]] std::size_t window() const override { return demand_.window; }

 private:
  Demand demand_;
  NamelessQueue there_, back_;
};

class BoostQueue final : public Mechanism {
 public:
  [[nodiscard]] std::string name() const override { return "Boost message_queue"; }
  [[nodiscard]] Result<std::vector<std::unique_ptr<Link>>> connect(const Demand& demand) const override try {
    // Boost makes a sparse file: too little room would be a SIGBUS in the middle, so it is looked for first.
    const std::size_t needs = demand.children * demand.window * (demand.there + demand.back + 128);
    struct statvfs shm{};
    if (::statvfs("/dev/shm", &shm) == 0 && shm.f_bavail * shm.f_frsize < needs) {
      return fail(ErrorCode::system, "/dev/shm has room for " + std::to_string(shm.f_bavail * shm.f_frsize) +
                                         " bytes, needed are " + std::to_string(needs));
    }
    std::vector<std::unique_ptr<Link>> links;
    for (std::size_t n = 0; n < demand.children; ++n) links.push_back(std::make_unique<BoostLink>(demand));
    return links;
  } catch (const boost::interprocess::interprocess_exception& refused) {
    return fail(ErrorCode::system, refused.what());
  }
};

}  // namespace

std::unique_ptr<Mechanism> make_boost_queue() { return std::make_unique<BoostQueue>(); }

}  // namespace runner::bench
