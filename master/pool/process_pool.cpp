#include <oneapi/tbb/scalable_allocator.h>

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

void wait_for(PoolCore& core, const std::atomic<CallStage>& stage) { core.wait(stage); }

void* allocate_call(std::size_t bytes, std::align_val_t alignment) {
  const auto align = static_cast<std::size_t>(alignment);
  void* const memory = align <= 16 ? ::scalable_malloc(bytes) : ::scalable_aligned_malloc(bytes, align);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void free_call(void* memory) noexcept { ::scalable_free(memory); }

ProcessPool::ProcessPool(const PoolOptions& options) : core_(new PoolCore(options), [](PoolCore* core) { delete core; }) {}
ProcessPool::~ProcessPool() = default;

std::uint32_t ProcessPool::procs() const { return core_->procs(); }
std::vector<PoolWorker> ProcessPool::workers() const { return core_->workers(); }
const Shared& ProcessPool::shared() const { return core_->shared(); }
void ProcessPool::start(PoolWork& call) { core_->submit(call); }
void ProcessPool::run(PoolWork& work, std::size_t items) { core_->run(work, items); }

}  // namespace runner
