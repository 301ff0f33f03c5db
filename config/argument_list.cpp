#include "config/argument_list.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/bad_batch.hpp"

namespace runner::config {

namespace {

bool blank(const std::string& argument) { return argument.find_first_not_of(" \t\r\n") == std::string::npos; }

}  // namespace

bool ArgumentList::read(std::string& argument) {
  if (const auto* words = std::get_if<std::vector<std::string>>(&from_)) {
    if (word_ == words->size()) return false;
    argument = (*words)[word_++];
    return true;
  }
  RecordReader& reader = std::get<RecordReader>(from_);
  std::string_view record;
  if (!reader.next(record)) return false;
  if (!null_ && record.find('\0') != std::string_view::npos) {
    reader.bad_record("a NUL character cannot stand in an argument; with -0 each NUL ends an argument");
  }
  argument = record;
  return true;
}

void ArgumentList::skip_blank() {
  skip_blank_ = true;
  if (auto* words = std::get_if<std::vector<std::string>>(&from_)) std::erase_if(*words, blank);
}

bool ArgumentList::next(std::string& argument) {
  while (read(argument)) {
    if (!skip_blank_ || !blank(argument)) return true;
  }
  return false;
}

int ArgumentList::awaited() {
  auto* reader = std::get_if<RecordReader>(&from_);
  return reader != nullptr && reader->waits() ? reader->fd() : -1;
}

bool ArgumentList::again() const {
  const auto* reader = std::get_if<RecordReader>(&from_);
  return reader == nullptr || reader->again();
}

void ArgumentList::rewind() {
  word_ = 0;
  if (auto* reader = std::get_if<RecordReader>(&from_)) reader->rewind();
}

std::optional<std::uint64_t> ArgumentList::count(std::uint64_t most) {
  if (!again()) return std::nullopt;
  std::string argument;
  std::uint64_t n = 0;
  const bool file = std::holds_alternative<RecordReader>(from_);
  while ((!file || n <= most) && next(argument)) ++n;
  rewind();
  return !file || n <= most ? std::optional(n) : std::nullopt;
}

std::string ArgumentList::shown() const {
  const auto* reader = std::get_if<RecordReader>(&from_);
  return reader != nullptr ? reader->shown() : "a list of words";
}

bool LinkedLists::next(std::span<std::string> values) {
  ended_.resize(lists_.size());
  std::vector<std::size_t> over;
  bool any = false;  // of those that have not ended once
  for (std::size_t i = 0; i < lists_.size(); ++i) {
    if (lists_[i].next(values[i])) {
      any = any || !ended_[i];
    } else {
      if (!wrap_) return false;
      ended_[i] = true;
      over.push_back(i);
    }
  }
  if (!any) return false;
  for (const std::size_t i : over) {
    ArgumentList& list = lists_[i];
    if (!list.again()) {
      bad({}, fmt::format("{} is shorter than another input, and --link begins shorter ones again; but it can be read only "
                          "once: write it into a file, "
                          "or use `:::+`, which stops with the shortest",
                          list.shown()));
    }
    list.rewind();
    if (!list.next(values[i])) return false;
  }
  return true;
}

int LinkedLists::awaited() {
  for (ArgumentList& list : lists_) {
    if (const int fd = list.awaited(); fd >= 0) return fd;
  }
  return -1;
}

bool LinkedLists::again() const {
  return std::all_of(lists_.begin(), lists_.end(), [](const ArgumentList& list) { return list.again(); });
}

void LinkedLists::rewind() {
  for (ArgumentList& list : lists_) list.rewind();
  ended_.assign(lists_.size(), false);
}

bool LinkedLists::direct() const {
  return std::all_of(lists_.begin(), lists_.end(), [](const ArgumentList& list) { return list.words() != nullptr; });
}

void LinkedLists::at(std::uint64_t index, std::span<std::string> values) const {
  for (std::size_t i = 0; i < lists_.size(); ++i) {
    const std::vector<std::string>& words = *lists_[i].words();
    values[i] = words[wrap_ ? index % words.size() : index];
  }
}

std::optional<std::uint64_t> LinkedLists::count(std::uint64_t most) {
  std::optional<std::uint64_t> all;
  for (ArgumentList& list : lists_) {
    const std::optional<std::uint64_t> one = list.count(most);
    if (!one || (wrap_ && *one == 0)) return one;
    all = !all ? *one : wrap_ ? std::max(*all, *one) : std::min(*all, *one);
  }
  return all;
}

}  // namespace runner::config
