// trial.hpp - one measurement: a crew is started, warmed up, timed, made to prove that it got every byte, and ended.
//
// The number of messages grows until they take `least` long; only the last, longest batch counts, the ones before warm it up.
// After it each child gets one message of other content that is compared in every word.
//
// Called from  the measuring process, one at a time.
// Fails with   a refusal (Error) when the mechanism cannot be set up here; WrongAnswer when bytes came back wrong.
#pragma once

#include <chrono>
#include <stdexcept>

#include "bench/ipc/mechanism.hpp"
#include "bench/ipc/payload.hpp"
#include "bench/ipc/placement.hpp"
#include "master/histogram.hpp"

namespace runner::bench {

// The bench has failed: the time of who does not do the work says nothing.
struct WrongAnswer : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Seconds = std::chrono::duration<double>;

// The payloads of one size: what is sent, and what is sent to prove it.
struct Payloads {
  explicit Payloads(std::size_t bytes) : usual(bytes, 1), proof(bytes, 2) {}
  Payload usual, proof;
};

struct Setting {
  const Processors& processors;
  Placement placement;
  Seconds least;
};

// Per message there and back; and, where each was timed by itself afterwards, how these are distributed.
struct RoundTrip {
  Seconds each;
  master::Histogram distribution;
};
// One child, one message at a time, echoed.
[[nodiscard]] Result<RoundTrip> round_trip(const Mechanism& mechanism, Payloads& payloads, const Setting& setting);

// A stream to each of the children, answered with receipts; as many messages in flight as fit 4 MiB, 2 to 64 per child.
// Per message, all children together.
[[nodiscard]] Result<Seconds> stream(const Mechanism& mechanism, Payloads& payloads, std::size_t children,
                                     const Setting& setting);

// Copies by memcpy in this process, what no mechanism that copies can beat: from cache to cache over and over, or each time into
// shared memory that was just mapped, whose pages the kernel makes and zeroes on the way. Per copy.
[[nodiscard]] Seconds copy_warm(Payloads& payloads, const Setting& setting);
[[nodiscard]] Seconds copy_fresh(Payloads& payloads, const Setting& setting);

}  // namespace runner::bench
