// capture.hpp - one stream of a command as it is read: in memory up to 1 MiB, beyond that all of it in an unlinked file.
//
// Called from  whoever reads the pipe.
// Owns         the bytes, and the spill file ($TMPDIR, else /tmp; it has no name, so nothing is left behind).
// Fails with   system, when the spill file cannot be made or written. take() then gives what came before the append() that
//              failed, or up to where its file could be written.
// Call order   append* take
#pragma once

#include <string>
#include <string_view>

#include <runner/outcome.hpp>
#include <runner/result.hpp>

namespace runner::worker {

class Capture {
 public:
  [[nodiscard]] Result<void> append(std::string_view bytes);
  [[nodiscard]] Captured take();

 private:
  [[nodiscard]] Result<void> to_file();
  [[nodiscard]] Result<void> spill(std::string_view bytes);
  Captured captured_;
};

}  // namespace runner::worker
