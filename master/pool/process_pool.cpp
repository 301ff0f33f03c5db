#include <oneapi/tbb/scalable_allocator.h>

#include <runner/process_pool.hpp>
#include <vector>

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

// A sanitizer sees what becomes of memory only if it gave it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
void* allocate_call(std::size_t bytes, std::align_val_t alignment) { return ::operator new(bytes, alignment); }
void free_call(void* memory, std::align_val_t alignment) noexcept { ::operator delete(memory, alignment); }
#else
void* allocate_call(std::size_t bytes, std::align_val_t alignment) {
  const auto align = static_cast<std::size_t>(alignment);
  // What it gives without being asked is aligned for every fundamental type.
  void* const memory = align <= alignof(std::max_align_t) ? ::scalable_malloc(bytes) : ::scalable_aligned_malloc(bytes, align);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void free_call(void* memory, std::align_val_t alignment) noexcept {
  if (static_cast<std::size_t>(alignment) <= alignof(std::max_align_t)) {
    ::scalable_free(memory);
  } else {
    ::scalable_aligned_free(memory);
  }
}
#endif

namespace {
void end(PoolCore* core) {
  if (core->is_ours()) {
    delete core;
  } else {
    // Its parts would end our parent's workers. It stays, in sight of who looks for leaks, with this process.
    static auto* const inherited = new std::vector<PoolCore*>();
    inherited->push_back(core);
  }
}
}  // namespace

ProcessPool::ProcessPool(const PoolOptions& options) : core_(new PoolCore(options), &end) {}
ProcessPool::~ProcessPool() = default;

std::uint32_t ProcessPool::procs() const { return core_->procs(); }
std::vector<PoolWorker> ProcessPool::workers() const { return core_->workers(); }
const Shared& ProcessPool::shared() const { return core_->shared(); }
void ProcessPool::start(PoolWork& call) { core_->submit(call); }
void ProcessPool::run(PoolWork& work, std::size_t items) { core_->run(work, items); }

}  // namespace runner
