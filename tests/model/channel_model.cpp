#include "tests/model/channel_model.hpp"

namespace runner::model {

const char* name_of(Property property) {
  switch (property) {
    case Property::none: return "nothing";
    case Property::ends_once: return "an item ends once";
    case Property::runs_once: return "user code runs once for each charge";
    case Property::blame_exact: return "blame is exact";
    case Property::result_whole: return "a delivered result is whole";
    case Property::request_whole: return "a request is read as it was sent";
    case Property::taken_back_not_run: return "what was taken back is not run";
    case Property::slot_kept: return "a slot in use is not overwritten";
    case Property::word_known: return "a word is one that the protocol can leave";
    case Property::nobody_sleeps_on: return "nobody sleeps on while work is outstanding";
  }
  return "?";
}

ChannelModel::ChannelModel(const Config& config)
    : config_(config),
      worker_programs_(worker_programs(config.mutation)),
      master_programs_(master_programs(config.mutation, config.bell)) {}

State ChannelModel::first() const {
  State state{};
  state.kills = config_.kills;
  state.take_backs = config_.take_backs;
  for (std::uint8_t item = 0; item < config_.items; ++item) state.items[item].state = ItemState::queued;
  seat_worker(state);
  return state;
}

void ChannelModel::steps(const State& state, Steps& out) const {
  worker_drains(state, out);
  master_drains(state, out);
  worker_steps(state, out);
  master_steps(state, out);
  const bool closed = master_programs_[state.master.program][state.master.at] == MasterOp::closed;
  if (out.empty() && !closed) out.push_back({"nothing can happen any more", state, Property::nobody_sleeps_on});

  // A kill is no way out of a deadlock, so it comes after the question.
  if (state.kills > 0 && (state.worker.life == Life::running || state.worker.life == Life::sleeping)) {
    State next = state;
    --next.kills;
    next.worker = {};
    next.worker.life = Life::dead;  // from now on its pidfd is readable
    out.push_back({state.worker.life == Life::sleeping ? "the worker is killed in its sleep" : "the worker is killed", next});
  }
}

// A fresh channel, with its own doorbell, and a fresh process. The master is awake, so nothing of its own page is lost here.
void ChannelModel::seat_worker(State& state) const {
  state.memory = {};
  for (std::uint8_t seq = 0; seq < kDepth; ++seq) state.memory[at_slot(kWord, seq)] = pack(seq, kFree);
  state.worker = {};
  state.doorbell = false;
  state.master.head = state.master.tail = 0;
  state.master.owes_kick = false;
}

}  // namespace runner::model
