// crew.hpp - the children of one measurement: forked, bound to their processors, answering until they are killed.
//
// Called from  the measuring process. One crew at a time.
// Owns         the links and the children. The end of a crew kills each child by its pid and waits for it.
// Fails with   start: what the mechanism refuses with, or that no process can be forked. A child that ends by itself (its
//              conversation broke) ends the measuring process at once with status 2: nobody may wait for an answer for ever.
// Survives     nothing of it does: a child dies with its parent (PDEATHSIG).
#pragma once

#include <sys/types.h>

#include "bench/ipc/mechanism.hpp"
#include "bench/ipc/placement.hpp"

namespace runner::bench {

enum class Answer {
  echo,     // the message itself
  receipt,  // 8 bytes: receipt_of(message)
};

class Crew {
 public:
  // The answer decides demand.back.
  [[nodiscard]] static Result<Crew> start(const Mechanism& mechanism, Demand demand, Answer answer,
                                          const Processors& processors, Placement placement);
  ~Crew();
  Crew(Crew&&) = default;
  Crew& operator=(Crew&&) = delete;

  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  [[nodiscard]] End& operator[](std::size_t child) const { return *ends_[child]; }
  [[nodiscard]] std::size_t window() const { return links_.front()->window(); }

 private:
  explicit Crew(std::vector<std::unique_ptr<Link>> links) : links_(std::move(links)) {}

  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<End>> ends_;
  std::vector<pid_t> children_;
};

}  // namespace runner::bench
