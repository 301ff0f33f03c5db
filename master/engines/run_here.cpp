#include "master/engines/run_here.hpp"

#include <signal.h>

#include <chrono>
#include <span>
#include <string>
#include <utility>

#include "worker/executor.hpp"

namespace runner::master {

const Kind* kind_for(const JobSpec& job, const Registry& registry) {
  const auto* typed = std::get_if<TypedWork>(&job.work);
  return typed == nullptr ? nullptr : registry.find(typed->kind);
}

Outcome unknown_kind(const JobSpec& job) {
  Outcome outcome;
  outcome.ending = Failed{"this program knows no kind `" + std::string(kind_of(job)) + "`; is its plug-in loaded?"};
  return outcome;
}

Stamps stamps_here(const JobSpec& job, TimePoint handed, TimePoint seen, const RanHere& ran, TimePoint answered,
                   Ledger::Choice sample) {
  Stamps stamps;
  stamps.one_in = sample.one_in;
  stamps.sampled = sample.sampled;
  stamps.ready = stamps.handed = stamps.published = handed;
  stamps.seen = seen;
  stamps.entered = ran.entered;
  stamps.left = ran.entered + ran.outcome.wall;
  stamps.answered = stamps.collected = answered;
  if (const auto* typed = std::get_if<TypedWork>(&job.work)) stamps.encoding = typed->encoding;
  return stamps;
}

namespace {

// What it took, by how it ended then.
std::string how_it_was_ended(const JobSpec& job, const Outcome& outcome) {
  const auto* command = std::get_if<CommandWork>(&job.work);
  if (command == nullptr) return "it returned when it was asked to";
  if (outcome.exit_code) return "it left with exit status " + std::to_string(*outcome.exit_code) + " at SIGTERM";
  const auto* crashed = std::get_if<Crashed>(&outcome.ending);
  if (crashed == nullptr) return {};  // it could not be started, or its output not be kept
  if (crashed->signal == SIGTERM) return "ended by SIGTERM";
  if (crashed->signal == SIGKILL)
    return "it did not end within " + format_duration(command->kill_after) + " of SIGTERM: killed";
  return "ended by " + signal_name(crashed->signal) + " after SIGTERM";
}

}  // namespace

Ending stopped_ending(const JobSpec& job, StopReason reason, const Outcome& outcome) {
  return stopped_ending(job, reason, how_it_was_ended(job, outcome));
}

Ending stopped_ending(const JobSpec& job, StopReason reason, std::string how) {
  switch (reason) {
    case StopReason::deadline: return TimedOut{job.timeout, std::move(how)};
    case StopReason::interrupt: return Cancelled{"interrupted"};
    case StopReason::halt: break;
  }
  return Cancelled{"halted"};
}

RanHere run_here(const Kind* kind, const JobSpec& job, Attempt attempt, const StopSwitch& stop, const Surroundings& around) {
  if (const auto* command = std::get_if<CommandWork>(&job.work)) {
    RanHere ran;
    ran.entered = std::chrono::steady_clock::now();
    ran.outcome = worker::run_command(*command, stop.fd(), [&] {
      ran.stopped = stop.pressed();
      if (stop.insisted()) return worker::Wish::kill;
      return ran.stopped ? worker::Wish::terminate : worker::Wish::go_on;
    });
    return ran;
  }
  if (kind == nullptr) return {unknown_kind(job), false, std::chrono::steady_clock::now()};
  const auto& typed = std::get<TypedWork>(job.work);
  JobContext context(job.id, attempt, stop.token(), around.shared, typed.cpus);
  const std::span<const std::byte> args = std::as_bytes(std::span(typed.args));
  worker::Executed executed = worker::execute(*kind, args, context, around.max_result.count);
  return {std::move(executed.outcome), stop.pressed(), executed.entered};
}

}  // namespace runner::master
