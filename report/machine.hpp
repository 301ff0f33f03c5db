// machine.hpp - on what machine something was measured: as it stands beside every figure that is kept.
//
// Called from  any thread.
// Owns         nothing.
// Fails with   cannot fail: what is not told is null.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace runner::report {

// {cpu, cpus_online, cpus_usable, quota_cpus, memory_bytes, kernel, governor, load, compiler, build}
[[nodiscard]] nlohmann::ordered_json machine();

}  // namespace runner::report
