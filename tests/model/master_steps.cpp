// The master: what ipc/shm_requester.cpp and its engine do, one memory operation or system call a step.
#include <algorithm>
#include <utility>

#include "tests/model/channel_model.hpp"

namespace runner::model {

namespace {

using enum MasterOp;

void drop(std::vector<MasterOp>& program, MasterOp op) { std::erase(program, op); }

}  // namespace

MasterPrograms master_programs(Mutation mutation, Bell bell) {
  MasterPrograms programs;
  programs[kChoose] = {choose};
  programs[kSend] = {request, ready};
  programs[kKick] = {fence, look_at_sleeping, exchange_sleeping, futex_wake};
  programs[kTakeBack] = {take_back};
  programs[kCollect] = {collect, free};
  programs[kSleep] = {arm, say_asleep, fence, look_at_words, wait, awake};
  programs[kClose] = {say_closing, fence, look_at_sleeping, exchange_sleeping, futex_wake, join, closed};
  if (bell == Bell::every_job) drop(programs[kSleep], arm);
  if (mutation == Mutation::master_ready_before_request) std::reverse(programs[kSend].begin(), programs[kSend].end());
  if (mutation == Mutation::master_kicks_without_fence) drop(programs[kKick], fence), drop(programs[kClose], fence);
  if (mutation == Mutation::master_takes_back_without_cas) programs[kTakeBack] = {look_at_ready, take_back_by_store};
  if (mutation == Mutation::master_collects_without_advancing) drop(programs[kCollect], free);
  if (mutation == Mutation::master_sleeps_without_fence) drop(programs[kSleep], fence);
  if (mutation == Mutation::master_sleeps_without_look) drop(programs[kSleep], look_at_words);
  return programs;
}

void ChannelModel::master_steps(const State& state, Steps& out) const {
  if (state.master.stores.full()) return;
  const std::vector<MasterOp>& program = master_programs_[state.master.program];

  State next = state;
  Master& master = next.master;
  const std::uint8_t seq = master.cursor;
  const Cell word = at_slot(kWord, seq);
  const bool gone = state.worker.life == Life::dead || state.worker.life == Life::left;
  const auto sees = [&](Cell cell) { return load(state.memory, state.master.stores, cell); };
  const auto store = [&](Cell cell, int value) { master.stores.push(cell, static_cast<Value>(value)); };
  const auto go_on = [&](std::ptrdiff_t by = 1) {
    master.at = static_cast<std::uint8_t>(master.at + by);
    if (master.at == program.size()) master.program = kChoose, master.at = 0, master.cursor = 0;
  };
  const auto skip_to = [&](MasterOp op) { go_on(std::find(program.begin(), program.end(), op) - program.begin() - master.at); };
  const auto give_back = [&] {
    Issued& issued = master.issued[seq % kDepth];
    issued.taken_back = true;
    for (std::uint8_t index = 0; index < issued.count; ++index) next.items[issued.first + index].state = ItemState::queued;
  };
  const auto say = [&](const char* what, Property broken = Property::none) { out.push_back({what, next, broken}); };

  switch (program[state.master.at]) {
    case choose: return master_chooses(state, out);

    case request: {
      const Issued& issued = master.issued[seq % kDepth];
      const Value seen = sees(word);
      const bool in_use = high(seen) < seq && low(seen) != kRevoked;
      store(at_slot(kRequest, seq), pack(issued.first, issued.count));
      go_on();
      return say("master: writes a request", in_use ? Property::slot_kept : Property::none);
    }
    case ready:
      store(word, pack(seq, kReady));
      master.owes_kick = true;
      go_on();
      return say("master: READY");

    case fence:
      if (!master.stores.empty()) return;
      go_on();
      return say("master: fence");
    case look_at_sleeping:
      master.owes_kick = false;
      go_on(sees(kSleeping) != 0 ? 1 : 3);
      return say("master: looks at sleeping");
    case exchange_sleeping: {
      if (!master.stores.empty()) return;
      const bool slept = std::exchange(next.memory[kSleeping], Value{0}) != 0;
      go_on(slept ? 1 : 2);
      return say("master: exchanges sleeping");
    }
    case futex_wake:
      if (next.worker.life == Life::sleeping) next.worker.life = Life::running;
      go_on();
      return say("master: FUTEX_WAKE");

    case take_back: {
      if (!master.stores.empty()) return;
      const bool taken = state.memory[word] == pack(seq, kReady);
      if (taken) {
        next.memory[word] = pack(seq, kRevoked);
        give_back();
      }
      go_on();
      return say(taken ? "master: CAS READY -> REVOKED" : "master: CAS READY -> REVOKED declines");
    }
    case look_at_ready: go_on(sees(word) == pack(seq, kReady) ? 1 : 2); return say("master: looks whether it is READY");
    case take_back_by_store:
      store(word, pack(seq, kRevoked));
      give_back();
      go_on();
      return say("master: stores REVOKED");

    case collect: {
      const Value seen = sees(word);
      Property broken = Property::none;
      const std::uint8_t count = master.issued[seq % kDepth].count;
      if (seen == pack(seq, kDone)) {
        for (std::uint8_t index = 0; index < count && broken == Property::none; ++index) broken = deliver(next, seq, index);
        go_on();
        return say("master: collects", broken);
      }
      if (high(seen) != seq || low(seen) == kFree || low(seen) == kRevoked) broken = Property::word_known;
      go_on(static_cast<std::ptrdiff_t>(program.size()) - master.at);
      return say("master: looks for a result", broken);
    }
    case free:
      store(word, pack(seq + kDepth, kFree));
      ++master.head;
      go_on();
      return say("master: FREE");

    case arm: {
      auto from = static_cast<std::uint8_t>(master.tail - 1);
      while (!in_flight(master, from) && !is(Mutation::master_arms_for_what_it_took_back)) --from;
      store(kRingFrom, from);
      go_on();
      return say("master: arms its bell");
    }
    case say_asleep:
      store(kAsleep, nap(state));
      master.cursor = master.head;
      go_on();
      return say("master: says that it sleeps");
    case look_at_words:
      if (in_flight(master, seq) && sees(word) == pack(seq, kDone)) {
        skip_to(awake);
      } else if (++master.cursor == master.tail) {
        go_on();
      }
      return say("master: looks at a word again");
    case wait:
      if (!state.doorbell && (state.worker.life != Life::dead || is(Mutation::master_sleeps_without_pidfd))) return;
      go_on();
      return say(state.doorbell ? "master: wakes by its bell" : "master: wakes by a pidfd");
    case awake:
      store(kAsleep, 0);
      next.doorbell = false;
      go_on();
      return say("master: is awake");

    case say_closing:
      store(kClosing, 1);
      go_on();
      return say("master: closing = 1");
    case join:
      if (!gone) return;
      go_on();
      return say("master: the worker has left");
    case closed: return;
  }
}

// Everything that the master may do next, in any order: what it does in fact is one of these.
void ChannelModel::master_chooses(const State& state, Steps& out) const {
  const Master& master = state.master;
  const auto start = [&](const char* what, MasterProgram program, std::uint8_t cursor) {
    State next = state;
    next.master.program = program;
    next.master.cursor = cursor;
    if (program == kSend) hand_out(next);
    if (program == kTakeBack) --next.take_backs;
    out.push_back({what, next});
  };
  const auto any = [&](ItemState wanted) {
    return std::any_of(state.items.begin(), state.items.end(), [wanted](Item item) { return item.state == wanted; });
  };

  // Seating the next worker takes system calls enough to drain every store.
  if (state.worker.life == Life::dead && master.stores.empty() && !is(Mutation::master_sleeps_without_pidfd)) bury(state, out);
  const int room = is(Mutation::master_overfills) ? kDepth + 1 : kDepth;
  if (any(ItemState::queued) && master.tail - master.head < room) start("master: hands out items", kSend, master.tail);
  if (master.owes_kick) start("master: kicks", kKick, 0);
  if (master.head < master.tail && !in_flight(master, master.head)) {
    State next = state;
    next.master.issued[master.head % kDepth] = {};
    ++next.master.head;
    out.push_back({"master: passes what it took back", next});
  } else if (master.head < master.tail) {
    start("master: turns to its oldest job", kCollect, master.head);
  }
  for (std::uint8_t seq = master.head; seq < master.tail && state.take_backs > 0; ++seq) {
    if (in_flight(master, seq)) start("master: wants a job back", kTakeBack, seq);
  }
  if (any(ItemState::handed_out) && !master.owes_kick) start("master: has nothing to do", kSleep, 0);
  if (!any(ItemState::handed_out) && !any(ItemState::queued)) start("master: closes", kClose, 0);
}

// The first queued item, and those queued right behind it, as far as a chunk reaches.
void ChannelModel::hand_out(State& state) const {
  Issued issued{};
  while (state.items[issued.first].state != ItemState::queued) ++issued.first;
  for (auto item = issued.first; item < kMaxItems && issued.count < config_.chunk; ++item, ++issued.count) {
    if (state.items[item].state != ItemState::queued) break;
    state.items[item].state = ItemState::handed_out;
  }
  state.master.issued[state.master.tail % kDepth] = issued;
  ++state.master.tail;
}

// The number of a nap. In the implementation it counts up; but it is only ever compared with another, so one that nobody
// remembers is as good as a new one, and the model stays finite.
Value ChannelModel::nap(const State& state) const {
  Value number = 1;
  if (config_.bell == Bell::every_job) return number;
  const auto remembered = [&] {
    return number == state.worker.nap || number == state.worker.rung || number == state.memory[kAsleep] ||
           state.master.stores.holds({kAsleep, number});
  };
  while (remembered()) ++number;
  return number;
}

Property ChannelModel::deliver(State& state, std::uint8_t seq, std::uint8_t index) const {
  Item& item = state.items[state.master.issued[seq % kDepth].first + index];
  if (item.state != ItemState::handed_out) return Property::ends_once;
  item.state = ItemState::ended;
  return state.memory[result_at(seq, index)] == seq + 1 ? Property::none : Property::result_whole;
}

void ChannelModel::master_drains(const State& state, Steps& out) const {
  if (state.master.stores.empty()) return;
  State next = state;
  const auto [cell, value] = next.master.stores.pop();
  next.memory[cell] = value;
  const bool overwritten = state.worker.uses_slot && cell == at_slot(kRequest, state.worker.expected);
  out.push_back({"master: a store drains", next, overwritten ? Property::slot_kept : Property::none});
}

}  // namespace runner::model
