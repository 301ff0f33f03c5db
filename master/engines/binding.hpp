// binding.hpp - on which processors each worker may run: one of its own, or those of an L3 cache, of a NUMA node, of a list.
//
// Called from  the crew of worker processes, once, when it opens; the command line, to read a list; the doctor.
// Fails with   parse: usage. The rest nothing: where there are fewer cores than workers, or the topology cannot be read, nobody is
//              bound, and the text says so.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <runner/result.hpp>

namespace runner::master {

enum class Bind : std::uint8_t { core, none, l3, numa, list };

using Processors = std::vector<int>;  // numbers as the kernel gives them, ascending

// "0,2,4-7".
[[nodiscard]] Result<Processors> parse_processors(std::string_view text);
[[nodiscard]] std::string text_of(const Processors& processors);

// What this process may use: its affinity mask. Empty: it cannot be read.
[[nodiscard]] Processors allowed_processors();

// The machine, as far as this process may use it.
struct Topology {
  Processors allowed;
  std::vector<Processors> cores, l3, numa;  // each with what is allowed of it; those with nothing are left out
};
// Costs milliseconds. Of levels that cannot be read there are none.
[[nodiscard]] Topology read_topology();

struct Placement {
  std::vector<Processors> seats;  // of each worker; empty: nobody is bound
  std::string text;               // "each bound to a core", "not bound to cores"
};
struct BindOptions {
  Bind bind = Bind::core;
  Processors list;           // Bind::list
  std::uint32_t widest = 1;  // most processors that one job takes
};
// Pure. A worker whose jobs take several processors is bound to no single one.
[[nodiscard]] Placement place(const Topology& topology, const BindOptions& options, std::uint32_t workers);
// The same for this machine, whose topology is read only where it matters.
[[nodiscard]] Placement place(const BindOptions& options, std::uint32_t workers);

[[nodiscard]] Result<void> bind_process(pid_t pid, const Processors& processors);
// Where it may run; none: it cannot be told, it may be dead.
[[nodiscard]] std::optional<Processors> binding_of(pid_t pid);

}  // namespace runner::master
