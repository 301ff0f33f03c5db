// pipe_responder.hpp - the worker's end of a pair of pipes to its master (responder.hpp has the contract).
//
// One write per job when jobs follow each other: the reply to one leaves together with "entered" of the next.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <runner/unique_fd.hpp>
#include "ipc/frame.hpp"
#include "ipc/responder.hpp"

namespace runner::ipc {

class PipeResponder final : public Responder {
 public:
  // `files`: requests, replies; `control` is borrowed.
  [[nodiscard]] static Result<std::unique_ptr<PipeResponder>> open(std::vector<UniqueFd> files, int control);

  [[nodiscard]] Result<std::optional<JobRequest>> next() override;
  [[nodiscard]] Result<void> entering() override;
  [[nodiscard]] Result<void> answer(JobReply&& reply) override;
  [[nodiscard]] Result<bool> terminate_asked() override;

 private:
  PipeResponder(UniqueFd requests, UniqueFd replies, int control)
      : requests_(std::move(requests)), replies_(std::move(replies)), control_(control) {}
  [[nodiscard]] Result<void> flush();

  UniqueFd requests_, replies_;
  int control_;
  FrameReader requests_in_;
  FrameWriter replies_out_;
  std::uint64_t ticket_ = 0;
  std::int64_t entered_ns_ = 0;
};

}  // namespace runner::ipc
