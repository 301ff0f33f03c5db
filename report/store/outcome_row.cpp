#include "report/store/outcome_row.hpp"

#include <array>
#include <cstring>
#include <utility>
#include <variant>

#include <runner/overloaded.hpp>

namespace runner::report {

namespace {

std::array<std::pair<std::uint32_t OutcomeRow::Fixed::*, std::string_view OutcomeRow::*>, 9> parts() {
  using Fixed = OutcomeRow::Fixed;
  return {{{&Fixed::name, &OutcomeRow::name},
           {&Fixed::content, &OutcomeRow::content},
           {&Fixed::result, &OutcomeRow::result},
           {&Fixed::reason, &OutcomeRow::reason},
           {&Fixed::out, &OutcomeRow::out},
           {&Fixed::err, &OutcomeRow::err},
           {&Fixed::core, &OutcomeRow::core},
           {&Fixed::left_behind, &OutcomeRow::left_behind},
           {&Fixed::costs, &OutcomeRow::costs}}};
}

}  // namespace

std::string_view OutcomeRow::part(int which) const {
  std::string_view rest = content;
  for (;; --which) {
    std::uint64_t size = 0;
    std::memcpy(&size, rest.data(), sizeof size);
    if (which == 0) return rest.substr(sizeof size, size);
    rest.remove_prefix(sizeof size + size);
  }
}

void write_row(std::string& bytes, const OutcomeRow& row) {
  OutcomeRow::Fixed fixed = row.fixed;
  for (const auto& [size, text] : parts()) fixed.*size = static_cast<std::uint32_t>((row.*text).size());
  bytes.append(reinterpret_cast<const char*>(&fixed), sizeof fixed);
  for (const auto& [size, text] : parts()) bytes.append(row.*text);
}

OutcomeRow read_row(std::string_view& bytes) {
  OutcomeRow row;
  std::memcpy(&row.fixed, bytes.data(), sizeof row.fixed);
  bytes.remove_prefix(sizeof row.fixed);
  for (const auto& [size, text] : parts()) {
    row.*text = bytes.substr(0, row.fixed.*size);
    bytes.remove_prefix(row.fixed.*size);
  }
  return row;
}

OutcomeRow row_of(const JobSpec& job, const Outcome& outcome, std::string& left_behind) {
  OutcomeRow row;
  row.name = job.name;
  row.fixed.job = static_cast<std::int64_t>(number(job.id));
  row.fixed.allow_failure = job.allow_failure;
  row.fixed.quarantined = outcome.quarantined;
  row.fixed.timeout_ns = job.timeout.count();
  std::visit(Overloaded{[&](const TypedWork& typed) {
                          row.fixed.memory = static_cast<std::int64_t>(typed.memory.count);
                          row.fixed.cpus = typed.cpus;
                        },
                        [&](const CommandWork& command) {
                          row.fixed.is_command = true;
                          row.fixed.memory = static_cast<std::int64_t>(command.memory.count);
                          row.fixed.cpus = command.cpus;
                          row.fixed.kill_after_ns = command.kill_after.count();
                        }},
             job.work);
  row.fixed.ending = static_cast<std::uint8_t>(outcome.ending.index());
  row.fixed.wall_ns = outcome.wall.count();
  row.fixed.cpu_ns = outcome.cpu.count();
  if (outcome.exit_code) row.fixed.exit_code = *outcome.exit_code;
  std::visit(Overloaded{[](const Succeeded&) {}, [&](const Failed& failed) { row.reason = failed.reason; },
                        [&](const Crashed& crashed) {
                          row.reason = crashed.reason;
                          if (crashed.signal != 0) row.fixed.signal = crashed.signal;
                        },
                        [&](const TimedOut& late) {
                          row.fixed.limit_ns = late.limit.count();
                          row.reason = late.reason;
                        },
                        [&](const Cancelled& cancelled) { row.reason = cancelled.reason; },
                        [&](const OutOfMemory& memory) { row.reason = memory.reason; }},
             outcome.ending);
  row.fixed.out_bytes = static_cast<std::int64_t>(outcome.out.bytes);
  row.fixed.err_bytes = static_cast<std::int64_t>(outcome.err.bytes);
  row.out = outcome.out.text;
  row.err = outcome.err.text;
  if (outcome.peak_memory) row.fixed.peak_memory = static_cast<std::int64_t>(outcome.peak_memory->count);
  row.core = outcome.core;
  left_behind.clear();
  for (const std::string& process : outcome.left_behind) left_behind.append(left_behind.empty() ? "" : "\n").append(process);
  row.left_behind = left_behind;
  return row;
}

}  // namespace runner::report
