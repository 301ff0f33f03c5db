#include "config/needs.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

using Entries = std::vector<std::unique_ptr<Entry>>;

constexpr std::size_t kMostCompared = 100'000;  // names, for a near miss
constexpr std::size_t kLongestPath = 12;        // jobs of a cycle that are printed

struct Range {  // of job numbers
  std::uint64_t begin, end;
};

// What one text in `needs` names.
struct Target {
  std::string text;
  Position at;
  std::size_t literal = 0;  // how much of it stands before the first * ? [ ; all of it: a name
  std::vector<Range> jobs;

  [[nodiscard]] bool pattern() const { return literal < text.size(); }
  [[nodiscard]] std::string_view beginning() const { return std::string_view(text).substr(0, literal); }
  void add(std::uint64_t begin, std::uint64_t end) {
    if (begin == end) return;
    if (!jobs.empty() && jobs.back().end == begin) {
      jobs.back().end = end;
    } else {
      jobs.push_back({begin, end});
    }
  }
  void add(std::uint64_t job) { add(job, job + 1); }
};

class Planner {
 public:
  explicit Planner(Entries& entries) : entries_(entries) {
    for (const auto& entry : entries_) {
      if (!entry->size()) {
        bad(entry->name_at(),
            "with `needs` or priorities in a batch, all its jobs must be known before the start, and what is read from "
            "standard "
            "input, a pipe or a very long file is not");
      }
      firsts_.push_back(size_);
      size_ += *entry->size();
    }
  }

  Plan plan() {
    for (std::size_t e = 0; e < entries_.size(); ++e) gather(e);
    resolve();
    known_.clear();
    lay_out();
    refuse_cycles();
    return std::move(plan_);
  }

 private:
  [[noreturn]] static void shorter(const Entry& entry) {
    bad(entry.name_at(), "a file that this job reads has become shorter since it was looked at");
  }

  // ---- what is needed ----

  std::uint32_t target(const std::string& text, Position at) {
    const auto [known, fresh] = known_.emplace(text, static_cast<std::uint32_t>(targets_.size()));
    if (fresh) targets_.push_back({text, at, std::min(text.size(), text.find_first_of("*?[")), {}});
    return known->second;
  }

  void gather(std::size_t e) {
    Entry& entry = *entries_[e];
    if (*entry.size() == 0) return;  // a file without records
    const std::vector<Entry::Need>& needs = entry.needs();
    const bool constant = std::all_of(needs.begin(), needs.end(), [](const auto& need) { return need.text.constant(); });
    if (!constant && *entry.size() > kMostWithOwnNeeds) {
      bad(needs.front().at,
          fmt::format(
              "these needs depend on the matrix, and it makes {} jobs; above {} jobs they must be the same for all of them",
              *entry.size(), kMostWithOwnNeeds));
    }
    std::vector<std::string> texts;
    std::vector<std::uint32_t> list;
    for (std::uint64_t i = 0; i < (constant ? 1 : *entry.size()); ++i) {
      entry.needs_of(i, texts);
      list.clear();
      for (std::size_t n = 0; n < texts.size(); ++n) list.push_back(target(texts[n], needs[n].at));
      std::sort(list.begin(), list.end());
      list.erase(std::unique(list.begin(), list.end()), list.end());
      // Another entry always begins another stretch: its priority may be another, and what it takes.
      if (i != 0 && std::ranges::equal(list, stretch_needs_[stretches_.size() - 1])) continue;
      stretches_.push_back(firsts_[e] + i);
      stretch_needs_.add(list);
    }
  }

  // ---- who is meant ----

  void resolve() {
    for (std::uint32_t t = 0; t < targets_.size(); ++t) {
      if (targets_[t].pattern()) patterns_.push_back(t);
    }
    for (std::size_t e = 0; e < entries_.size(); ++e) match(e);
    // A name that looks like a pattern is meant as it stands.
    for (Target& target : targets_) {
      if (target.jobs.empty()) unknown(target);
    }
  }

  // Looks at the names of an entry one by one only where its form does not say which of them are meant.
  void match(std::size_t e) {
    Entry& entry = *entries_[e];
    const std::uint64_t first = firsts_[e];
    std::vector<std::uint32_t> tried;
    for (const std::uint32_t t : patterns_) {
      Target& target = targets_[t];
      const std::string start = beginning(entry);
      const std::string_view common = std::string_view(start).substr(0, std::min(start.size(), target.literal));
      if (!target.beginning().starts_with(common)) continue;  // no name can match
      if (common.size() == target.literal && target.literal + 1 == target.text.size() && target.text.back() == '*') {
        target.add(first, first + *entry.size());  // all do
      } else {
        tried.push_back(t);
      }
    }
    const bool counted = entry.name_template().constant();
    if (counted) {
      match_counted(entry, first);
      if (tried.empty()) return;
    }
    if (tried.empty() && known_.size() == patterns_.size()) return;  // nobody is called by name
    std::string name;
    for (std::uint64_t i = 0; i < *entry.size(); ++i) {
      if (!entry.name_of(i, name)) shorter(entry);
      if (!counted) {
        if (const auto known = known_.find(name); known != known_.end() && !targets_[known->second].pattern())
          targets_[known->second].add(first + i);
      }
      for (const std::uint32_t t : tried) {
        if (name.compare(0, targets_[t].literal, targets_[t].beginning()) != 0) continue;
        if (name == targets_[t].text || ::fnmatch(targets_[t].text.c_str(), name.c_str(), 0) == 0) targets_[t].add(first + i);
      }
    }
  }

