#include "config/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

using Entries = std::vector<std::unique_ptr<Entry>>;

void settle_written(Entries& entries) {
  std::unordered_map<std::string, const Entry*> written;
  for (const auto& entry : entries) {
    if (!entry->named()) continue;
    const auto [other, fresh] = written.emplace(entry->name(), entry.get());
    if (!fresh) {
      bad(entry->name_at(), fmt::format("the name `{}` is taken by the job in line {}; every job needs a name of its own",
                                        entry->name(), other->second->name_at().line));
    }
  }
  std::unordered_map<std::string, std::uint64_t> last;  // number given to a default
  for (const auto& entry : entries) {
    if (entry->named()) continue;
    const std::string base = entry->name();
    std::uint64_t& n = last[base];
    std::string name = base;
    if (n == 0) n = 1;
    while (!written.emplace(name, entry.get()).second) name = fmt::format("{}#{}", base, ++n);
    entry->rename(std::move(name));
  }
}

// One job of the batch, by its name's hash.
struct Hashed {
  std::uint64_t hash;
  std::uint32_t entry;
  std::uint32_t index;  // below kMostChecked
  bool operator<(const Hashed& other) const { return hash < other.hash; }
};

[[noreturn]] void same_twice(const Entries& entries, const Hashed& a, const Hashed& b, const std::string& name) {
  const Entry& second = *entries[std::max(a.entry, b.entry)];
  if (a.entry != b.entry) {
    bad(second.name_at(),
        fmt::format("the name `{}` is given by this job and by the one in line {}; every job needs a name of its own", name,
                    entries[std::min(a.entry, b.entry)]->name_at().line));
  }
  bad(second.name_at(),
      fmt::format("two jobs of this matrix (number {} and {}) would both be called `{}`; use every key in the name, or one "
                  "without ${{{{ }}}}",
                  std::min(a.index, b.index) + 1, std::max(a.index, b.index) + 1, name));
}

void compare_all(Entries& entries) {
  std::vector<Hashed> all;
  std::string name, other;
  for (std::uint32_t e = 0; e < entries.size(); ++e) {
    for (std::uint32_t i = 0; entries[e]->size() != i && entries[e]->name_of(i, name); ++i) {
      all.push_back({std::hash<std::string>{}(name), e, i});
    }
  }
  std::sort(all.begin(), all.end());
  // Names of one hash stand beside each other; all pairs of such a group are compared (a group of two is a rarity already).
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = i + 1; j < all.size() && all[j].hash == all[i].hash; ++j) {
      const bool made =
          entries[all[i].entry]->name_of(all[i].index, name) && entries[all[j].entry]->name_of(all[j].index, other);
      if (made && name == other) same_twice(entries, all[i], all[j], name);
    }
  }
}

// Whether the template gives every job of its matrix another name, by its form alone: of each axis one variable stands in it whole,
// has no value twice, and ends at a character that its values do not hold (so the name can be taken apart again).
bool different_by_form(const Entry& entry) {
  const TextTemplate& text = entry.name_template();
  if (text.constant()) return true;  // NAME-1, NAME-2, ...
  std::set<std::size_t> used;
  const std::vector<TextTemplate::Part>& parts = text.parts();
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const TextTemplate::Part& part = parts[p];
    if (part.form != TextTemplate::Part::Form::whole) continue;
    const std::string& behind = p + 1 < parts.size() ? parts[p + 1].before : text.tail();
    const bool last = p + 1 == parts.size();
    const bool ends =
        !behind.empty() && !entry.axis_of(part.variable).bytes(part.variable).test(static_cast<unsigned char>(behind.front()));
    if (last || ends) used.insert(part.variable);
    if (!last && !ends) return false;  // what follows could begin anywhere
  }
  return std::all_of(entry.axes().begin(), entry.axes().end(), [&](const Axis& axis) {
    if (axis.size() && *axis.size() <= 1) return true;
    return std::any_of(used.begin(), used.end(),
                       [&](std::size_t variable) { return axis.has(variable) && axis.distinct(variable); });
  });
}

// What all names of the entry begin with.
std::string beginning(const Entry& entry) {
  if (!entry.name_template().constant()) return entry.name_template().parts().front().before;
  return entry.numbered() ? entry.name() + "-" : entry.name();
}

// The family NAME-1 .. NAME-n that has a job of this name; null: none has. Two families never meet: the last dash splits both
// alike.
const Entry* family_of(const std::string& name, const std::unordered_map<std::string, const Entry*>& families) {
  const std::size_t dash = name.rfind('-');
  if (dash == std::string::npos) return nullptr;
  const auto family = families.find(name.substr(0, dash));
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data() + dash + 1, name.data() + name.size(), number);
  const bool counted = error == std::errc() && end == name.data() + name.size() && name[dash + 1] != '0';
  return family != families.end() && counted && number >= 1 && number <= family->second->size().value_or(number)
             ? family->second
             : nullptr;
}

void compare_forms(const Entries& entries) {
  for (const auto& entry : entries) {
    if (different_by_form(*entry)) continue;
    if (!entry->size()) {
      bad(entry->name_at(), fmt::format("the name `{}` might be given to two jobs, and what is read from standard input, a "
                                        "pipe or more than {} lines is not "
                                        "tried out before the start; use a name without ${{{{ }}}}, or the number of the row "
                                        "(the key of `csv` or `jsonl`)",
                                        entry->name(), kMostChecked));
    }
    bad(entry->name_at(),
        fmt::format("the name `{}` might be given to two of the {} jobs of this matrix, and above {} jobs that is not tried "
                    "out; use every key in it, with a separator that their values do not hold, or a name without ${{{{ }}}}",
                    entry->name(), *entry->size(), kMostChecked));
  }
  std::unordered_map<std::string, const Entry*> families;
  for (const auto& entry : entries) {
    if (entry->name_template().constant() && entry->numbered()) families.emplace(entry->name(), entry.get());
  }
  for (const auto& entry : entries) {
    if (!entry->name_template().constant() || entry->numbered()) continue;
    if (const Entry* family = family_of(entry->name(), families)) {
      bad(entry->name_at(),
          fmt::format("the name `{}` is given by this job and by the one in line {}; every job needs a name of its own",
                      entry->name(), family->name_at().line));
    }
  }
  for (const auto& made : entries) {
    if (made->name_template().constant()) continue;
    for (const auto& other : entries) {
      const std::string one = beginning(*made), two = beginning(*other);
      if (made == other || !(one.starts_with(two) || two.starts_with(one))) continue;
      bad(made->name_at(), fmt::format("the names `{}` and `{}` (line {}) might meet, and above {} jobs that is not tried out; "
                                       "let them begin differently",
                                       made->name(), other->name(), other->name_at().line, kMostChecked));
    }
  }
}

}  // namespace

void settle_names(Entries& entries) {
  settle_written(entries);
  // One entry of NAME-1, NAME-2, ... needs no check at all, however many there are.
  if (entries.size() == 1 && entries.front()->name_template().constant()) return;
  std::uint64_t jobs = 0;
  for (const auto& entry : entries) jobs += std::min(entry->size().value_or(kMostChecked + 1), kMostChecked + 1);
  if (jobs <= kMostChecked) {
    compare_all(entries);
  } else {
    compare_forms(entries);
  }
}

}  // namespace runner::config
