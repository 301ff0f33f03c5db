// shm_responder.hpp - the worker's end of a slot channel in shared memory (responder.hpp has the contract).
//
// Layout       docs/shm-layout.md
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "ipc/arena.hpp"
#include "ipc/hello.hpp"
#include "ipc/inbound.hpp"
#include "ipc/region.hpp"
#include "ipc/responder.hpp"
#include "ipc/slot.hpp"
#include "ipc/spin_budget.hpp"

namespace runner::ipc {

class ShmResponder final : public Responder, private ItemSink {
 public:
  // `files` as ShmRequester::files() sent them; `control` is borrowed.
  [[nodiscard]] static Result<std::unique_ptr<ShmResponder>> open(const Hello& hello, std::vector<UniqueFd> files, int control);

  [[nodiscard]] Result<std::optional<Incoming>> next() override;
  [[nodiscard]] Result<void> entering() override;
  [[nodiscard]] ItemSink& items() override { return *this; }
  [[nodiscard]] Result<void> answer(const Answer& answer) override;
  [[nodiscard]] Result<bool> terminate_asked() override;

 private:
  // Places in the `out` arena that a slot's reply uses, until the master has collected it.
  struct Held {
    std::optional<std::uint64_t> stream, last;
  };

  ShmResponder(const Hello& hello, SharedRegion channel, SharedRegion in, SharedRegion out, Arena arena, UniqueFd doorbell,
               int control);
  [[nodiscard]] Slot& slot() const { return slot_of(channel_.data(), depth_, expected_); }
  [[nodiscard]] Held& held() { return held_[expected_ & (depth_ - 1)]; }
  [[nodiscard]] bool claim();
  [[nodiscard]] bool closing() const;
  // Looks for a next request for as long as that pays; true: there is something.
  [[nodiscard]] bool spin();
  [[nodiscard]] Result<void> sleep();
  [[nodiscard]] Result<void> read_ahead();
  [[nodiscard]] Result<void> find_request(Incoming& request);
  void overflow(const WireContent& result) override;
  void tell() override {}
  [[nodiscard]] Result<void> place(Slot& slot, const WireContent& content);
  [[nodiscard]] std::optional<std::uint64_t> room_for(std::size_t bytes);
  void give_back(Held& held);
  [[nodiscard]] Result<void> ring();

  SharedRegion channel_, in_, out_;
  Arena arena_;
  UniqueFd doorbell_;
  int control_;
  std::uint32_t depth_, worker_;
  std::size_t memfd_from_;
  std::uint64_t max_result_;
  std::uint64_t expected_ = 0;  // the next seq, or the one that runs
  std::uint64_t rung_ = 0;      // the last of the master's naps that was rung for
  SpinBudget spin_budget_;
  TimePoint request_seen_{};    // the current one
  std::uint64_t seen_ = 0;      // the word in which claim() saw nothing to do
  std::uint32_t in_a_row_ = 0;  // requests since the last wait
  std::vector<Held> held_;
  std::map<std::uint64_t, UniqueFd> payloads_;   // request payloads that came before their turn
  std::shared_ptr<const SharedRegion> request_;  // the payload of the current request
  UniqueFd sealed_;                              // that of its reply
  LastPart overflowed_ = LastPart::none;         // what overflow() left in the slot
  Result<void> broken_;                          // why it could not
};

}  // namespace runner::ipc
