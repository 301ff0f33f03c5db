#include "master/pool/functions.hpp"

#include <optional>
#include <runner/process_pool.hpp>

namespace runner {

PoolTarget& Functions::find(const Callable& callable, const ipc::Modules& modules) {
  if (callable.code == nullptr) throw PoolError("a null pointer was given where a function to call was expected");
  std::unique_ptr<PoolTarget>& target = targets_[callable];
  if (target == nullptr) {
    const std::optional<ipc::FunctionName> function = modules.name_of(callable.code);
    const std::optional<ipc::FunctionName> trampoline = modules.name_of(reinterpret_cast<AnyFunction>(callable.run));
    if (!function || !trampoline) {
      targets_.erase(callable);
      throw PoolError("this function was loaded after the pool was made, so its workers do not have it: load it before");
    }
    target = std::make_unique<PoolTarget>();
    target->header = {*trampoline, *function};
  }
  last_callable_ = callable;
  last_target_ = target.get();
  return *target;
}

}  // namespace runner
