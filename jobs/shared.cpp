#include "runner/shared.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "runner/value.hpp"

namespace runner {

namespace {

// By the place in Shared::Entry.
constexpr std::string_view kSorts[] = {"a file", "a counter", "writable bytes"};
static_assert(std::variant_size_v<Shared::Entry> == std::size(kSorts));

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

}  // namespace

bool is_shared_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestSharedName && std::all_of(name.begin(), name.end(), &is_word_character);
}

const Shared& Shared::none() {
  static const Shared nothing;
  return nothing;
}

std::span<const std::byte> Shared::bytes(std::string_view name) const {
  const Entry& entry = need(name);
  if (const auto* file = std::get_if<std::span<const std::byte>>(&entry)) return *file;
  if (const auto* region = std::get_if<std::span<std::byte>>(&entry)) return *region;
  refuse(name, entry, "a file or bytes");
}

std::span<std::byte> Shared::writable(std::string_view name) const {
  const Entry& entry = need(name);
  if (const auto* region = std::get_if<std::span<std::byte>>(&entry)) return *region;
  refuse(name, entry, "writable bytes");
}

SharedCount& Shared::counter(std::string_view name) const {
  const Entry& entry = need(name);
  if (const auto* counter = std::get_if<SharedCount*>(&entry)) return **counter;
  refuse(name, entry, "a counter");
}

std::vector<Shared::Count> Shared::counts() const {
  std::vector<Count> all;
  for (const auto& [name, entry] : entries_) {
    // relaxed: a number that is shown orders nothing.
    if (const auto* counter = std::get_if<SharedCount*>(&entry)) {
      all.push_back({name, (*counter)->load(std::memory_order_relaxed)});
    }
  }
  return all;
}

const Shared::Entry* Shared::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.first == name; });
  return found == entries_.end() ? nullptr : &found->second;
}

const Shared::Entry& Shared::need(std::string_view name) const {
  if (const Entry* entry = find(name)) return *entry;
  std::vector<std::string_view> names;
  for (const auto& [known, entry] : entries_) names.emplace_back(known);
  const std::string_view near = near_miss(name, names);
  throw std::invalid_argument(fmt::format("this batch shares nothing called `{}`{}; {}", name,
                                          near.empty() ? "" : fmt::format(" (did you mean `{}`?)", near), list()));
}

void Shared::refuse(std::string_view name, const Entry& entry, std::string_view wanted) const {
  throw std::invalid_argument(
      fmt::format("the shared `{}` is {}, but the job needs {}; {}", name, kSorts[entry.index()], wanted, list()));
}

std::string Shared::list() const {
  if (entries_.empty()) return "it has no `shared:` section";
  std::string text = "shared are:";
  for (const auto& [name, entry] : entries_)
    text += fmt::format("{} {} ({})", text.back() == ':' ? "" : ",", name, kSorts[entry.index()]);
  return text;
}

}  // namespace runner
