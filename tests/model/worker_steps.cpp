// The worker: what ipc/shm_responder.cpp does, one memory operation or system call a step.
#include <algorithm>

#include "tests/model/channel_model.hpp"

namespace runner::model {

namespace {

using enum WorkerOp;

void drop(std::vector<WorkerStep>& program, WorkerOp op) {
  std::erase_if(program, [op](WorkerStep step) { return step.op == op; });
}

void swap(std::vector<WorkerStep>& program, WorkerStep first, WorkerStep second) {
  const auto at = std::find(program.begin(), program.end(), first);
  if (at != program.end() && at + 1 != program.end() && *(at + 1) == second) std::iter_swap(at, at + 1);
}

std::vector<WorkerStep> run(std::uint8_t items) {
  std::vector<WorkerStep> program{{announce, 0}, {running}};
  for (std::uint8_t index = 0; index < items; ++index) {
    if (index > 0) program.push_back({announce, index});
    program.push_back({enter, index});
    program.push_back({result, index});
  }
  for (const WorkerOp op : {done, fence, look_at_asleep, look_at_ring_from, ring}) program.push_back({op});
  return program;
}

void mutate_run(std::vector<WorkerStep>& program, std::uint8_t items, Mutation mutation) {
  const auto last = static_cast<std::uint8_t>(items - 1);
  if (mutation == Mutation::worker_runs_before_progress_reset) swap(program, {announce, 0}, {running});
  if (mutation == Mutation::worker_enters_before_running) swap(program, {running}, {enter, 0});
  if (mutation == Mutation::worker_done_before_result) swap(program, {result, last}, {done});
  if (mutation == Mutation::worker_rings_without_fence) drop(program, fence);
  for (std::uint8_t index = 1; index < items; ++index) {
    const WorkerStep announcement{announce, index};
    const auto before = static_cast<std::uint8_t>(index - 1);
    if (mutation == Mutation::worker_announces_after_entering) swap(program, announcement, {enter, index});
    if (mutation == Mutation::worker_announces_before_result) swap(program, {result, before}, announcement);
    if (mutation == Mutation::worker_announces_index_before_end) {
      program.insert(std::find(program.begin(), program.end(), announcement), {announce_index, index});
    }
  }
}

}  // namespace

WorkerPrograms worker_programs(Mutation mutation) {
  WorkerPrograms programs;
  programs[kIdle] = {{look},       {look_at_closing},       {say_sleeping}, {fence},
                     {look_again}, {look_at_closing_again}, {wait},         {awake}};
  programs[kClaim] = {{claim}, {read}};
  if (mutation == Mutation::worker_sleeps_without_fence) drop(programs[kIdle], fence);
  if (mutation == Mutation::worker_sleeps_without_second_look) drop(programs[kIdle], look_again);
  if (mutation == Mutation::worker_sleeps_without_second_look_at_closing) drop(programs[kIdle], look_at_closing_again);
  if (mutation == Mutation::worker_claims_without_cas) programs[kClaim].front() = {claim_by_store};
  for (std::uint8_t items = 1; items <= kMaxChunk; ++items) {
    std::vector<WorkerStep>& program = programs[kRun + items - 1U];
    program = run(items);
    mutate_run(program, items, mutation);
  }
  return programs;
}

void ChannelModel::worker_steps(const State& state, Steps& out) const {
  if (state.worker.life != Life::running || state.worker.stores.full()) return;
  const std::vector<WorkerStep>& program = worker_programs_[state.worker.program];
  const auto [op, index] = program[state.worker.at];

  State next = state;
  Worker& worker = next.worker;
  const std::uint8_t seq = worker.expected;
  const Cell word = at_slot(kWord, seq);
  const auto sees = [&](Cell cell) { return load(state.memory, state.worker.stores, cell); };
  const auto store = [&](Cell cell, int value) { worker.stores.push(cell, static_cast<Value>(value)); };
  const auto go = [&](std::uint8_t to) { worker.program = to, worker.at = 0; };
  const auto wake_up = [&] { worker.at = static_cast<std::uint8_t>(program.size() - 1); };
  const auto finish = [&] {
    worker.nap = 0;
    worker.request = 0;
    ++worker.expected;
    go(kIdle);
  };
  const auto say = [&](const char* what, Property broken = Property::none) { out.push_back({what, next, broken}); };

  ++worker.at;
  switch (op) {
    case look: {
      const Value seen = sees(word);
      const bool reused = high(seen) > seq;
      if (reused || seen == pack(seq, kRevoked)) {
        if (is(Mutation::worker_never_steps_over)) return say("worker: sees what was taken back");
        ++worker.expected;
        go(kIdle);
        return say(reused ? "worker: steps over a slot that is used again" : "worker: steps over what was taken back");
      }
      if (seen == pack(seq, kReady)) go(kClaim);
      return say("worker: looks at its next word");
    }
    case look_at_closing:
      if (sees(kClosing) != 0) {
        worker = {};
        worker.life = Life::left;
      }
      return say("worker: looks at closing");
    case say_sleeping: store(kSleeping, 1); return say("worker: sleeping = 1");
    case fence:
      if (worker.stores.empty()) say("worker: fence");
      return;
    case look_again: {
      const Value seen = sees(word);
      const bool stepped_over = high(seen) > seq || seen == pack(seq, kRevoked);
      if (seen == pack(seq, kReady) || (stepped_over && !is(Mutation::worker_never_steps_over))) wake_up();
      return say("worker: looks at its next word again");
    }
    case look_at_closing_again:
      if (sees(kClosing) != 0) wake_up();
      return say("worker: looks at closing again");
    case wait:  // The kernel compares and queues under a lock.
      if (!worker.stores.empty()) return;
      if (state.memory[kSleeping] == 1) worker.life = Life::sleeping;
      return say("worker: FUTEX_WAIT");
    case awake:
      store(kSleeping, 0);
      go(kIdle);
      return say("worker: sleeping = 0");

    case claim:
      if (!worker.stores.empty()) return;
      if (state.memory[word] != pack(seq, kReady)) {
        go(kIdle);
        return say("worker: CAS READY -> CLAIMED declines");
      }
      next.memory[word] = pack(seq, kClaimed);
      worker.uses_slot = true;
      return say("worker: CAS READY -> CLAIMED");
    case claim_by_store:
      store(word, pack(seq, kClaimed));
      worker.uses_slot = true;
      return say("worker: stores CLAIMED");
    case read: {
      worker.request = sees(at_slot(kRequest, seq));
      const Issued* sent = issued_as(state.master, seq);
      const bool torn = low(worker.request) == 0 || (sent != nullptr && worker.request != pack(sent->first, sent->count));
      if (torn) return say("worker: reads its request", Property::request_whole);
      go(static_cast<std::uint8_t>(kRun + low(worker.request) - 1));
      return say("worker: reads its request");
    }

    case announce: store(at_slot(kProgress, seq), pack(index, index)); return say("worker: announces an item");
    case announce_index: store(at_slot(kProgress, seq), pack(index, index - 1)); return say("worker: announces an index");
    case running: store(word, pack(seq, kRunning)); return say("worker: RUNNING");
    case enter: store(kUserCode, pack(seq, high(worker.request) + index)); return say("worker: enters user code");
    case result: store(result_at(seq, index), seq + 1); return say("worker: writes a result");
    case done:
      store(word, pack(seq, kDone));
      worker.uses_slot = false;
      return say("worker: DONE");
    case look_at_asleep:
      worker.nap = sees(kAsleep);
      if (worker.nap == 0 || worker.nap == worker.rung) finish();
      return say("worker: looks at asleep");
    case look_at_ring_from:
      if (seq < sees(kRingFrom)) finish();
      return say("worker: looks at ring_from");
    case ring:
      next.doorbell = true;
      if (config_.bell == Bell::newest_job) worker.rung = worker.nap;
      finish();
      return say("worker: rings");
  }
}

// The worker's oldest store reaches memory; here user code becomes real.
void ChannelModel::worker_drains(const State& state, Steps& out) const {
  if (state.worker.stores.empty()) return;
  State next = state;
  const auto [cell, value] = next.worker.stores.pop();
  next.memory[cell] = value;
  if (cell >= kResult && cell < kResult + kDepth * kMaxChunk) {
    const Issued* issued = issued_as(state.master, static_cast<std::uint8_t>(value - 1));
    const auto index = static_cast<std::uint8_t>((cell - kResult) % kMaxChunk);
    if (issued != nullptr) next.items[static_cast<std::uint8_t>(issued->first + index)].ran = Ran::returned;
  }
  if (cell != kUserCode) return out.push_back({"worker: a store drains", next});

  next.memory[cell] = 0;  // nobody reads it
  const std::uint8_t item = low(value);
  const Issued* issued = issued_as(state.master, high(value));
  const bool handed_out =
      issued != nullptr && !issued->taken_back && item >= issued->first && item < issued->first + issued->count;
  Property broken = Property::none;
  if (!handed_out) broken = Property::taken_back_not_run;
  if (state.items[item].ran != Ran::never) broken = Property::runs_once;
  next.items[item].ran = Ran::entered;
  out.push_back({"worker: user code takes effect", next, broken});
}

}  // namespace runner::model
