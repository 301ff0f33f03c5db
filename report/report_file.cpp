#include "report/report_file.hpp"

#include <fmt/format.h>

#include <utility>

#include "report/costs_json.hpp"
#include "report/page.hpp"

namespace runner::report {

namespace {

using Json = nlohmann::ordered_json;

double in_seconds(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

// A page must stay small whatever jobs are called and say.
constexpr std::size_t kLongestName = 200, kLongestTail = 2'000;

std::string beginning(std::string_view text, std::size_t most) {
  return text.size() <= most ? std::string(text) : std::string(text.substr(0, most)) + "…";
}
std::string ending(std::string_view text, std::size_t most) {
  return text.size() <= most ? std::string(text) : "…" + std::string(text.substr(text.size() - most));
}

}  // namespace

Result<std::unique_ptr<ReportFile>> ReportFile::open(const std::string& path, Summary summary) {
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::unique_ptr<ReportFile>(new ReportFile(std::move(*file), std::move(summary)));
}

Result<void> ReportFile::started(const master::RunInfo& info) {
  batch_ = info.batch;
  began_ = info.started;
  return {};
}

void ReportFile::note(const JobSpec& job, const Outcome& outcome, std::optional<WorkerId> worker,
                      const master::AttemptCosts& costs) {
  if (!worker || !costs.measured || seen_++ % one_in_ != 0) return;
  if (attempts_.size() == kMostAttempts) {
    // Every second one goes, so that those which stay are one in twice as many, still evenly.
    for (std::size_t i = 0; 2 * i < attempts_.size(); ++i) attempts_[i] = std::move(attempts_[2 * i]);
    attempts_.resize((attempts_.size() + 1) / 2);
    one_in_ *= 2;
    if ((seen_ - 1) % one_in_ != 0) return;
  }
  attempts_.push_back({number(*worker), costs.seen + costs.spans[master::Span::deserialize], costs.spans[master::Span::execute],
                       status_word(outcome.ending), beginning(job.name, kLongestName)});
}

Result<void> ReportFile::ended(const master::JobRecord& record) {
  note(record.job, record.outcome, record.worker, record.costs);
  if (succeeded(record.outcome) || ++failed_ > kMostFailures) return {};
  failures_.push_back({{"job", beginning(record.job.name, kLongestName)},
                       {"status", status_word(record.outcome.ending)},
                       {"error", beginning(describe(record.outcome), kLongestTail)},
                       {"attempts", number(record.attempts)},
                       {"worker", record.worker ? Json(number(*record.worker)) : Json(nullptr)},
                       {"seconds", in_seconds(record.outcome.wall)},
                       {"stderr_tail", ending(last_lines(record.outcome.err, kEvidenceLines), kLongestTail)},
                       {"replay", replay_ && number(record.attempts) != 0 ? replay_(record.job.name) : std::string()}});
  return {};
}

Result<void> ReportFile::retried(const master::RetryRecord& record) {
  note(record.job, record.outcome, record.worker, record.costs);
  return {};
}

Json ReportFile::document(const master::RunTotals& totals) const {
  Json document{{"title", fmt::format("{}: a run of runner", batch_)}, {"summary", summary_(totals)}};
  Json attempts = Json::array();
  for (const Attempt& one : attempts_) {
    // The workers' start lies before the run's own beginning.
    attempts.push_back(
        {one.worker, in_seconds(one.entered - began_ + totals.costs.start), in_seconds(one.took), one.status, one.job});
  }
  document["run"] = {{"costs", Json::parse(costs_document(batch_, totals))},
                     {"timeline", {{"one_in", one_in_}, {"attempts", std::move(attempts)}}},
                     {"failures", failures_},
                     {"failures_total", failed_}};
  add_origin(document);
  return document;
}

Result<void> ReportFile::finished(const master::RunTotals& totals) {
  if (Result<void> emptied = file_.empty(); !emptied) return emptied;
  file_.buffer() += page(document(totals));
  const Result<void> ended = file_.end_record();
  return ended ? file_.flush() : ended;
}

}  // namespace runner::report
