#include "master/engines/worker_answer.hpp"

#include <cerrno>
#include <chrono>
#include <new>
#include <utility>
#include <variant>

#include "ipc/os.hpp"
#include "master/engines/run_here.hpp"

namespace runner::master {

namespace {

constexpr int kMostThreads = 1024;  // whose processor time a job can sum up

}  // namespace

Result<void> check_answer(const ipc::Completion& completion, const JobSpec& job, const Registry& registry, TimePoint opened,
                          TimePoint at) {
  constexpr Duration unremarkable = std::chrono::hours(1);
  const ipc::JobReply& reply = completion.reply;
  const Outcome& outcome = reply.outcome;
  const auto fits = [&](Duration span, Duration limit) {
    return span >= Duration::zero() && (span <= unremarkable || span <= limit);
  };
  const Duration age = at - opened + unremarkable;
  if (!fits(outcome.wall, age) || !fits(outcome.cpu, age * kMostThreads) || !fits(reply.deserialize, age) ||
      !fits(reply.arriving.value_or(Duration{}), age) || !fits(reply.free.value_or(Duration{}), age) ||
      completion.seen < TimePoint{} || completion.seen > at || completion.answered < TimePoint{} || completion.answered > at) {
    return fail(ErrorCode::protocol, "a reply tells of times that cannot be");
  }
  const auto* typed = std::get_if<TypedWork>(&job.work);
  if (typed == nullptr || !succeeded(outcome)) return {};
  try {
    if (registry.find(typed->kind)->is_result(outcome.result.bytes())) return {};
  } catch (const std::bad_alloc&) {
    return os::failure("read a result of " + format_size({outcome.result.size()}), "malloc", ENOMEM);
  }
  return fail(ErrorCode::protocol, "a reply brings bytes that are no result of the kind `" + typed->kind + "`");
}

Ending ending_by_death(const JobSpec& job, const WorkerProcess::Death& death, const Cause& cause) {
  if (cause.stopping) {
    std::string how;
    if (cause.killed) how = is_command(job) ? "its worker did not answer: killed" : "its worker was killed";
    return stopped_ending(job, *cause.stopping, std::move(how));
  }
  if (!cause.broke_rules.empty()) return Crashed{0, "its worker broke the protocol: " + cause.broke_rules};
  if (!cause.out_of_memory.empty()) return OutOfMemory{cause.out_of_memory};
  if (death.signal == 0) return Crashed{0, "its worker " + death.how};
  // A typed job is in its worker, a command beside it.
  return Crashed{death.signal, is_command(job) ? "its worker died of it" : ""};
}

}  // namespace runner::master
