// occupancy.hpp - what running jobs occupy, and whether another one fits beside them: processors and named resources.
//
// Whoever does not fit must not wait for ever because smaller ones always do. So those that want to start are asked in the order in
// which they go, and what the first one lacks is held for it: its named resources always, processors as soon as these are all it
// lacks. Then it starts at the latest when all that runs now has ended.
//
// Jobs of one processor and nothing else may lie in a worker's queue behind each other, more than there are processors, as long as
// nobody runs or waits that needs the processors counted, and the end of no job could be the last word on whether others start.
//
// Called from  the scheduler.
// Owns         counts. The demands must outlive it.
// Fails with   cannot fail. A demand that can never be had must be refused before (never_to_be_had).
// Call order   (take | give | resize | look fits*), in any order; give once for each take
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <runner/demand.hpp>

namespace runner::master {

class Occupancy {
 public:
  Occupancy(std::uint32_t cpus, std::span<const Resource> resources, std::span<const Demand> demands);

  void take(std::uint32_t demand);
  void give(std::uint32_t demand);

  // So many processors more, or fewer, than there were. Who has some keeps them.
  void resize(std::int64_t more) { cpus_ += more; }

  // Begins a look at those that want to start: nothing is held for anybody. `exact`: none may lie behind another.
  void look(bool exact = false);
  // Whether it could start now. If not, what it lacks is held for it, and those that are asked behind it do not get that.
  [[nodiscard]] bool fits(std::uint32_t demand);
  // Nobody who is asked next in this look could start.
  [[nodiscard]] bool closed() const { return cpus_held_; }

 private:
  std::span<const Demand> demands_;
  std::int64_t cpus_;                    // that are free; below 0 when queues are longer than one
  std::vector<std::uint64_t> free_;      // of each resource
  std::uint64_t counted_ = 0;            // running jobs that are not plain
  bool exact_ = false;                   // in this look
  bool cpus_held_ = false;               // in this look
  std::vector<std::uint64_t> unspoken_;  // of each resource, what is free and not held, in this look
};

// Why a job of this demand could never start with so many processors; none: it can. Resources were checked with the batch.
[[nodiscard]] std::optional<std::string> never_to_be_had(std::span<const Demand> demands, std::uint32_t cpus);

}  // namespace runner::master
