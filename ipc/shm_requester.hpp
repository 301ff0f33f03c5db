// shm_requester.hpp - the master's end of a slot channel in shared memory (requester.hpp has the contract).
//
// Never        blocks, and never uses a length or an offset from the worker before checking it against what it made itself.
// Layout       docs/shm-layout.md
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <runner/outcome.hpp>
#include <runner/unique_fd.hpp>
#include "ipc/inbound.hpp"
#include "ipc/region.hpp"
#include "ipc/requester.hpp"
#include "ipc/slot.hpp"

namespace runner::ipc {

struct ShmGeometry {
  std::uint32_t depth = 256;                       // slots; a power of two
  std::size_t out_bytes = std::size_t{256} << 10;  // the worker's arena for replies
  std::size_t memfd_from = std::size_t{64} << 10;  // larger requests travel in a memfd of their own
};

// What the master itself put into a slot: the only thing it believes.
struct Issued {
  std::uint32_t items = 1;
  bool timed = true;
  std::optional<std::uint64_t> payload;  // offset in the inbound arena
  bool memfd = false;
  bool taken_back = false;
};

// What a slot tells of request `seq` after its worker died without a reply; `out` is the memory of the worker's replies. Pure:
// it looks, and believes nothing that the master's own `issued` does not bear out.
[[nodiscard]] Wreck examine(const Slot& slot, std::uint64_t seq, const Issued& issued, std::span<const std::byte> out);

class ShmRequester final : public Requester {
 public:
  // `control` is borrowed: descriptors of payloads go over it. `max_result`: a reply that is much longer breaks the rules.
  [[nodiscard]] static Result<std::unique_ptr<ShmRequester>> create(Inbound& inbound, std::uint32_t worker,
                                                                    std::uint64_t incarnation, int control,
                                                                    const ShmGeometry& geometry,
                                                                    std::uint64_t max_result = kMaxResult.count);
  ~ShmRequester() override;

  // Descriptors for the hello: channel, in, out, doorbell.
  [[nodiscard]] std::vector<int> files() const;
  [[nodiscard]] const ShmGeometry& geometry() const { return geometry_; }

  [[nodiscard]] bool full() const override;
  [[nodiscard]] Result<Ticket> send(const Request& request) override;
  Result<void> kick() override;
  [[nodiscard]] bool asleep() const override;
  [[nodiscard]] Result<Reply*> front() override;
  void pop() override;
  void take_back(Ticket ticket, std::vector<Ticket>& taken) override;
  [[nodiscard]] std::optional<TimePoint> entered(Ticket ticket) const override;
  [[nodiscard]] Wreck wreck(Ticket ticket) const override;
  void arm(Ticket from) override;
  [[nodiscard]] bool done(Ticket from) const override;
  [[nodiscard]] int doorbell() const override { return doorbell_.get(); }
  void hush() override;
  void close() override;

 private:
  ShmRequester(Inbound& inbound, SharedRegion channel, SharedRegion out, UniqueFd doorbell, std::uint32_t worker, int control,
               const ShmGeometry& geometry, std::uint64_t longest);
  [[nodiscard]] Slot& slot(std::uint64_t seq) const { return slot_of(channel_.data(), geometry_.depth, seq); }
  [[nodiscard]] Issued& issued(std::uint64_t seq) { return issued_[seq & (geometry_.depth - 1)]; }
  [[nodiscard]] const Issued& issued(std::uint64_t seq) const { return issued_[seq & (geometry_.depth - 1)]; }
  [[nodiscard]] Result<void> place_large(Slot& slot, Issued& issue, std::uint64_t seq, const WireContent& content,
                                         std::size_t bytes);
  [[nodiscard]] Result<void> read(const Slot& slot, std::uint64_t seq);
  [[nodiscard]] Result<void> read_files(std::uint64_t seq, Place place, std::uint32_t files, std::uint64_t bytes);
  void release(Issued& issue);

  Inbound& inbound_;
  SharedRegion channel_, out_;
  UniqueFd doorbell_;
  std::uint32_t worker_;
  int control_;
  ShmGeometry geometry_;
  std::uint64_t longest_;  // reply
  std::vector<Issued> issued_;
  std::uint64_t head_ = 0;  // oldest not yet collected
  std::uint64_t tail_ = 0;  // next to be sent
  std::uint32_t memfds_ = 0;
  std::uint32_t unread_ = 0;     // notes that the worker may not have read, those of requests taken back among them
  Reply reply_;                  // of head_
  bool reply_is_large_ = false;  // it has an owner or descriptors
};

}  // namespace runner::ipc
