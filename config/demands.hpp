// demands.hpp - `resources:` of the batch, and what each job takes: `cpus:` and `resources:`.
//
// Called from  read_batch.cpp makes it, entries ask it for their demand.
// Owns         the resources and the demands, each once.
// Fails with   BadBatch: a resource that the batch does not have, or more of it than there is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <runner/demand.hpp>
#include <runner/value.hpp>

namespace runner::config {

class Demands {
 public:
  // What is looked at whenever a job starts is one of each demand.
  static constexpr std::size_t kMost = 1000;

  // `resources` of the batch may be null; `shown` stands for the file in messages.
  Demands(const Value* resources, std::string shown);

  // The number of the demand that these make; either may be null.
  [[nodiscard]] std::uint32_t of(const Value* cpus, const Value* resources);
  [[nodiscard]] std::uint32_t cpus_of(std::uint32_t demand) const { return demands_[demand].cpus; }

  [[nodiscard]] std::vector<Resource> resources() const { return resources_; }
  [[nodiscard]] std::vector<Demand> demands() const { return demands_; }

 private:
  [[nodiscard]] std::vector<std::uint64_t> needed(const Value& resources) const;

  std::string shown_;
  std::vector<Resource> resources_;
  std::vector<Demand> demands_{{}};
  std::map<std::pair<std::uint32_t, std::vector<std::uint64_t>>, std::uint32_t> known_;
};

}  // namespace runner::config
