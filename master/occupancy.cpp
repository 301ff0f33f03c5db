#include "master/occupancy.hpp"

#include <algorithm>

namespace runner::master {

Occupancy::Occupancy(std::uint32_t cpus, std::span<const Resource> resources, std::span<const Demand> demands)
    : demands_(demands), cpus_(cpus) {
  for (const Resource& resource : resources) free_.push_back(resource.count);
}

void Occupancy::take(std::uint32_t demand) {
  const Demand& taken = demands_[demand];
  cpus_ -= taken.cpus;
  for (std::size_t r = 0; r < taken.resources.size(); ++r) free_[r] -= taken.resources[r];
  if (!taken.plain()) ++counted_;
}

void Occupancy::give(std::uint32_t demand) {
  const Demand& given = demands_[demand];
  cpus_ += given.cpus;
  for (std::size_t r = 0; r < given.resources.size(); ++r) free_[r] += given.resources[r];
  if (!given.plain()) --counted_;
}

void Occupancy::look(bool exact) {
  exact_ = exact;
  cpus_held_ = false;
  unspoken_ = free_;
}

bool Occupancy::fits(std::uint32_t demand) {
  const Demand& wanted = demands_[demand];
  if (cpus_held_) return false;
  if (wanted.plain() && counted_ == 0 && !exact_) return true;
  bool resources = true;
  for (std::size_t r = 0; r < wanted.resources.size(); ++r) resources = resources && wanted.resources[r] <= unspoken_[r];
  const bool cpus = cpus_ >= static_cast<std::int64_t>(wanted.cpus);
  if (resources && cpus) return true;
  for (std::size_t r = 0; r < wanted.resources.size(); ++r) unspoken_[r] -= std::min(unspoken_[r], wanted.resources[r]);
  cpus_held_ = resources;
  return false;
}

std::optional<std::string> never_to_be_had(std::span<const Demand> demands, std::uint32_t cpus) {
  for (const Demand& demand : demands) {
    if (demand.cpus <= cpus) continue;
    return demand.who + " needs " + std::to_string(demand.cpus) + " CPUs, and " +
           (cpus == 1 ? "one place is all there is" : "no more than " + std::to_string(cpus) + " places are there") +
           ", so it could never start; give --procs " + std::to_string(demand.cpus) + " or more, or the job fewer `cpus`";
  }
  return std::nullopt;
}

}  // namespace runner::master
