#include <runner/process_pool.hpp>

#include "master/pool/pool_core.hpp"

namespace runner {

JobError::JobError(Ending ending, std::size_t item)
    : std::runtime_error([&] {
        Outcome outcome;
        outcome.ending = ending;
        return describe(outcome);
      }()),
      ending_(std::move(ending)),
      item_(item) {}

void wait_for(PoolCore& core, const std::atomic<bool>& ended) { core.wait(ended); }

ProcessPool::ProcessPool(const PoolOptions& options) : core_(new PoolCore(options), [](PoolCore* core) { delete core; }) {}
ProcessPool::~ProcessPool() = default;

std::uint32_t ProcessPool::procs() const { return core_->procs(); }
std::vector<PoolWorker> ProcessPool::workers() const { return core_->workers(); }
const Shared& ProcessPool::shared() const { return core_->shared(); }
void ProcessPool::start(PoolWork& call) { core_->submit(call); }
void ProcessPool::run(PoolWork& work, std::size_t items) { core_->run(work, items); }

}  // namespace runner
