#include "config/axis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/bad_batch.hpp"

namespace runner::config {

std::optional<std::uint64_t> Axis::Key::size() const {
  if (const auto* list = std::get_if<ValueList>(&values)) return list->size();
  return std::get<Records>(values).size();
}

std::string Axis::Key::length() const {
  const std::optional<std::uint64_t> known = size();
  return fmt::format("`{}` has {}", name, known ? fmt::format("{} value{}", *known, *known == 1 ? "" : "s") : "more");
}

void Axis::add(const std::string& key, const Value& value, std::vector<std::string>& variables) {
  const Mapping* form = value.mapping();
  const std::string word = form != nullptr && form->size() == 1 ? form->front().key.text : std::string();
  Key made{key, value.at, variables.size(), 1, ValueList{}};
  if (Records::is_form(word)) {
    Records& records = made.values.emplace<Records>(key, word, form->front().value);
    for (const std::string& variable : records.variables()) {
      if (std::find(variables.begin(), variables.end(), variable) != variables.end()) {
        bad(value.at,
            fmt::format("the variable `{}` of {} is taken by another key; rename one of them", variable, records.shown()));
      }
      variables.push_back(variable);
    }
    made.count = records.variables().size();
  } else {
    if (std::find(variables.begin(), variables.end(), key) != variables.end()) {
      bad(value.at, fmt::format("the variable `{}` is taken by another key; rename one of them", key));
    }
    made.values = ValueList::parse(key, value);
    variables.push_back(key);
  }
  keys_.push_back(std::move(made));
  learn_size();
}

void Axis::learn_size() {
  // All are known, or the run will tell.
  const Key& first = keys_.front();
  for (const Key& key : keys_) {
    if (!key.size()) {
      size_.reset();
      return;
    }
    if (*key.size() != *first.size()) {
      bad(key.at, fmt::format("the keys of `zip` go in step, but {} and {}; give them lists of one length", first.length(),
                              key.length()));
    }
  }
  size_ = first.size();
}

bool Axis::select(std::uint64_t i, std::span<Value> values) {
  std::size_t ended = 0;
  for (Key& key : keys_) {
    if (const auto* list = std::get_if<ValueList>(&key.values)) {
      if (i < list->size()) {
        list->at(i, values[key.first]);
      } else {
        ++ended;
      }
      continue;
    }
    Records& records = std::get<Records>(key.values);
    if (!records.select(i)) {
      ++ended;
      continue;
    }
    std::copy(records.values().begin(), records.values().end(), values.begin() + static_cast<std::ptrdiff_t>(key.first));
  }
  if (ended == 0) return true;
  if (!size_ && ended == keys_.size()) learn_size();
  if (ended != keys_.size()) {
    const auto over = [&](const Key& key) { return key.size() && i >= *key.size(); };
    const Key& shorter = *std::find_if(keys_.begin(), keys_.end(), over);
    const Key& longer = *std::find_if_not(keys_.begin(), keys_.end(), over);
    bad(longer.at, fmt::format("the keys of `zip` go in step, but {} and {}; give them lists of one length", shorter.length(),
                               longer.length()));
  }
  return false;
}

int Axis::awaited(std::uint64_t i) {
  for (Key& key : keys_) {
    auto* records = std::get_if<Records>(&key.values);
    if (records != nullptr && records->waits(i)) return records->fd();
  }
  return -1;
}

bool Axis::again() const {
  return std::all_of(keys_.begin(), keys_.end(), [](const Key& key) {
    const auto* records = std::get_if<Records>(&key.values);
    return records == nullptr || records->again();
  });
}

bool Axis::reads_files() const {
  return std::any_of(keys_.begin(), keys_.end(), [](const Key& key) { return std::holds_alternative<Records>(key.values); });
}

std::string Axis::place() const {
  std::string places;
  for (const Key& key : keys_) {
    const auto* records = std::get_if<Records>(&key.values);
    if (records != nullptr) places += fmt::format("{}{}:{}", places.empty() ? "" : ", ", records->shown(), records->line());
  }
  return places;
}

std::string Axis::file_of(std::uint64_t line) const {
  for (const Key& key : keys_) {
    const auto* records = std::get_if<Records>(&key.values);
    if (records != nullptr && records->line() == line) return records->shown();
  }
  return {};
}

std::vector<std::uint64_t> Axis::representatives() const {
  std::vector<std::uint64_t> all;
  for (const Key& key : keys_) {
    if (const auto* list = std::get_if<ValueList>(&key.values)) {
      const std::vector<std::uint64_t> some = list->representatives();
      all.insert(all.end(), some.begin(), some.end());
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

bool Axis::has(std::size_t variable) const {
  return variable >= keys_.front().first && variable < keys_.back().first + keys_.back().count;
}

const Axis::Key& Axis::key_of(std::size_t variable) const {
  return *std::find_if(keys_.begin(), keys_.end(), [&](const Key& key) { return variable < key.first + key.count; });
}

bool Axis::distinct(std::size_t variable) const {
  const Key& key = key_of(variable);
  if (const auto* list = std::get_if<ValueList>(&key.values)) return list->distinct();
  return std::get<Records>(key.values).counts(variable - key.first);
}

std::bitset<256> Axis::bytes(std::size_t variable) const {
  const Key& key = key_of(variable);
  if (const auto* list = std::get_if<ValueList>(&key.values)) return list->bytes();
  if (!distinct(variable)) return std::bitset<256>().set();
  std::bitset<256> digits;
  for (char c = '0'; c <= '9'; ++c) digits.set(static_cast<unsigned char>(c));
  return digits;
}

bool Axis::is_value(std::size_t variable) const {
  const Key& key = key_of(variable);
  const auto* records = std::get_if<Records>(&key.values);
  return records == nullptr || !records->counts(variable - key.first);
}

bool Axis::names_files(std::size_t variable) const {
  const auto* list = std::get_if<ValueList>(&key_of(variable).values);
  return list != nullptr && list->files();
}

Position Axis::position(std::size_t variable) const { return key_of(variable).at; }

}  // namespace runner::config
