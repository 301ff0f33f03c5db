// ledger.hpp - keeps the two accounts of a run (costs.hpp) from what an engine saw of its workers and their attempts.
//
// Each worker has a point up to which its time is accounted for; whatever the engine tells moves it on. Stamps may come from
// another process and are believed only in their order: what lies outside is cut off.
//
// Which attempts have all eight stamps is decided here: all of those that take long against a stamp, one in 64 of others. Of
// the rest `ready`, `handed` and `published` are one and the same reading, taken for a burst of them; what they lack in the sums is
// scaled from the others.
//
// Called from  the engine's thread. Reads no clock.
// Owns         its numbers.
// Call order   open (sampled | joined | arrived | ended | lost | left | carried)* close
// Fails with   nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "master/costs.hpp"

namespace runner::master {

// The readings of CLOCK_MONOTONIC that one attempt left; TimePoint{}: none.
struct Stamps {
  TimePoint ready{};      // the engine has it
  TimePoint handed{};     // its worker was chosen
  TimePoint published{};  // its worker could see it
  TimePoint woken{};      // its worker, which had slept, was awake; none: it did not sleep
  TimePoint free{};       // its worker had got rid of the reply before; none: when that was answered
  TimePoint seen{};       // its worker had all of it
  TimePoint entered{};    // the job's own code
  TimePoint left{};
  TimePoint answered{};      // the reply was complete
  TimePoint collected{};     // the master has it
  Duration encoding{};       // before it was ready, its arguments were made into bytes
  std::uint32_t one_in = 1;  // as sampled() said
  bool sampled = true;
};

enum class Measure : std::uint8_t {
  sampled,  // one in 64 of those attempts that are so short that eight stamps would be more than a hundredth of them
  all,      // every attempt, whatever that costs
  off,      // nothing
};

class Ledger {
 public:
  explicit Ledger(Measure measure = Measure::sampled) : measure_(measure) {}
  [[nodiscard]] bool keeps() const { return measure_ != Measure::off; }
  // How much of a job's time stamps may cost, and what they cost: a clock reading takes 20 to 30 ns.
  static constexpr Duration kWorthAll = std::chrono::microseconds(20);
  static constexpr std::uint32_t kOneIn = 64;

  // The start begins. Where nothing is measured, nothing but this, arrived(), joined() and left() needs to be called.
  void open(std::uint32_t workers, TimePoint at);
  // From how many attempts that are expected to take so long one is to have all its stamps, and whether the next is one.
  struct Choice {
    std::uint32_t one_in;
    bool sampled;
  };
  [[nodiscard]] Choice sample(Duration expected);
  // All workers are there, as far as they will be.
  void all_there(TimePoint at) { costs_.start = at - opened_; }
  // A worker takes requests: at first, or in place of one that died.
  void arrived(std::uint32_t worker, TimePoint at);
  // An attempt is over, or its worker is. What it cost goes into `costs`.
  void ended(std::uint32_t worker, const Stamps& stamps, AttemptCosts& costs);
  // A worker died. What it was in was told by ended().
  void lost(std::uint32_t worker, TimePoint at);
  // From now on there is such a worker, if there was none: it is being started.
  void joined(std::uint32_t worker, TimePoint at);
  // There is no such worker any more: it was told to go at `over`, and had gone at `gone`. Whatever it was in was told by ended().
  void left(std::uint32_t worker, TimePoint over, TimePoint gone);
  // When the worker was last known to have ended something, or to have arrived.
  [[nodiscard]] TimePoint known(std::uint32_t worker) const { return workers_[worker].until; }

  // All the bytes that went to workers, and came back, up to now.
  void carried(std::uint64_t sent, std::uint64_t received) {
    costs_.bytes_sent = sent;
    costs_.bytes_received = received;
  }

  // The sums up to now, without those of close().
  [[nodiscard]] const Costs& so_far() const { return costs_; }
  // The run is over at `over`, and at `gone` no worker is left. Traffic, processor time and such are the engine's to add.
  [[nodiscard]] Costs close(TimePoint over, TimePoint gone);

 private:
  struct Worker {
    TimePoint until{};
    Duration collect{};  // of its last attempt
    bool there = false;
    bool absent = false;  // since `until`
  };
  // What is still open of its time, into the account.
  void close(std::uint32_t worker, TimePoint over, TimePoint gone, Account& account) const;

  Measure measure_;
  TimePoint opened_{}, last_answer_{};
  std::vector<Worker> workers_;
  Costs costs_;
  std::uint32_t until_next_ = 0;  // short attempts up to the next that is sampled
  // Of the attempts of which one in kOneIn is sampled: how many, how many were, and what only these know.
  std::uint64_t some_ = 0, sampled_of_some_ = 0;
  Duration placed_of_some_{};
};

}  // namespace runner::master
