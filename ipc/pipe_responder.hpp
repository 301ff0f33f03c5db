// pipe_responder.hpp - the worker's end of a pair of pipes to its master (responder.hpp has the contract).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <runner/unique_fd.hpp>
#include "ipc/frame.hpp"
#include "ipc/hello.hpp"
#include "ipc/responder.hpp"

namespace runner::ipc {

class PipeResponder final : public Responder, private ItemSink {
 public:
  // `files`: requests, replies; `control` is borrowed.
  [[nodiscard]] static Result<std::unique_ptr<PipeResponder>> open(const Hello& hello, std::vector<UniqueFd> files,
                                                                   int control);

  [[nodiscard]] Result<std::optional<Incoming>> next() override;
  [[nodiscard]] Result<void> entering() override;
  [[nodiscard]] ItemSink& items() override { return *this; }
  [[nodiscard]] Result<void> answer(const Answer& answer) override;
  [[nodiscard]] Result<bool> terminate_asked() override;

 private:
  PipeResponder(UniqueFd requests, UniqueFd replies, int control, std::uint64_t max_result)
      : requests_(std::move(requests)), replies_(std::move(replies)), control_(control), max_result_(max_result) {}
  void overflow(const WireContent& result) override;
  void tell() override;
  [[nodiscard]] Result<std::optional<Incoming>> read(std::span<const std::byte> message, TimePoint woken);
  [[nodiscard]] Result<void> flush();

  UniqueFd requests_, replies_;
  int control_;
  std::uint64_t max_result_;
  FrameReader requests_in_;
  FrameWriter replies_out_;
  std::uint64_t ticket_ = 0;
  TimePoint request_seen_{};        // the current one
  TimePoint free_{};                // the reply before is in the pipe
  std::vector<std::byte> results_;  // of the items of the current request
  std::uint64_t stream_room_ = 0;   // how much of it the master takes
  std::uint64_t sent_ = 0;          // of those
  LastPart overflowed_ = LastPart::none;
  std::string last_;  // what overflow() took
  Result<void> broken_;
};

}  // namespace runner::ipc
