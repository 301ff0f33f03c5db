// plan.hpp - which jobs of a batch wait for which others, and which go first: needs and priorities, without the jobs themselves.
//
// Jobs that lie beside each other, need the same, are needed by the same and occupy the same, are one block; the jobs that one `needs` names are one
// group, which is made of whole blocks. So a sweep of ten million jobs that waits for one other is two blocks, and its memory and
// cost do not depend on how many jobs it makes.
//
// Called from  config makes it, the scheduler and `explain` read it. A plain value.
// Never        holds a cycle, or a group without jobs: whoever makes it refuses them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runner/ids.hpp"

namespace runner {

// Lists of numbers, one for each of 0 .. n-1, laid end to end.
class Lists {
 public:
  // Appends the next list.
  void add(std::span<const std::uint32_t> list) {
    values_.insert(values_.end(), list.begin(), list.end());
    ends_.push_back(values_.size());
  }
  [[nodiscard]] std::span<const std::uint32_t> operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::span(values_).subspan(begin, ends_[i] - begin);
  }
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  // From "i has j" to "j is had by i"; `n` is how many j there are.
  [[nodiscard]] Lists inverted(std::size_t n) const;

 private:
  std::vector<std::uint32_t> values_;
  std::vector<std::size_t> ends_;
};

struct Plan {
  struct Block {
    JobId first{};
    std::uint64_t size = 0;
    std::int32_t priority = 0;
    std::uint32_t demand = 0;  // JobSpec::demand of its jobs
  };
  struct Group {
    std::string need;        // as it is written: a name or a pattern
    std::uint64_t size = 0;  // jobs
  };

  std::vector<Block> blocks;  // in the order of the batch, without gaps
  std::vector<Group> groups;
  Lists needs;      // of each block: the groups that it waits for
  Lists waiters;    // of each group: the blocks that wait for it
  Lists groups_of;  // of each block: the groups that it belongs to
  Lists members;    // of each group: its blocks

  // The block that holds this job.
  [[nodiscard]] std::uint32_t block_of(JobId job) const;
};

}  // namespace runner
