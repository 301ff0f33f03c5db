// checked_options.hpp - what a program asked a process pool for, looked at and turned into what its parts want.
//
// Called from  the pool's constructor.
// Fails with   PoolError: which option, what was found, what was expected.
#pragma once

#include <runner/process_pool.hpp>
#include <runner/shared.hpp>
#include <vector>

#include "ipc/shared_state.hpp"
#include "master/engines/processes.hpp"

namespace runner {

// With what nobody said filled in. This process must have one thread; its standard streams are open afterwards.
[[nodiscard]] PoolOptions checked(PoolOptions options);
[[nodiscard]] ipc::SharedState made(const std::vector<SharedSpec>& shared);
// `shared` must outlive what is made of them.
[[nodiscard]] master::ProcessOptions process_options(const PoolOptions& options, const ipc::SharedState& shared);

}  // namespace runner
