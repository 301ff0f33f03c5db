// mechanism.hpp - one way for processes to exchange messages: a parent, and one link to each of its children.
//
// Everything that is compared stands behind these three classes. To add one: derive Mechanism in a file of its own, declare
// its maker in mechanisms.hpp, and add it to the list in mechanisms.cpp.
//
// Called from  connect: the parent, before it forks. Link::parent and Link::child: once each, after the fork, each in its
//              process. An End is used by the one thread of the process that took it, and may use what its Link owns.
// Fails with   connect: an Error whose text says why this machine refuses (the row is left out, the reason is printed).
//              Ends throw std::runtime_error: a conversation that breaks has no figures.
// Never        more than window() messages that the parent has sent and not yet received the answer to; the child answers
//              each message once, in order. So an End needs no flow control of its own beyond a place for each of them.
//
// Call order   parent: (send* flush receive*)*    child: (receive send flush)*, until it is killed
#pragma once

#include <cstddef>
#include <memory>
#include <runner/result.hpp>
#include <span>
#include <string>
#include <vector>

namespace runner::bench {

using Message = std::span<const std::byte>;

class End {
 public:
  virtual ~End() = default;
  // One message of the agreed size. The bytes may be used again after it.
  virtual void send(Message message) = 0;
  // What was sent must arrive now: for those that gather messages to wake the other side once for many.
  virtual void flush() {}
  // The next message, waited for: where it lies. In the parent until its next send or receive, in the child until its answer.
  [[nodiscard]] virtual Message receive() = 0;
};

class Link {
 public:
  virtual ~Link() = default;
  [[nodiscard]] virtual std::unique_ptr<End> parent() = 0;
  [[nodiscard]] virtual std::unique_ptr<End> child() = 0;
  // How many messages may be unanswered: at least 1, at most what was demanded.
  [[nodiscard]] virtual std::size_t window() const = 0;
};

// What the links must carry. All messages of one direction have the same size.
struct Demand {
  std::size_t children = 1;
  std::size_t there = 8;   // bytes of a message from the parent
  std::size_t back = 8;    // bytes of an answer
  std::size_t window = 1;  // unanswered messages per child, if it can
  bool crowded = false;    // parent and children share fewer processors than they are: who spins must give way
};

class Mechanism {
 public:
  virtual ~Mechanism() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  // The largest message in bytes; larger ones are not asked of it.
  [[nodiscard]] virtual std::size_t most_bytes() const { return SIZE_MAX; }
  // Said below the table when a size was left out, e.g. where the limit comes from.
  [[nodiscard]] virtual std::string limit() const { return {}; }
  // One link per child.
  [[nodiscard]] virtual Result<std::vector<std::unique_ptr<Link>>> connect(const Demand& demand) const = 0;
};

}  // namespace runner::bench
