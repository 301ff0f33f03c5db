#include "config/exec_batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <runner/ids.hpp>
#include "config/argument_list.hpp"
#include "config/bad_batch.hpp"
#include "config/command_template.hpp"

namespace runner::config {

namespace {

// How many lines of a file are looked at before anything runs, to know how many jobs there are.
constexpr std::uint64_t kCounted = 100'000;

// Places in a file are the batch's; what has none is about the command line.
Error error_of(const BadBatch& bad) {
  if (bad.file.empty()) return {ErrorCode::usage, bad.text};
  return {ErrorCode::bad_batch, bad.message({})};
}

// The product of lists, the last one fastest. Of each but the first the next place is known to be there before anybody asks, so
// that only the first one ever has to be waited for.
class ExecSource final : public JobSource {
 public:
  // `counts`: of the lists, where all of them are known.
  ExecSource(CommandTemplate command, std::vector<LinkedLists> lists, std::vector<std::uint64_t> counts, const ExecSpec& spec)
      : command_(std::move(command)),
        lists_(std::move(lists)),
        counts_(std::move(counts)),
        timeout_(spec.timeout),
        retries_(spec.retries) {
    for (const LinkedLists& list : lists_) values_.resize(values_.size() + list.width());
    direct_ = counts_.size() == lists_.size() &&
              std::all_of(lists_.begin(), lists_.end(), [](const LinkedLists& list) { return list.direct(); });
  }

  Result<bool> next(JobSpec& job) override {
    try {
      if (!begun_) {
        begun_ = true;
        // From the second on each has its first place.
        for (std::size_t i = 1; i < lists_.size(); ++i) over_ = over_ || !lists_[i].next(values_of(i));
      }
      if (over_ || (first_moves_ && !lists_[0].next(values_of(0)))) return false;
      fill(job, id_++, values_);
      first_moves_ = advance_others();
      return true;
    } catch (const BadBatch& bad) {
      return tl::unexpected(error_of(bad));
    }
  }

  bool rewind() override {
    if (!lists_[0].again()) return false;
    for (LinkedLists& list : lists_) list.rewind();
    begun_ = over_ = false;
    first_moves_ = true;
    id_ = 0;
    return true;
  }

  bool direct() const override { return direct_; }

  Result<void> at(JobId id, JobSpec& job) override {
    if (!direct_) return JobSource::at(id, job);
    std::uint64_t rest = number(id);
    std::vector<std::string> values(values_.size());
    std::span<std::string> left(values);
    for (std::size_t i = lists_.size(); i-- > 0; rest /= counts_[i]) {
      lists_[i].at(rest % counts_[i], left.last(lists_[i].width()));
      left = left.first(left.size() - lists_[i].width());
    }
    fill(job, number(id), values);
    return {};
  }

  int awaited() override { return !over_ && first_moves_ ? lists_[0].awaited() : -1; }

 private:
  [[nodiscard]] std::span<std::string> values_of(std::size_t list) {
    std::size_t first = 0;
    for (std::size_t i = 0; i < list; ++i) first += lists_[i].width();
    return std::span(values_).subspan(first, lists_[list].width());
  }
  // True: all of them are at their beginning again.
  bool advance_others() {
    for (std::size_t i = lists_.size(); i-- > 1;) {
      if (lists_[i].next(values_of(i))) return false;
      lists_[i].rewind();
      static_cast<void>(lists_[i].next(values_of(i)));  // it is not empty, or there would be no job
    }
    return true;
  }
  void fill(JobSpec& job, std::uint64_t id, std::span<const std::string> values) const {
    job.id = JobId{id};
    job.name.clear();
    fmt::format_to(std::back_inserter(job.name), "{}-{}", command_.program(), id + 1);
    job.timeout = timeout_;
    job.retries = retries_;
    job.allow_failure = false;
    job.repeatable = true;
    if (!std::holds_alternative<CommandWork>(job.work)) job.work = CommandWork{};
    command_.render(values, id + 1, std::get<CommandWork>(job.work).argv);
  }

  CommandTemplate command_;
  std::vector<LinkedLists> lists_;
  std::vector<std::uint64_t> counts_;  // of the lists
  bool direct_ = false;
  Duration timeout_;
  std::uint32_t retries_;
  std::vector<std::string> values_;  // of the current job, of all lists
  bool begun_ = false, over_ = false, first_moves_ = true;
  std::uint64_t id_ = 0;
};

CheckedBatch build(const ExecSpec& spec) {
  std::vector<Input> inputs = spec.inputs;
  if (inputs.empty()) inputs.push_back({.is_file = true, .in_step = false, .values = {"-"}});
  CommandTemplate command = CommandTemplate::parse(spec.command, inputs.size(), spec.exact);

  std::vector<LinkedLists> lists;
  bool standard_input = false;
  for (Input& input : inputs) {
    if (input.is_file && input.values.front() == "-" && std::exchange(standard_input, true)) {
      bad({}, "standard input is named twice; it can be read only once");
    }
    ArgumentList list =
        input.is_file
            ? ArgumentList(RecordReader(input.values.front(), spec.null ? RecordEnd::nul : RecordEnd::newline, {}), spec.null)
            : ArgumentList(std::move(input.values));
    if (spec.skip_blank) list.skip_blank();
    const bool in_step = !lists.empty() && (spec.link || input.in_step);
    if (!in_step) lists.emplace_back();
    if (spec.link) lists.back().wrap();
    if (lists.size() > 1 && !list.again()) {
      bad({}, fmt::format("{} can be read only once, and every input after the first is gone through again for each of its "
                          "arguments; name it first, or "
                          "write it into a file",
                          list.shown()));
    }
    lists.back().add(std::move(list));
  }

  CheckedBatch checked;
  checked.entries = 1;
  checked.batch.name = "exec";
  checked.batch.size = 1;
  std::vector<std::uint64_t> counts;
  for (LinkedLists& list : lists) {
    const std::optional<std::uint64_t> count = list.count(kCounted);
    if (count) counts.push_back(*count);
    std::uint64_t product = 0;
    if (checked.batch.size && count && (__builtin_mul_overflow(*checked.batch.size, *count, &product) || product > kMostJobs)) {
      bad({}, fmt::format("these inputs make more than {} jobs", kMostJobs));
    }
    checked.batch.size = checked.batch.size && count ? std::optional(product) : std::nullopt;
  }
  checked.batch.jobs = std::make_unique<ExecSource>(std::move(command), std::move(lists), std::move(counts), spec);
  return checked;
}

}  // namespace

Result<CheckedBatch> exec_batch(const ExecSpec& spec) {
  try {
    return build(spec);
  } catch (const BadBatch& bad) {
    return tl::unexpected(error_of(bad));
  }
}

}  // namespace runner::config
