#include "report/store/longest_first.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include "report/store/content_key.hpp"

namespace runner::report {

namespace {

// Up to so many jobs are looked through where a number is not the number that it was.
constexpr std::uint64_t kMostSearched = 100'000;

struct Known {
  std::uint64_t job = 0;
  ContentKey key;
  std::int64_t wall = 0;
  [[nodiscard]] int bucket() const {
    return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(wall / kWorthIt.count())));
  }
};

bool longer(const Known& a, const Known& b) { return std::tuple(-a.bucket(), a.job) < std::tuple(-b.bucket(), b.job); }

// The longest that are worth it, the longest of them first. `differ`: others took less than half of that.
Result<std::vector<Known>> longest(Database& store, std::int64_t run, bool& differ) {
  Result<Statement> rows = store.prepare(
      fmt::format("SELECT job,content,wall_ns FROM jobs WHERE run={} AND job>=0 AND attempts>0 AND status<>'cancelled'", run));
  if (!rows) return tl::unexpected(rows.error());
  std::vector<Known> known;
  int least = INT32_MAX;
  for (;;) {
    const Result<bool> row = rows->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    Known one{static_cast<std::uint64_t>(rows->number(0)), {}, rows->number(2)};
    least = std::min(least, one.bucket());
    if (one.bucket() == 0) continue;
    const std::string_view key = rows->text(1);
    if (key.size() == sizeof one.key) std::memcpy(&one.key, key.data(), sizeof one.key);
    known.push_back(one);
    if (known.size() < 2 * kMostFirst) continue;
    std::nth_element(known.begin(), known.begin() + kMostFirst, known.end(), longer);
    known.resize(kMostFirst);
  }
  std::sort(known.begin(), known.end(), longer);
  if (known.size() > kMostFirst) known.resize(kMostFirst);
  differ = !known.empty() && known.front().bucket() > least;
  return known;
}

class Matcher {
 public:
  explicit Matcher(const Batch& batch) : batch_(batch) {}

  Result<std::vector<JobId>> match(const std::vector<Known>& known) {
    std::vector<JobId> first;
    for (const Known& one : known) {
      if (one.job >= *batch_.size) return search(known);
      if (const Result<void> filled = batch_.jobs->at(JobId{one.job}, job_); !filled) return tl::unexpected(filled.error());
      if (key() != one.key) return search(known);
      first.push_back(job_.id);
    }
    return first;
  }

 private:
  ContentKey key() {
    content_of(job_, content_);
    return content_key(std::as_bytes(std::span(content_)));
  }

  // The batch has changed: each job is looked for.
  Result<std::vector<JobId>> search(const std::vector<Known>& known) {
    if (*batch_.size > kMostSearched || !batch_.jobs->rewind()) return std::vector<JobId>();
    std::vector<Known> sorted = known;
    const auto by_key = [](const Known& a, const Known& b) { return a.key < b.key; };
    std::sort(sorted.begin(), sorted.end(), by_key);
    std::vector<Known> found;
    for (;;) {
      const Result<bool> more = batch_.jobs->next(job_);
      if (!more) return tl::unexpected(more.error());
      if (!*more) break;
      const auto same = std::lower_bound(sorted.begin(), sorted.end(), Known{0, key(), 0}, by_key);
      if (same == sorted.end() || same->key != key()) continue;
      found.push_back({number(job_.id), same->key, same->wall});
    }
    std::sort(found.begin(), found.end(), longer);
    std::vector<JobId> first;
    for (const Known& one : found) first.push_back(JobId{one.job});
    return first;
  }

  const Batch& batch_;
  JobSpec job_;
  std::string content_;
};

}  // namespace

Result<std::vector<JobId>> longest_first(Database& store, const Batch& batch, std::optional<std::int64_t> resumed) {
  if (!batch.size || !batch.jobs->direct()) return std::vector<JobId>();
  Result<Statement> newest = store.prepare("SELECT max(run) FROM runs WHERE batch=?1 AND (?2 IS NULL OR run<?2)");
  if (!newest) return tl::unexpected(newest.error());
  newest->text(1, batch.name);
  newest->bind(2, resumed);
  if (const Result<bool> row = newest->step(); !row) return tl::unexpected(row.error());
  if (newest->is_null(0)) return std::vector<JobId>();
  bool differ = false;
  const Result<std::vector<Known>> known = longest(store, newest->number(0), differ);
  if (!known) return tl::unexpected(known.error());
  if (!differ) return std::vector<JobId>();
  Result<std::vector<JobId>> first = Matcher(batch).match(*known);
  static_cast<void>(batch.jobs->rewind());
  return first;
}

FirstThese::FirstThese(std::unique_ptr<JobSource> all, std::vector<JobId> first)
    : all_(std::move(all)), first_(std::move(first)) {
  for (const JobId job : first_) among_them_.insert(number(job));
}

Result<bool> FirstThese::next(JobSpec& job) {
  if (given_ < first_.size()) {
    const Result<void> filled = all_->at(first_[given_++], job);
    return filled ? Result<bool>(true) : tl::unexpected(filled.error());
  }
  for (;;) {
    Result<bool> more = all_->next(job);
    if (!more || !*more || !among_them_.contains(number(job.id))) return more;
  }
}

bool FirstThese::rewind() {
  given_ = 0;
  return all_->rewind();
}

}  // namespace runner::report
