// What the master does when a pidfd says that the worker is dead: the table of ipc/slot.hpp, on words that change no more.
#include "tests/model/channel_model.hpp"

namespace runner::model {

void ChannelModel::bury(const State& state, Steps& out) const {
  State next = state;
  int charges = 0;
  Property broken = Property::none;
  for (std::uint8_t seq = state.master.head; seq < state.master.tail && broken == Property::none; ++seq) {
    const bool outstanding = in_flight(state.master, seq) || is(Mutation::recovery_forgets_what_was_taken_back);
    if (outstanding) broken = recover(next, seq, charges);
  }
  if (charges > 1 && broken == Property::none) broken = Property::blame_exact;  // it was in one item at most
  next.master.issued = {};
  if (is(Mutation::recovery_keeps_channel)) {
    next.master.head = next.master.tail;
    next.worker = {};
    next.worker.expected = state.master.head;
  } else {
    seat_worker(next);
  }
  out.push_back({charges > 0 ? "master: buries the worker and charges an item" : "master: buries the worker", next, broken});
}

Property ChannelModel::recover(State& state, std::uint8_t seq, int& charges) const {
  const Issued issued = state.master.issued[seq % kDepth];
  const Value word = state.memory[at_slot(kWord, seq)], progress = state.memory[at_slot(kProgress, seq)];
  if (high(word) != seq) return Property::word_known;

  std::uint8_t delivered = 0, charged = 0;  // how many items; what is left goes back uncharged
  switch (low(word)) {
    case kReady: break;
    case kClaimed:
      if (is(Mutation::recovery_charges_claimed)) charged = 1;
      break;
    case kRunning:
      if (is(Mutation::recovery_requeues_running)) break;
      delivered = high(progress);
      charged = 1;
      if (is(Mutation::recovery_delivers_announced)) ++delivered, charged = 0;
      if (is(Mutation::recovery_charges_rest_of_chunk)) charged = issued.count;
      break;
    case kDone:
      if (!is(Mutation::recovery_requeues_done)) delivered = issued.count;
      break;
    default: return Property::word_known;
  }

  for (std::uint8_t index = 0; index < issued.count; ++index) {
    Item& item = state.items[issued.first + index];
    if (index < delivered) {
      if (low(word) == kRunning && index >= low(progress)) return Property::result_whole;  // beyond the end of the results
      if (const Property broken = deliver(state, seq, index); broken != Property::none) return broken;
      continue;
    }
    item.state = ItemState::queued;
    if (index < delivered + charged) {
      const bool announced = low(word) == kRunning && index == high(progress);
      if (!announced) return Property::blame_exact;
      item.ran = Ran::never;
      ++charges;
    } else if (item.ran == Ran::entered) {
      return Property::blame_exact;
    }
  }
  return Property::none;
}

}  // namespace runner::model