  // NAME, or NAME-1 .. NAME-n.
  void match_counted(const Entry& entry, std::uint64_t first) {
    if (!entry.numbered()) {
      const auto known = known_.find(entry.name());
      if (known != known_.end() && !targets_[known->second].pattern()) targets_[known->second].add(first);
      return;
    }
    if (!sorted_) {
      for (std::uint32_t t = 0; t < targets_.size(); ++t) {
        const std::size_t dash = targets_[t].text.rfind('-');
        if (!targets_[t].pattern() && dash != std::string::npos) numbered_[targets_[t].text.substr(0, dash)].push_back(t);
      }
      sorted_ = true;
    }
    const auto family = numbered_.find(entry.name());
    if (family == numbered_.end()) return;
    for (const std::uint32_t t : family->second) {
      const std::string number = targets_[t].text.substr(entry.name().size() + 1);
      const bool digits = !number.empty() && number.size() < 19 && number.front() != '0' &&
                          number.find_first_not_of("0123456789") == std::string::npos;
      if (digits && std::stoull(number) <= *entry.size()) targets_[t].add(first + std::stoull(number) - 1);
    }
  }

  // What all names of the entry begin with.
  static std::string beginning(const Entry& entry) {
    if (!entry.name_template().constant()) return entry.name_template().parts().front().before;
    return entry.numbered() ? entry.name() + "-" : entry.name();
  }

  [[noreturn]] void unknown(const Target& target) {
    std::vector<std::string> names;
    for (const auto& entry : entries_) {
      if (entry->numbered() && entry->name() == target.text) {
        bad(target.at, fmt::format("`needs` names a job `{}`, which does not exist in this file: there are {} jobs of that "
                                   "entry; did you mean `{}*`?",
                                   target.text, *entry->size(), beginning(*entry)));
      }
      if (target.pattern()) {
        names.push_back(beginning(*entry) + "*");
        continue;
      }
      std::string name;
      for (std::uint64_t i = 0; i < *entry->size() && names.size() < kMostCompared; ++i) {
        if (!entry->name_of(i, name)) shorter(*entry);
        names.push_back(name);
      }
      if (entry->numbered()) names.push_back(beginning(*entry) + "*");
    }
    const std::string_view near = near_miss(target.text, {names.begin(), names.end()});
    bad(target.at, fmt::format("`needs` names {} `{}`, {}{}", target.pattern() ? "the pattern" : "a job", target.text,
                               target.pattern() ? "which matches no job of this file" : "which does not exist in this file",
                               near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  }

  // ---- blocks ----

  void lay_out() {
    // A block begins wherever needs change, or a range of needed jobs begins or ends.
    std::vector<std::uint64_t> cuts = stretches_;
    struct Change {
      std::uint64_t at;
      bool begins;
      std::uint32_t target;
    };
    std::vector<Change> changes;
    for (std::uint32_t t = 0; t < targets_.size(); ++t) {
      Plan::Group group{std::move(targets_[t].text), 0};
      for (const Range& range : targets_[t].jobs) {
        group.size += range.end - range.begin;
        changes.push_back({range.begin, true, t});
        changes.push_back({range.end, false, t});
        cuts.push_back(range.begin);
        if (range.end != size_) cuts.push_back(range.end);
      }
      plan_.groups.push_back(std::move(group));
    }
    targets_.clear();
    targets_.shrink_to_fit();
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) { return a.at < b.at; });
    if (cuts.size() > UINT32_MAX) bad(entries_.front()->name_at(), "these needs make more than 4294967295 blocks of jobs");

    std::vector<std::uint32_t> active;
    std::size_t change = 0, stretch = 0, entry = 0;
    for (std::size_t c = 0; c < cuts.size(); ++c) {
      const std::uint64_t begin = cuts[c], end = c + 1 < cuts.size() ? cuts[c + 1] : size_;
      for (; change < changes.size() && changes[change].at <= begin; ++change) {
        const std::uint32_t t = changes[change].target;
        const auto place = std::lower_bound(active.begin(), active.end(), t);
        changes[change].begins ? static_cast<void>(active.insert(place, t)) : static_cast<void>(active.erase(place));
      }
      while (stretch + 1 < stretches_.size() && stretches_[stretch + 1] <= begin) ++stretch;
      while (entry + 1 < entries_.size() && firsts_[entry + 1] <= begin) ++entry;
      plan_.blocks.push_back({JobId{begin}, end - begin, entries_[entry]->priority(), entries_[entry]->demand()});
      plan_.needs.add(stretch_needs_[stretch]);
      plan_.groups_of.add(active);
    }
    plan_.waiters = plan_.needs.inverted(plan_.groups.size());
    plan_.members = plan_.groups_of.inverted(plan_.groups.size());
  }

