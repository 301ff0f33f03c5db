// spin_grants.hpp - which workers may look for their next request for a while before they sleep.
//
// Never more runnable threads than usable processors: the master, workers that have something to do, and of what is left the two
// workers that had something last. With no processors to spare, or under a quota, nobody may look. Pure.
//
// Called from  the process crew, on whose thread or under whose owner's lock it runs.
// Owns         who is busy, and who was last.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace runner::master {

class SpinGrants {
 public:
  static constexpr std::size_t kMostSpinning = 2;

  // `processors`: that may be kept from sleeping; 0: none.
  SpinGrants(std::uint32_t processors, std::uint32_t workers) : processors_(processors), workers_(workers) {}

  // So many workers are known from now on; fewer than before are no fewer here.
  void resize(std::uint32_t workers) { workers_.resize(std::max<std::size_t>(workers_.size(), workers)); }

  // The worker has got something to do, or has nothing any more. Answers whose grant changed by that, until the next call.
  std::span<const std::uint32_t> set_busy(std::uint32_t worker, bool busy) {
    changed_.clear();
    if (workers_[worker].busy == busy) return changed_;
    workers_[worker].busy = busy;
    busy_ = busy ? busy_ + 1 : busy_ - 1;
    if (processors_ == 0) return changed_;
    if (recent_.empty() || recent_.back() != worker) {
      std::erase(recent_, worker);
      recent_.push_back(worker);
    }
    if (recent_.size() > kMostSpinning) {
      grant(recent_.front(), false);
      recent_.erase(recent_.begin());
    }
    std::uint32_t runnable = 1 + busy_;
    for (auto recent = recent_.rbegin(); recent != recent_.rend(); ++recent) {
      const std::uint32_t with = workers_[*recent].busy ? runnable : runnable + 1;
      grant(*recent, with <= processors_);
      if (with <= processors_) runnable = with;
    }
    return changed_;
  }

  [[nodiscard]] bool granted(std::uint32_t worker) const { return workers_[worker].granted; }
  // Whether there is a processor to spare for a master that looks for replies without sleeping.
  [[nodiscard]] bool master_may_look() const { return 1 + busy_ <= processors_; }

 private:
  struct Worker {
    bool busy = false;
    bool granted = false;
  };
  void grant(std::uint32_t worker, bool may) {
    if (workers_[worker].granted == may) return;
    workers_[worker].granted = may;
    changed_.push_back(worker);
  }

  std::uint32_t processors_;
  std::vector<Worker> workers_;
  std::uint32_t busy_ = 0;
  std::vector<std::uint32_t> recent_;  // had something to do last, oldest first
  std::vector<std::uint32_t> changed_;
};

}  // namespace runner::master
