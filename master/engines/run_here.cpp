#include "master/engines/run_here.hpp"

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

Ending stopped_ending(const JobSpec& job, StopReason reason) {
  switch (reason) {
    case StopReason::deadline: return TimedOut{job.timeout};
    case StopReason::interrupt: return Cancelled{"interrupted"};
    case StopReason::halt: break;
  }
  return Cancelled{"halted"};
}

RanHere run_here(const Kind* kind, const JobSpec& job, Attempt attempt, const StopSwitch& stop, const Surroundings& around) {
  if (const auto* command = std::get_if<CommandWork>(&job.work)) {
    RanHere ran;
    ran.outcome = worker::run_command(*command, stop.fd(), [&] {
      ran.stopped = stop.pressed();
      return ran.stopped ? worker::Wish::terminate : worker::Wish::go_on;
    });
    return ran;
  }
  if (kind == nullptr) return {unknown_kind(job), false};
  JobContext context(job.id, attempt, stop.token(), around.shared);
  const std::span<const std::byte> args = std::as_bytes(std::span(std::get<TypedWork>(job.work).args));
  Outcome outcome = worker::execute(*kind, args, context, around.max_result.count);
  return {std::move(outcome), stop.pressed()};
}

}  // namespace runner::master