  // ---- cycles ----

  // Takes away whatever can run; what is left stands in a cycle, or behind one.
  void refuse_cycles() {
    std::vector<std::size_t> unmet(plan_.blocks.size()), left(plan_.groups.size());
    std::vector<std::uint32_t> can_run;
    for (std::uint32_t b = 0; b < unmet.size(); ++b) {
      unmet[b] = plan_.needs[b].size();
      if (unmet[b] == 0) can_run.push_back(b);
    }
    for (std::size_t g = 0; g < left.size(); ++g) left[g] = plan_.members[g].size();
    std::size_t ran = 0;
    for (; !can_run.empty(); ++ran) {
      const std::uint32_t b = can_run.back();
      can_run.pop_back();
      for (const std::uint32_t g : plan_.groups_of[b]) {
        if (--left[g] != 0) continue;
        for (const std::uint32_t waiter : plan_.waiters[g]) {
          if (--unmet[waiter] == 0) can_run.push_back(waiter);
        }
      }
    }
    if (ran < unmet.size()) print_cycle(unmet, left);
  }

  [[noreturn]] void print_cycle(const std::vector<std::size_t>& unmet, const std::vector<std::size_t>& left) {
    // From one that cannot run to one that it waits for, until somebody is met again.
    std::vector<std::size_t> met(unmet.size(), SIZE_MAX);
    std::vector<std::uint32_t> path;
    std::uint32_t b = 0;
    while (unmet[b] == 0) ++b;
    while (met[b] == SIZE_MAX) {
      met[b] = path.size();
      path.push_back(b);
      const auto needs = plan_.needs[b];
      const std::uint32_t g = *std::find_if(needs.begin(), needs.end(), [&](std::uint32_t one) { return left[one] != 0; });
      const auto members = plan_.members[g];
      b = *std::find_if(members.begin(), members.end(), [&](std::uint32_t one) { return unmet[one] != 0; });
    }
    path.erase(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(met[b]));
    path.push_back(b);
    std::string text;
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (path.size() > kLongestPath && i == kLongestPath / 2) {
        text += fmt::format(" needs ... ({} more)", path.size() - kLongestPath);
        i = path.size() - kLongestPath / 2;
      }
      text += fmt::format("{}`{}`", i == 0 ? "" : " needs ", name_of(path[i]));
    }
    const std::size_t e = entry_of(b);
    bad(entries_[e]->needs().front().at,
        fmt::format("these jobs wait for each other, so that none could ever start: {}", text));
  }

  [[nodiscard]] std::size_t entry_of(std::uint32_t block) const {
    const std::uint64_t job = number(plan_.blocks[block].first);
    return static_cast<std::size_t>(std::upper_bound(firsts_.begin(), firsts_.end(), job) - firsts_.begin() - 1);
  }
  std::string name_of(std::uint32_t block) {
    const std::size_t e = entry_of(block);
    std::string name;
    if (!entries_[e]->name_of(number(plan_.blocks[block].first) - firsts_[e], name)) shorter(*entries_[e]);
    return name;
  }

  Entries& entries_;
  std::vector<std::uint64_t> firsts_;  // job numbers
  std::uint64_t size_ = 0;
  std::unordered_map<std::string, std::uint32_t> known_;  // targets by text
  std::vector<Target> targets_;
  std::vector<std::uint32_t> patterns_;                                   // of the targets
  std::unordered_map<std::string, std::vector<std::uint32_t>> numbered_;  // names that may be NAME-1, NAME-2, ...
  bool sorted_ = false;                                                   // into numbered_
  std::vector<std::uint64_t> stretches_;                                  // where neighbours with the same needs begin
  Lists stretch_needs_;                                                   // targets, sorted, each once
  Plan plan_;
};

}  // namespace

std::optional<Plan> make_plan(Entries& entries) {
  const bool plain = std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
    return entry->needs().empty() && entry->priority() == entries.front()->priority();
  });
  const bool same = std::all_of(entries.begin(), entries.end(),
                                [&](const auto& entry) { return entry->demand() == entries.front()->demand(); });
  const bool known = std::all_of(entries.begin(), entries.end(), [](const auto& entry) { return entry->size().has_value(); });
  if (plain && (same || !known)) return std::nullopt;
  return Planner(entries).plan();
}

}  // namespace runner::config
