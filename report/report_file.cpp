#include "report/report_file.hpp"

#include <fmt/format.h>

#include <utility>

#include "report/costs_json.hpp"
#include "report/distribution.hpp"
#include "report/page.hpp"

namespace runner::report {

namespace {

using Json = nlohmann::ordered_json;

// A page must stay small whatever jobs are called and say.
constexpr std::size_t kLongestName = 200, kLongestTail = 2'000;

constexpr std::string_view kCutShort =
    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
    "<meta name=\"color-scheme\" content=\"light dark\"><title>A run that was cut short</title>\n"
    "<h1>This run was cut short</h1>\n<p>A job ended the program that it ran in, or did not return, so there are no figures of "
    "the whole. "
    "What ended before is in the run store (<code>runner show</code>), and in what --results and --trace wrote. "
    "With --mode processes only the job would have ended.</p></html>\n";

std::string beginning(std::string_view text, std::size_t most) {
  return text.size() <= most ? std::string(text) : std::string(text.substr(0, most)) + "…";
}
std::string ending(std::string_view text, std::size_t most) {
  return text.size() <= most ? std::string(text) : "…" + std::string(text.substr(text.size() - most));
}

}  // namespace

Result<std::unique_ptr<ReportFile>> ReportFile::open(const std::string& path, Summary summary, std::string command_line) {
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::unique_ptr<ReportFile>(new ReportFile(std::move(*file), std::move(summary), std::move(command_line)));
}

Result<void> ReportFile::started(const master::RunInfo& info) {
  batch_ = info.batch;
  began_ = info.started;
  file_.buffer().reserve(kCutShort.size());
  over_ = false;
  return file_.empty();
}

void ReportFile::note(const JobSpec& job, const Outcome& outcome, std::optional<WorkerId> worker,
                      const master::AttemptCosts& costs) {
  if (!worker || !costs.measured) return;
  took_.add(costs.spans[master::Span::execute]);
  if (!attempts_.next()) return;
  attempts_.keep({number(*worker), costs.seen + costs.spans[master::Span::deserialize], costs.spans[master::Span::execute],
                  status_word(outcome.ending), beginning(job.name, kLongestName)});
}

Result<void> ReportFile::ended(const master::JobRecord& record) {
  note(record.job, record.outcome, record.worker, record.costs);
  if (succeeded(record.outcome)) return {};
  ++failed_;
  std::vector<Json>& list = record.job.allow_failure ? allowed_ : failures_;
  if (list.size() == kMostFailures) return {};
  list.push_back({{"job", beginning(record.job.name, kLongestName)},
                  {"status", status_word(record.outcome.ending)},
                  {"allowed", record.job.allow_failure},
                  {"error", beginning(describe(record.outcome), kLongestTail)},
                  {"attempts", number(record.attempts)},
                  {"worker", record.worker ? Json(number(*record.worker)) : Json(nullptr)},
                  {"seconds", seconds(record.outcome.wall)},
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
  for (const Attempt& one : attempts_.kept()) {
    // The workers' start lies before the run's own beginning.
    attempts.push_back(
        {one.worker, seconds(one.entered - began_ + totals.costs.start), seconds(one.took), one.status, one.job});
  }
  Json distributions{{"job", distribution(took_)}};
  for (std::size_t i = 0; i < master::kSpans; ++i) {
    distributions[std::string(name_of(static_cast<master::Span>(i)))] = distribution(totals.costs.distribution[i]);
  }
  Json failures(failures_);
  for (const Json& one : allowed_) {
    if (failures.size() < kMostFailures) failures.push_back(one);
  }
  document["run"] = {{"costs", Json::parse(costs_document(batch_, totals))},
                     {"distributions", std::move(distributions)},
                     {"timeline", {{"one_in", attempts_.stride()}, {"attempts", std::move(attempts)}}},
                     {"failures", std::move(failures)},
                     {"failures_total", failed_}};
  add_origin(document, command_line_);
  return document;
}

Result<void> ReportFile::finished(const master::RunTotals& totals) {
  over_ = true;
  file_.buffer() += page(document(totals));
  const Result<void> ended = file_.end_record();
  return ended ? file_.flush() : ended;
}

// No allocation: its room was asked for when the run began.
void ReportFile::salvage() noexcept {
  if (std::exchange(over_, true)) return;
  file_.buffer() += kCutShort;
  file_.salvage();
}

}  // namespace runner::report
