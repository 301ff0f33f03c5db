// progress_lines.hpp - one moment of the run, in words.
//
// Called from  the run loop's thread. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "master/sink.hpp"
#include "report/pace.hpp"

namespace runner::report {

// The live lines for a terminal of that width: each is narrower than it. The first says how far the run is, the second what
// the workers are on, if they are on anything.
[[nodiscard]] std::vector<std::string> live_lines(const master::Snapshot& snapshot, const Pace& pace, std::size_t columns);

// The first of them alone, and without what another line says: how long the rest will take.
[[nodiscard]] std::string state_line(const master::Snapshot& snapshot, const Pace& pace, std::size_t columns);

// How long what is left will take; nothing where that is not known, or nothing more starts. `give_or_take`: "±" or what stands for it;
// empty: without.
[[nodiscard]] std::string eta(const master::Snapshot& snapshot, const Pace& pace, std::string_view give_or_take);

// Whole seconds, or minutes: who watches does not read digits that change with every redraw.
[[nodiscard]] std::string calm(Duration duration);

// "12 s: 740 of 2 000 jobs done (37 %), 8 running, 1 failed, 161/s, about 8 s left"
[[nodiscard]] std::string plain_line(const master::Snapshot& snapshot, const Pace& pace);

// "interrupted: running jobs finish, nothing more starts; another Ctrl-C ends them": for who wants no other line.
[[nodiscard]] std::string interrupt_line(unsigned interrupts, bool any_running);
[[nodiscard]] bool any_running(const master::Snapshot& snapshot);

}  // namespace runner::report
