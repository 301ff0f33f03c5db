#include "bench/ipc/report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "bench/ipc/figure.hpp"

namespace runner::bench {

namespace {

std::string size_name(std::size_t bytes) {
  constexpr std::size_t kib = 1024, mib = kib * kib;
  if (bytes >= mib && bytes % mib == 0) return fmt::format("{} MiB", bytes / mib);
  if (bytes >= kib && bytes % kib == 0) return fmt::format("{} KiB", bytes / kib);
  return fmt::format("{} B", bytes);
}

std::string without_end_spaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string cell(const Results& results, const Measured& measured) {
  const std::vector<double>* const samples = results.find(measured);
  if (samples == nullptr) return "   -";
  return measured.what == What::round_trip ? time_per_message(spread(*samples)) : rate(spread(*samples), measured.bytes);
}

std::string by_size(const Results& results, std::vector<std::string> rows, const Plan& plan, const Processors& processors) {
  const Placement streamed = stream_placement(processors);
  std::string text = fmt::format("{:<9}{:<22}{:<25}{:<25}{}\n", "size", "mechanism", "round trip, same core",
                                 "round trip, other core", "stream, " + to_string(streamed));
  rows.insert(rows.end(), {kCopyWarm, kCopyFresh});
  for (const std::size_t bytes : plan.sizes) {
    std::string size = size_name(bytes);
    for (const std::string& row : rows) {
      const bool copies = row == kCopyWarm || row == kCopyFresh;
      if (copies && bytes < 1024) continue;  // what is measured there is the loop
      text += without_end_spaces(fmt::format("{:<9}{:<22}{:<25}{:<25}{}", std::exchange(size, ""), row,
                                             cell(results, {What::round_trip, row, bytes, 1, Placement::same_core}),
                                             cell(results, {What::round_trip, row, bytes, 1, Placement::other_core}),
                                             cell(results, {What::stream, row, bytes, 1, streamed}))) +
              '\n';
    }
    text += '\n';
  }
  return text;
}

// Of single round trips: what is rare is what is waited for.
std::string by_percentile(const Results& results, const std::vector<std::string>& rows, const Plan& plan) {
  if (plan.sizes.empty()) return {};
  const std::size_t bytes = plan.sizes.front();
  std::string text = fmt::format("{:<31}{:<25}{}\n", "round trips of " + size_name(bytes), "same core: 50/90/99/99.9 %",
                                 "  other core: 50/90/99/99.9 %");
  for (const std::string& row : rows) {
    std::string line = fmt::format("{:<31}", row);
    for (const Placement placement : {Placement::same_core, Placement::other_core}) {
      const master::Histogram* of = results.distribution({What::round_trip, row, bytes, 1, placement});
      std::string cell = "-";
      if (of != nullptr) {
        const auto us = [&](double percent) {
          return three_digits(static_cast<double>(of->percentile(percent).count()) / 1e3);
        };
        cell = fmt::format("{} {} {} {} us", us(50), us(90), us(99), us(99.9));
      }
      line += fmt::format("{:<27}", cell);
    }
    text += without_end_spaces(line) + '\n';
  }
  return text + '\n';
}

std::string by_crew(const Results& results, const std::vector<std::string>& rows, const Plan& plan) {
  std::string text;
  for (const std::size_t bytes : plan.crew_sizes) {
    std::string head = fmt::format("{:<22}", "stream of " + size_name(bytes));
    for (const std::size_t children : plan.crews) {
      head += fmt::format("{:<22}", fmt::format("{} worker{}", children, children == 1 ? "" : "s"));
    }
    text += without_end_spaces(head) + '\n';
    for (const std::string& row : rows) {
      std::string line = fmt::format("{:<22}", row);
      for (const std::size_t children : plan.crews) {
        line += fmt::format("{:<22}", cell(results, {What::stream, row, bytes, children, Placement::anywhere}));
      }
      text += without_end_spaces(line) + '\n';
    }
    text += '\n';
  }
  return text;
}

}  // namespace

std::string tables(const Results& results, const std::vector<std::string>& rows, const Plan& plan,
                   const Processors& processors) {
  std::string text = fmt::format(
      "Medians of {} repetitions (least-most). Round trip: one message there, the same bytes back. Stream: up to 64\n"
      "messages in flight, each answered by 8 bytes once every cache line of it was read. Workers: bound to no core.\n"
      "Who spins yields (sched_yield) between two looks where there are more processes than cores.\n"
      "Our channel, spinning: the worker looks for up to 10 us before it sleeps, and there it sleeps at once.\n\n",
      plan.repetitions);
  text += by_size(results, rows, plan, processors) + by_percentile(results, rows, plan) + by_crew(results, rows, plan);
  if (!processors.remark().empty()) text += processors.remark() + '\n';
  for (const std::string& remark : results.remarks()) text += remark + '\n';
  return text;
}

std::string json(const Results& results, const Facts& facts) {
  nlohmann::ordered_json all;
  for (const auto& [name, value] : facts) all["machine"][name] = value;
  all["remarks"] = results.remarks();
  all["results"] = nlohmann::ordered_json::array();
  for (const auto& [measured, samples] : results.all()) {
    const Spread of = spread(samples);
    nlohmann::ordered_json result({{"what", measured.what == What::round_trip ? "round trip" : "stream"},
                                   {"mechanism", measured.by},
                                   {"bytes", measured.bytes},
                                   {"children", measured.children},
                                   {"placement", to_string(measured.placement)},
                                   {"median_s", of.median},
                                   {"least_s", of.least},
                                   {"most_s", of.most},
                                   {"samples_s", samples}});
    if (const master::Histogram* distribution = results.distribution(measured)) {
      for (const auto& [name, percent] :
           {std::pair("p50", 50.0), std::pair("p90", 90.0), std::pair("p99", 99.0), std::pair("p99.9", 99.9)}) {
        result["percentiles_s"][name] = static_cast<double>(distribution->percentile(percent).count()) / 1e9;
      }
    }
    all["results"].push_back(std::move(result));
  }
  return all.dump(1) + '\n';
}

}  // namespace runner::bench
