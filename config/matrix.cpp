#include "config/matrix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <runner/ids.hpp>

namespace runner::config {

void Matrix::add_axis(const Mapping& keys, std::string_view section) {
  axes_.emplace_back();
  for (const auto& [key, value] : keys) {
    if (key.text.empty() || key.text.find_first_of("{}() \t\n") != std::string::npos) {
      bad(value.at,
          fmt::format("`{}` cannot be a key of `{}`; use a word, so that ${{{{ word }}}} can name it", key.text, section));
    }
    axes_.back().add(key.text, value, keys_);
  }
}

void Matrix::read(const Value* matrix, const Value* zip, StandardInput& input) {
  for (const auto& [section, name] : {std::pair{zip, "zip"}, std::pair{matrix, "matrix"}}) {
    if (section == nullptr) continue;
    if (section->mapping() == nullptr)
      bad(section->at, fmt::format("`{}` must be a mapping of keys to value lists, found {}", name, found(*section)));
    if (section->mapping()->empty())
      bad(section->at, fmt::format("`{}` is empty; give it a key with values, or leave it out", name));
    at_ = section->at;
    // Before any is opened: who reads a name of columns from it takes it from the other.
    for (const Member& key : *section->mapping()) {
      const Mapping* form = key.value.mapping();
      const Scalar* path = form != nullptr && form->size() == 1 && Records::is_form(form->front().key.text)
                               ? form->front().value.scalar()
                               : nullptr;
      if (path == nullptr || path->text != "-") continue;
      if (!input.reader.empty()) {
        bad(key.value.at,
            fmt::format("`{}` reads standard input, and so does {}; it can be read only once", key.key.text, input.reader));
      }
      input.reader = fmt::format("`{}` in line {}", key.key.text, key.value.at.line);
    }
    if (section == zip) {
      add_axis(*zip->mapping(), "zip");
    } else {
      for (const Member& key : *matrix->mapping()) add_axis({key}, "matrix");
    }
  }
  for (std::size_t a = 1; a < axes_.size(); ++a) {
    if (axes_[a].again()) continue;
    bad(axes_[a].position(),
        "standard input or a pipe can be read only once, and the keys after the first are gone through again for each of its "
        "values; put "
        "it first, or write it into a file");
  }
  reads_files_ = std::any_of(axes_.begin(), axes_.end(), [](const Axis& axis) { return axis.reads_files(); });
  values_.resize(keys_.size());
  chosen_.assign(axes_.size(), 0);
  for (std::size_t a = 0; a < axes_.size(); ++a) {
    // A pipe may have nothing in it yet, and await_first() has to wait for its first record anyway.
    if (axes_[a].again() && !axes_[a].select(0, values_)) size_ = 0;
  }
  if (size_ != 0) learn_size();
}

void Matrix::await_first() {
  if (!axes_.empty() && !axes_[0].again() && !axes_[0].select(0, values_)) size_ = 0;
}

void Matrix::learn_size() {
  size_ = 1;
  for (const Axis& axis : axes_) {
    if (axis.size() == 0) {
      size_ = 0;
      return;
    }
  }
  for (const Axis& axis : axes_) {
    if (!axis.size()) {
      size_.reset();
      return;
    }
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(*size_, *axis.size(), &product) || product > kMostJobs) {
      too_many();
    }
    size_ = product;
  }
}

void Matrix::too_many() const { bad(at_, fmt::format("this matrix makes more than {} jobs", kMostJobs)); }

const Axis& Matrix::axis_of(std::size_t variable) const {
  return *std::find_if(axes_.begin(), axes_.end(), [&](const Axis& axis) { return axis.has(variable); });
}

bool Matrix::select(std::size_t axis, std::uint64_t place) {
  if (place == chosen_[axis]) return true;
  if (!axes_[axis].select(place, values_)) return false;
  chosen_[axis] = place;
  return true;
}

bool Matrix::select(std::uint64_t index) {
  for (std::size_t a = axes_.size(); a-- > 1;) {
    const std::uint64_t size = *axes_[a].size();  // check() made sure of it
    if (!select(a, index % size)) return false;
    index /= size;
  }
  return axes_.empty() || select(0, index);
}

int Matrix::awaited(std::uint64_t index) {
  if (axes_.empty()) return -1;
  for (std::size_t a = axes_.size(); a-- > 1;) index /= *axes_[a].size();
  return axes_[0].awaited(index);
}

void Matrix::tell_place(BadBatch& error) const {
  if (!error.file.empty()) return;
  std::string places;
  for (const Axis& axis : axes_) {
    if (!axis.reads_files()) continue;
    if (error.at.line != 0 && error.at.column == 0 && error.file.empty()) error.file = axis.file_of(error.at.line);
    places += (places.empty() ? "" : ", ") + axis.place();
  }
  if (error.file.empty() && !places.empty()) error.text += fmt::format(" (with {})", places);
}

}  // namespace runner::config
