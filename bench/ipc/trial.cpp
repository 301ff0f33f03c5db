#include "bench/ipc/trial.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bench/ipc/crew.hpp"
#include "bench/ipc/shared_pages.hpp"

namespace runner::bench {

namespace {

// Seconds per message. `batch(n)` moves n messages.
template <class Batch>
Seconds timed(std::uint64_t first, Seconds least, Batch&& batch) {
  batch(first);  // every page is touched, caches and branch predictors know the way
  for (std::uint64_t n = first;;) {
    const auto began = std::chrono::steady_clock::now();
    batch(n);
    const Seconds took = std::chrono::steady_clock::now() - began;
    if (took >= least) return took / static_cast<double>(n);
    const double wanted = 1.2 * least / std::max(took, Seconds(1e-7));
    n = static_cast<std::uint64_t>(std::ceil(static_cast<double>(n) * std::clamp(wanted, 1.2, 16.0)));
  }
}

void expect(std::uint64_t found, std::uint64_t expected, const Mechanism& mechanism, std::size_t bytes) {
  if (found == expected) return;
  throw WrongAnswer(mechanism.name() + ", " + std::to_string(bytes) + " bytes: the receipt is " + std::to_string(found) +
                    ", expected was " + std::to_string(expected));
}

std::uint64_t read_receipt(Message answer) {
  std::uint64_t receipt = 0;
  if (answer.size() == sizeof receipt) std::memcpy(&receipt, answer.data(), sizeof receipt);
  return receipt;
}

std::size_t window_for(std::size_t bytes) { return std::clamp<std::size_t>((std::size_t{4} << 20) / bytes, 2, 64); }

// The stream as the parent sees it. Each child is owed answers in order; the number of a message is the same for all.
class Stream {
 public:
  Stream(const Mechanism& mechanism, const Crew& crew, Payload& payload)
      : mechanism_(mechanism), crew_(crew), payload_(payload), sent_(crew.size()), received_(crew.size()) {}

  // `each` messages to each child. The window is filled, and filled again when half of it was answered: so both sides work.
  void run(std::uint64_t each) {
    until_ += each;
    while (received_.back() < until_) {
      for (std::size_t child = 0; child < crew_.size(); ++child) fill(child);
      for (std::size_t child = 0; child < crew_.size(); ++child) collect(child);
    }
  }

 private:
  void fill(std::size_t child) {
    std::uint64_t& sent = sent_[child];
    for (; sent < until_ && sent - received_[child] < crew_.window(); ++sent) crew_[child].send(payload_.numbered(sent));
    crew_[child].flush();
  }
  void collect(std::size_t child) {
    std::uint64_t& received = received_[child];
    const std::uint64_t outstanding = sent_[child] - received;
    const std::uint64_t upto = sent_[child] == until_ ? until_ : received + (outstanding + 1) / 2;
    for (; received < upto; ++received) {
      const std::uint64_t found = read_receipt(crew_[child].receive());
      static_cast<void>(payload_.numbered(received));
      expect(found, payload_.receipt(), mechanism_, payload_.bytes());
    }
  }

  const Mechanism& mechanism_;
  const Crew& crew_;
  Payload& payload_;
  std::vector<std::uint64_t> sent_, received_;  // of each child
  std::uint64_t until_ = 0;
};

}  // namespace

Result<RoundTrip> round_trip(const Mechanism& mechanism, Payloads& payloads, const Setting& setting) {
  const std::size_t bytes = payloads.usual.bytes();
  setting.processors.bind_parent(setting.placement);
  const Demand demand{.there = bytes, .crowded = setting.processors.crowded(setting.placement, 2)};
  const Result<Crew> crew = Crew::start(mechanism, demand, Answer::echo, setting.processors, setting.placement);
  if (!crew) return tl::unexpected(crew.error());
  End& end = (*crew)[0];
  const auto exchange = [&](Message message, const Payload& payload) {
    end.send(message);
    end.flush();
    const Message answer = end.receive();
    if (answer.size() != bytes) throw WrongAnswer(mechanism.name() + ": an answer of another size came back");
    expect(receipt_of(answer), payload.receipt(), mechanism, bytes);
  };
  std::uint64_t number = 0;
  const Seconds each = timed(1, setting.least, [&](std::uint64_t n) {
    for (; n > 0; --n) exchange(payloads.usual.numbered(number++), payloads.usual);
  });
  // One by one, for as long again, so that what is rare is seen. Two readings of the clock are in each.
  RoundTrip trip{each, {}};
  const auto many = static_cast<std::uint64_t>(std::clamp(setting.least / std::max(each, Seconds(1e-9)), 1.0, 100'000.0));
  for (std::uint64_t n = 0; n < many; ++n) {
    const Message message = payloads.usual.numbered(number++);
    const auto began = std::chrono::steady_clock::now();
    exchange(message, payloads.usual);
    trip.distribution.add(std::chrono::steady_clock::now() - began);
  }
  exchange(payloads.proof.thorough(number), payloads.proof);
  return trip;
}

Result<Seconds> stream(const Mechanism& mechanism, Payloads& payloads, std::size_t children, const Setting& setting) {
  const std::size_t bytes = payloads.usual.bytes();
  setting.processors.bind_parent(setting.placement);
  const Demand demand{.children = children,
                      .there = bytes,
                      .window = window_for(bytes),
                      .crowded = setting.processors.crowded(setting.placement, children + 1)};
  const Result<Crew> crew = Crew::start(mechanism, demand, Answer::receipt, setting.processors, setting.placement);
  if (!crew) return tl::unexpected(crew.error());
  Stream traffic(mechanism, *crew, payloads.usual);
  const Seconds each = timed(crew->window(), setting.least, [&](std::uint64_t n) { traffic.run(n); });
  for (std::size_t child = 0; child < children; ++child) {
    (*crew)[child].send(payloads.proof.thorough(child));
    (*crew)[child].flush();
    expect(read_receipt((*crew)[child].receive()), payloads.proof.receipt(), mechanism, bytes);
  }
  return each / static_cast<double>(children);
}

namespace {

void prove_copy(Payloads& payloads, std::byte* to) {
  const Message proof = payloads.proof.thorough(1);
  std::memcpy(to, proof.data(), proof.size());
  if (receipt_of({to, proof.size()}) != payloads.proof.receipt()) throw WrongAnswer("memcpy: the copy differs");
}

void copy(Payloads& payloads, std::byte* to) {
  const Message message = payloads.usual.numbered(1);
  std::memcpy(to, message.data(), message.size());
  asm volatile("" : : "r"(to) : "memory");  // somebody may read it
}

}  // namespace

Seconds copy_warm(Payloads& payloads, const Setting& setting) {
  setting.processors.bind_parent(setting.placement);
  const SharedPages to(payloads.usual.bytes());
  const Seconds each = timed(1, setting.least, [&](std::uint64_t n) {
    for (; n > 0; --n) copy(payloads, to.data());
  });
  prove_copy(payloads, to.data());
  return each;
}

Seconds copy_fresh(Payloads& payloads, const Setting& setting) {
  setting.processors.bind_parent(setting.placement);
  const Seconds each = timed(1, setting.least, [&](std::uint64_t n) {
    for (; n > 0; --n) {
      const SharedPages to(payloads.usual.bytes());
      copy(payloads, to.data());
    }
  });
  prove_copy(payloads, SharedPages(payloads.usual.bytes()).data());
  return each;
}

}  // namespace runner::bench
