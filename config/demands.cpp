#include "config/demands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include <runner/read_value.hpp>
#include <runner/utf8.hpp>
#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

constexpr std::uint64_t kMostCpus = 1'000'000;
constexpr std::uint64_t kMostOfOne = 1'000'000'000;

}  // namespace

Demands::Demands(const Value* resources, std::string shown) : shown_(std::move(shown)) {
  known_.emplace(std::pair{1U, std::vector<std::uint64_t>{}}, 0U);
  if (resources == nullptr) return;
  if (resources->mapping() == nullptr) {
    bad(resources->at,
        fmt::format("`resources` must be a mapping of names to how many there are, such as {{license: 2}}, found {}",
                    found(*resources)));
  }
  for (const auto& [name, count] : *resources->mapping()) {
    if (name.text.empty() || !is_printable(name.text))
      bad(count.at, "the name of a resource must be printable text, as in {license: 2}");
    resources_.push_back({name.text, read_unsigned(count, "resources." + name.text, kMostOfOne)});
    if (resources_.back().count == 0)
      bad(count.at, fmt::format("there would be nothing of `{}` for anybody; leave it out", name.text));
  }
}

std::vector<std::uint64_t> Demands::needed(const Value& resources) const {
  if (resources.mapping() == nullptr) {
    bad(resources.at,
        fmt::format("`resources` must be a mapping of names to how many the job takes, such as {{license: 1}}, found {}",
                    found(resources)));
  }
  std::vector<std::uint64_t> needed(resources_.size());
  for (const auto& [name, count] : *resources.mapping()) {
    const auto known =
        std::find_if(resources_.begin(), resources_.end(), [&](const auto& one) { return one.name == name.text; });
    if (known == resources_.end()) {
      std::vector<std::string_view> names;
      for (const Resource& one : resources_) names.push_back(one.name);
      const std::string_view near = near_miss(name.text, names);
      bad(count.at,
          fmt::format("this batch has no resource `{}`; {}", name.text,
                      !near.empty() ? fmt::format("did you mean `{}`?", near)
                                    : fmt::format("say at the top how many there are: `resources: {{{}: 1}}`", name.text)));
    }
    const std::uint64_t wanted = read_unsigned(count, "resources." + name.text, kMostOfOne);
    if (wanted > known->count) {
      bad(count.at, fmt::format("this job could never start: it takes {} of `{}`, and this batch has {}", wanted, name.text,
                                known->count));
    }
    needed[static_cast<std::size_t>(known - resources_.begin())] = wanted;
  }
  if (std::all_of(needed.begin(), needed.end(), [](std::uint64_t one) { return one == 0; })) needed.clear();
  return needed;
}

std::uint32_t Demands::of(const Value* cpus, const Value* resources) {
  if (cpus == nullptr && resources == nullptr) return 0;
  Demand demand;
  if (cpus != nullptr) {
    demand.cpus = static_cast<std::uint32_t>(read_unsigned(*cpus, "cpus", kMostCpus));
    if (demand.cpus == 0) bad(cpus->at, "a job with `cpus` of 0 could not run; leave it out for one");
  }
  if (resources != nullptr) demand.resources = needed(*resources);
  const auto [known, fresh] =
      known_.emplace(std::pair{demand.cpus, demand.resources}, static_cast<std::uint32_t>(demands_.size()));
  if (!fresh) return known->second;
  const Position at = (cpus != nullptr ? cpus : resources)->at;
  if (demands_.size() >= kMost) {
    bad(at, fmt::format("this batch has more than {} different combinations of `cpus` and `resources`; use fewer", kMost));
  }
  demand.who = fmt::format("{}:{}:{}: this job", shown_, at.line, at.column);
  demands_.push_back(std::move(demand));
  return known->second;
}

}  // namespace runner::config
