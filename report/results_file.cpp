#include "report/results_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <utility>
#include <variant>

#include "ipc/os.hpp"
#include "report/costs_json.hpp"

namespace runner::report {

namespace {

// What a file name may hold everywhere, and not so long that it cannot be one.
std::string file_name(const JobSpec& job, std::string_view stream) {
  std::string name = job.name.substr(0, 100);
  for (char& c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!plain) c = '_';
  }
  return fmt::format("{}-{}.{}", number(job.id), name, stream);
}

}  // namespace

Result<std::unique_ptr<ResultsFile>> ResultsFile::open(const std::string& path, ResultText& results) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension != ".jsonl" && extension != ".csv") {
    return fail(ErrorCode::usage, fmt::format("--results `{}` has {}; name it .jsonl for JSON lines or .csv for CSV", path,
                                              extension.empty() ? "no extension" : "the extension `" + extension + "`"));
  }
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  const Format format = extension == ".csv" ? Format::csv : Format::json_lines;
  return std::unique_ptr<ResultsFile>(new ResultsFile(std::move(*file), path, format, results));
}

Result<void> ResultsFile::started(const master::RunInfo&) {
  if (Result<void> emptied = file_.empty(); !emptied || format_ == Format::json_lines) return emptied;
  file_.buffer() += kCsvHeader;
  return file_.end_record();
}

Result<void> ResultsFile::ended(const master::JobRecord& record) {
  const Outcome& outcome = record.outcome;
  ResultRecord row{record, {}, {}, {}, {}, {}, {}};
  std::string signal, error;
  Result<void> kept;
  if (std::holds_alternative<CommandWork>(record.job.work)) {
    row.out = stream(record, outcome.out, "stdout", kept);
    row.err = stream(record, outcome.err, "stderr", kept);
  } else if (succeeded(outcome)) {
    const Result<std::string_view> result = results_.of(record);
    if (!result) return tl::unexpected(result.error());
    row.result = *result;
  }
  if (!succeeded(outcome)) row.error = error = describe(outcome);
  if (const auto* crashed = std::get_if<Crashed>(&outcome.ending); crashed != nullptr && crashed->signal != 0) {
    row.signal = signal = signal_name(crashed->signal);
  }
  costs_.clear();
  if (record.costs.sampled != 0) append_costs(costs_, record.costs);
  row.costs = costs_;
  format_ == Format::csv ? append_csv(file_.buffer(), row) : append_json(file_.buffer(), row);
  const Result<void> written = file_.end_record();
  return written ? kept : written;
}

ResultRecord::Stream ResultsFile::stream(const master::JobRecord& record, const Captured& captured, std::string_view name,
                                         Result<void>& kept) {
  ResultRecord::Stream stream = shown_stream(captured, format_ == Format::json_lines);
  if (captured.spill) {
    Result<std::string> file = keep(record, captured, name);
    if (file) {
      stream.file = std::move(*file);
    } else {
      kept = tl::unexpected(file.error());  // the record is written all the same, with the tail
    }
  }
  return stream;
}

Result<std::string> ResultsFile::keep(const master::JobRecord& record, const Captured& captured, std::string_view name) {
  const std::string folder = path_ + ".d";
  if (os::call("mkdir", ::mkdir, folder.c_str(), mode_t{0777}) != 0 && errno != EEXIST) {
    return fail(ErrorCode::unwritable, os::describe("make the folder `" + folder + "` for long outputs", "mkdir", errno));
  }
  std::string path = folder + "/" + file_name(record.job, name);
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  if (Result<void> emptied = file->empty(); !emptied) return tl::unexpected(emptied.error());
  if (Result<void> copied = file->copy(captured.spill.get(), 0, captured.bytes); !copied) return tl::unexpected(copied.error());
  return path;
}

}  // namespace runner::report
