// explore.hpp - visits every state that a model can reach, shortest way first.
//
// Called from  the tests of a model, which has a State without padding, a Property with a value `none`, first() and
//              steps(state, out): all that could happen next in `state`, each with what it breaks.
// Owns         every state it has seen (sizeof(State) + about 12 bytes each).
// Fails with   a verdict that tells the steps to the first broken property; no shorter way there exists.
// Never        drops a state: the set compares whole states, not only their hashes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace runner::model {

template <class State, class Property>
struct Step {
  const char* what;
  State next;
  Property broken = Property::none;
};

template <class Property>
struct Verdict {
  std::size_t states = 0;
  Property broken = Property::none;
  std::string story;                // the steps to what broke, one a line
  std::set<std::string_view> seen;  // every kind of step that was taken
};

// States in the order of their discovery, each once. A flat table of numbers, so that a million states stay small.
template <class State>
class Visited {
  static_assert(std::has_unique_object_representations_v<State>, "padding would tell equal states apart");

 public:
  // False when it was there already.
  bool insert(const State& state) {
    if (2 * (states_.size() + 1) > table_.size()) grow();
    std::uint32_t& place = find(state);
    if (place != kNone) return false;
    place = static_cast<std::uint32_t>(states_.size());
    states_.push_back(state);
    return true;
  }
  [[nodiscard]] std::size_t size() const { return states_.size(); }
  [[nodiscard]] const State& operator[](std::size_t number) const { return states_[number]; }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  static std::size_t hash(const State& state) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&state);
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < sizeof state; at += sizeof sum) {
      std::uint64_t part = 0;
      std::memcpy(&part, bytes + at, std::min(sizeof part, sizeof state - at));
      sum = (sum ^ part) * 0x9e3779b97f4a7c15;
      sum ^= sum >> 29;
    }
    return sum;
  }

  std::uint32_t& find(const State& state) {
    const std::size_t mask = table_.size() - 1;
    std::size_t at = hash(state) & mask;
    while (table_[at] != kNone && std::memcmp(&states_[table_[at]], &state, sizeof state) != 0) at = (at + 1) & mask;
    return table_[at];
  }

  void grow() {
    table_.assign(std::max<std::size_t>(1024, 2 * table_.size()), kNone);
    for (std::size_t number = 0; number < states_.size(); ++number) find(states_[number]) = static_cast<std::uint32_t>(number);
  }

  std::vector<State> states_;
  std::vector<std::uint32_t> table_;
};

template <class Model>
Verdict<typename Model::Property> explore(const Model& model) {
  using State = typename Model::State;
  using Property = typename Model::Property;

  Visited<State> visited;
  std::vector<std::uint32_t> parents{0};
  std::vector<Step<State, Property>> steps;
  std::unordered_set<const char*> seen;
  Verdict<Property> verdict;

  // Only who came from whom is kept; which step it was is found again by taking it again.
  const auto tell = [&](std::size_t last, const char* end) {
    std::vector<const char*> lines{end};
    for (std::size_t number = last; number != 0; number = parents[number]) {
      steps.clear();
      model.steps(visited[parents[number]], steps);
      for (const auto& step : steps) {
        if (std::memcmp(&step.next, &visited[number], sizeof(State)) != 0) continue;
        lines.push_back(step.what);
        break;
      }
    }
    std::string story;
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) story.append("  ").append(*line).append("\n");
    return story;
  };

  visited.insert(model.first());
  for (std::size_t number = 0; number < visited.size() && verdict.broken == Property::none; ++number) {
    steps.clear();
    model.steps(visited[number], steps);
    for (const auto& step : steps) {
      seen.insert(step.what);
      if (step.broken != Property::none) {
        verdict.broken = step.broken;
        verdict.story = tell(number, step.what);
        break;
      }
      if (visited.insert(step.next)) parents.push_back(static_cast<std::uint32_t>(number));
    }
  }
  verdict.states = visited.size();
  verdict.seen.insert(seen.begin(), seen.end());
  return verdict;
}

}  // namespace runner::model
