// dashboard.hpp - --progress full: one moment of the run as a small screen of lines.
//
//   [#####...........]   33 %  740/2 000  8 running  1 failed  161/s
//   ETA 8 s ± 1 s  IPC 1.2 %  ▂▃▅▆▇▇█▇
//   w0  running  primes-3                           12 s   34.1 MiB
//   w1  idle                                         3 s   12.0 MiB
//   and 30 more workers: 28 running, 2 idle
//   p pause · + - workers (32) · q stop · ? keys
//
// Called from  the run loop's thread. Pure.
// Owns         nothing.
// Fails with   nothing: what does not fit is left out, what is most worth knowing last.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "master/sink.hpp"
#include "report/pace.hpp"

namespace runner::report {

struct Screen {
  std::size_t columns = 80, rows = 24;
  bool utf8 = true;  // else only ASCII can be shown
};

// Each line is narrower than the screen, and there are fewer than its rows. `memory`: of each worker of the snapshot and
// what it runs, or zero where that is not known. `keys`: whether somebody listens to them; `help`: they are to be explained.
[[nodiscard]] std::vector<std::string> dashboard(const master::Snapshot& snapshot, const Pace& pace,
                                                 const std::vector<Bytes>& memory, Screen screen, bool keys, bool help);

}  // namespace runner::report
