#include "config/rules.hpp"

#include <fmt/format.h>

#include <limits>
#include <string>

#include <runner/read_value.hpp>
#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

RetryOn read_retry_on(const Value& value) {
  if (value.sequence() == nullptr)
    bad(value.at, fmt::format("`retry_on` must be a list such as [crashed, timed_out], found {}", found(value)));
  RetryOn on{false, false, false, false};
  for (const Value& item : *value.sequence()) {
    const std::string word = item.scalar() != nullptr ? item.scalar()->text : std::string();
    bool* const same = word == "failed"          ? &on.failed
                       : word == "crashed"       ? &on.crashed
                       : word == "timed_out"     ? &on.timed_out
                       : word == "out_of_memory" ? &on.out_of_memory
                                                 : nullptr;
    if (same == nullptr) {
      const std::string_view near = near_miss(word, {"failed", "crashed", "timed_out", "out_of_memory"});
      bad(item.at, fmt::format("`retry_on` is made of failed, crashed, timed_out and out_of_memory, found {}{}", found(item),
                               near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
    }
    *same = true;
  }
  if (value.sequence()->empty())
    bad(value.at, "`retry_on` is an empty list, so nothing would be tried again; leave `retries` out for that");
  return on;
}

Backoff read_backoff(const Value& value) {
  Section section(value, "`backoff`");
  const Value& initial = section.need("initial", "it is the wait before the second attempt, such as 1s");
  const Value* factor = section.take("factor");
  const Value* max = section.take("max");
  const Value* jitter = section.take("jitter");
  section.finish();
  Backoff backoff;
  read_value(initial, "initial", backoff.initial);
  if (factor != nullptr) backoff.factor = read_real(*factor, "factor", 1e6);
  if (!(backoff.factor >= 1))
    bad(factor->at, fmt::format("a `factor` below 1 would make the waits shorter and shorter, found {}", found(*factor)));
  if (max != nullptr) {
    read_value(*max, "max", backoff.max);
    if (backoff.max < backoff.initial)
      bad(max->at, fmt::format("`max` is shorter than `initial` ({})", format_duration(backoff.initial)));
  } else {
    backoff.max = std::max(backoff.max, backoff.initial);
  }
  if (jitter != nullptr) backoff.jitter = read_real(*jitter, "jitter", 1);
  if (!(backoff.jitter >= 0 && backoff.jitter <= 1)) {
    bad(jitter->at,
        fmt::format("`jitter` is the share of the wait that chance may leave out, from 0 to 1, found {}", found(*jitter)));
  }
  return backoff;
}

}  // namespace

void Rules::apply_to(JobSpec& job) const {
  job.timeout = timeout;
  job.retries = retries;
  job.retry_on = retry_on;
  job.backoff = backoff;
  job.crash_limit = crash_limit;
  job.priority = priority;
  job.allow_failure = allow_failure;
  job.repeatable = repeatable;
  job.demand = demand;
}

Rules read_rules(Section& job, Section* defaults, Demands& demands) {
  Rules rules;
  const auto take = [&](std::string_view key) {
    const Value* const own = job.take(key);
    const Value* const common = defaults != nullptr ? defaults->take(key) : nullptr;
    return own != nullptr ? own : common;
  };
  try {
    if (const Value* timeout = take("timeout")) {
      read_value(*timeout, "timeout", rules.timeout);
      if (rules.timeout == Duration::zero())
        bad(timeout->at, "a timeout of 0 would end every job at once; leave it out for none");
    }
    if (const Value* kill_after = take("kill_after")) read_value(*kill_after, "kill_after", rules.kill_after);
    if (const Value* memory = take("memory")) {
      read_value(*memory, "memory", rules.memory);
      if (rules.memory.count == 0) bad(memory->at, "a job with `memory` of 0 could not run; leave it out for no limit");
    }
    if (const Value* retries = take("retries"))
      rules.retries = static_cast<std::uint32_t>(read_unsigned(*retries, "retries", 1'000'000));
    if (const Value* on = take("retry_on")) rules.retry_on = read_retry_on(*on);
    if (const Value* backoff = take("backoff")) rules.backoff = read_backoff(*backoff);
    if (const Value* limit = take("crash_limit")) {
      rules.crash_limit = static_cast<std::uint32_t>(read_unsigned(*limit, "crash_limit", 1'000'000));
      if (rules.crash_limit == 0)
        bad(limit->at, "a `crash_limit` of 0 would forbid every attempt; 1 ends a job at the first worker that it kills");
    }
    if (const Value* priority = take("priority")) {
      using Limits = std::numeric_limits<std::int32_t>;
      rules.priority = static_cast<std::int32_t>(read_signed(*priority, "priority", Limits::min(), Limits::max()));
    }
    if (const Value* allow = take("allow_failure")) read_value(*allow, "allow_failure", rules.allow_failure);
    if (const Value* again = take("repeatable")) read_value(*again, "repeatable", rules.repeatable);
    const Value* const cpus = take("cpus");
    rules.demand = demands.of(cpus, take("resources"));
    rules.cpus = demands.cpus_of(rules.demand);
  } catch (ValueError& error) {
    bad(error.at, std::move(error.text));
  }
  return rules;
}

}  // namespace runner::config
