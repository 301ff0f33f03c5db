#include "cli/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <runner/registry.hpp>
#include "cli/command_line.hpp"
#include "cli/complain.hpp"
#include "cli/course.hpp"
#include "cli/print.hpp"
#include "cli/trial.hpp"
#include "config/read_batch.hpp"
#include "master/usable_cpus.hpp"
#include "report/comparison.hpp"
#include "report/output_file.hpp"
#include "report/page.hpp"

namespace runner::cli {

namespace {

// One that is not repeatable cannot be left out where others may need it.
Result<void> can_be_left_out(Batch& batch) {
  if (!batch.plan || !batch.size) return {};
  JobSpec job;
  for (std::uint64_t id = 0; id < *batch.size; ++id) {
    if (const Result<void> filled = batch.jobs->at(JobId{id}, job); !filled) return filled;
    if (!job.repeatable) {
      return fail(
          ErrorCode::usage,
          fmt::format("`{}` is not repeatable, and cannot be left out of a batch with `needs`; compare a batch without it",
                      job.name));
    }
  }
  return {};
}

nlohmann::ordered_json page_of(const report::Comparison& comparison) {
  nlohmann::ordered_json document{{"title", fmt::format("{}: models compared", comparison.batch)},
                                  {"verdict", comparison.verdict()},
                                  {"summary", report::text_of(comparison)},
                                  {"compare", nlohmann::ordered_json::parse(report::json_of(comparison))}};
  report::add_origin(document, command_line());
  return document;
}

int nothing_ran(const Error& error) {
  complain(error);
  return kNothingRan;
}

}  // namespace

int compare(const CompareOptions& options) {
  Registry registry;
  for (const std::string& plugin : options.plugins) {
    if (const Result<std::string> loaded = registry.load_plugin(plugin); !loaded) return nothing_ran(loaded.error());
  }
  Result<config::CheckedBatch> checked = config::read_batch(options.file, registry);
  if (!checked) return nothing_ran(checked.error());
  Batch& batch = checked->batch;
  if (!batch.jobs->rewind()) {
    return nothing_ran(
        {ErrorCode::usage, "compare runs a batch many times, and what this one reads can be read once; put it into a file"});
  }
  if (const Result<void> well = can_be_left_out(batch); !well) return nothing_ran(well.error());
  std::optional<report::OutputFile> json;
  if (!options.json.empty()) {
    Result<report::OutputFile> file = report::OutputFile::create(options.json);
    if (!file) return nothing_ran(file.error());
    json.emplace(std::move(*file));
  }
  std::optional<report::OutputFile> page;
  if (!options.report.empty()) {
    Result<report::OutputFile> file = report::OutputFile::create(options.report);
    if (!file) return nothing_ran(file.error());
    page.emplace(std::move(*file));
  }
  Result<ResultHashes> hashes = ResultHashes::make(batch.size.value_or(0));
  if (!hashes) return nothing_ran(hashes.error());
  Course course(options, batch, registry, std::move(*hashes), master::usable_cpus().count);
  const Result<bool> done = course.run();
  if (!done) {
    complain(done.error());
    return done.error().code == ErrorCode::usage ? kNothingRan : kNotAllWell;
  }
  if (!course.compared()) {
    std::fputs("interrupted: nothing is compared\n", stderr);
    return kInterrupted;
  }
  int status = print(report::text_of(course.comparison()));
  const auto write = [&](std::optional<report::OutputFile>& file, const std::string& text) {
    if (!file) return;
    Result<void> written = file->empty();
    file->buffer() += text;
    if (written) written = file->end_record();
    if (written) written = file->flush();
    if (!written) {
      complain(written.error());
      status = kNotAllWell;
    }
  };
  write(json, report::json_of(course.comparison()));
  if (page) write(page, report::page(page_of(course.comparison())));
  if (!*done) return kInterrupted;
  return course.all_equal() && course.any() ? status : kNotAllWell;
}

}  // namespace runner::cli
