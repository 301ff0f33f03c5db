// functions.hpp - the functions that a process pool was asked to call, and what is known of each.
//
// Called from  PoolCore, under its lock.
// Owns         a PoolTarget for each function, which stays where it is.
// Fails with   PoolError: a null pointer, or a function that the workers do not have.
#pragma once

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <runner/pool_work.hpp>

#include "ipc/modules.hpp"
#include "master/pool/pool_seat.hpp"

namespace runner {

class Functions {
 public:
  [[nodiscard]] PoolTarget& of(const Callable& callable, const ipc::Modules& modules) {
    return callable == last_callable_ && last_target_ != nullptr ? *last_target_ : find(callable, modules);
  }

 private:
  // A linker may fold functions of different types into one, so their address alone does not tell them apart.
  struct Hash {
    std::size_t operator()(const Callable& callable) const {
      std::size_t seed = 0;
      boost::hash_combine(seed, reinterpret_cast<std::uintptr_t>(callable.code));
      boost::hash_combine(seed, reinterpret_cast<std::uintptr_t>(callable.run));
      return seed;
    }
  };
  [[nodiscard]] PoolTarget& find(const Callable& callable, const ipc::Modules& modules);

  boost::unordered_flat_map<Callable, std::unique_ptr<PoolTarget>, Hash> targets_;
  Callable last_callable_;
  PoolTarget* last_target_ = nullptr;
};

}  // namespace runner
