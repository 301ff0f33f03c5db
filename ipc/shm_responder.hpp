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

namespace runner::ipc {

class ShmResponder final : public Responder {
 public:
  // `files` as ShmRequester::files() sent them; `control` is borrowed.
  [[nodiscard]] static Result<std::unique_ptr<ShmResponder>> open(const Hello& hello, std::vector<UniqueFd> files, int control);

  [[nodiscard]] Result<std::optional<JobRequest>> next() override;
  [[nodiscard]] Result<void> entering() override;
  [[nodiscard]] Result<void> answer(JobReply&& reply) override;
  [[nodiscard]] Result<bool> terminate_asked() override;

 private:
  ShmResponder(const Hello& hello, SharedRegion channel, SharedRegion in, SharedRegion out, UniqueFd doorbell, int control);
  [[nodiscard]] Slot& slot() const;
  [[nodiscard]] bool claim();
  [[nodiscard]] bool closing() const;
  [[nodiscard]] Result<void> sleep();
  [[nodiscard]] Result<void> read_ahead();
  [[nodiscard]] Result<std::span<const std::byte>> request_bytes();
  [[nodiscard]] Result<void> place(Slot& slot, const JobReply& reply);
  [[nodiscard]] std::optional<std::uint64_t> room_for(std::size_t bytes);
  [[nodiscard]] Result<void> ring();

  SharedRegion channel_, in_, out_;
  Arena arena_;
  UniqueFd doorbell_;
  int control_;
  std::uint32_t depth_, worker_;
  Duration spin_;
  std::uint64_t expected_ = 0;  // the next seq, or the one that runs
  std::uint64_t rung_ = 0;      // the last of the master's naps that was rung for
  // Reply payloads by slot, until the master has collected them.
  std::vector<std::optional<std::uint64_t>> held_;
  std::map<std::uint64_t, UniqueFd> payloads_;  // request payloads that came before their turn
  SharedRegion request_;                        // the payload of the current request
};

}  // namespace runner::ipc
