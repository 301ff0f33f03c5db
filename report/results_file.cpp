#include "report/results_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>
#include <variant>

#include <runner/utf8.hpp>
#include "ipc/os.hpp"
#include "report/json_text.hpp"
#include "report/verdict.hpp"

namespace runner::report {

// One captured stream: its text or bytes, and the file that has all of it.
struct ResultsFile::Stream {
  std::string_view shown;
  bool text = true;
  std::string file;
};

struct ResultsFile::Row {
  const master::JobRecord& record;
  std::string_view signal;
  std::optional<std::string_view> result;
  std::optional<Stream> out, err;
  std::string_view error;
};

namespace {

constexpr std::string_view kHeader =
    "job,kind,status,attempts,worker,seconds,cpu_seconds,exit_code,signal,result,"
    "stdout,stdout_base64,stdout_file,stderr,stderr_base64,stderr_file,error,"
    "peak_memory,worker_peak_memory,core,left_behind,stderr_tail\r\n";

// The tail of a long output may begin inside of a character.
std::string_view from_whole_character(std::string_view tail) {
  for (int i = 0; i < 3 && !tail.empty() && (static_cast<unsigned char>(tail[0]) & 0xC0U) == 0x80U; ++i) tail.remove_prefix(1);
  return tail;
}

// Jobs are named after files, and those may be called anything.
std::string as_text(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    text += length == 0 ? std::string_view("\xEF\xBF\xBD") : bytes.substr(0, length);
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return text;
}

// Those of a job that failed, for whoever wants to see why without the whole of a long output.
std::optional<std::string> stderr_tail(const master::JobRecord& record) {
  if (succeeded(record.outcome) || record.outcome.err.bytes == 0) return std::nullopt;
  return as_text(last_lines(record.outcome.err, kEvidenceLines));
}

// A command's own, or that of the worker that a typed job shared with those before it.
std::string_view peak_key(const JobSpec& job) {
  return std::holds_alternative<CommandWork>(job.work) ? "peak_memory" : "worker_peak_memory";
}

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

// RFC 4180, 2.5-2.7. Most fields are a few letters, and pass at the first look.
void append_csv_text(std::string& out, std::string_view text) {
  const auto special = [](char c) { return c == ',' || c == '"' || c == '\r' || c == '\n'; };
  const auto letter = [&](char c) { return static_cast<unsigned char>(c) < 0x80 && !special(c); };
  if (std::all_of(text.begin(), text.end(), letter)) {
    out += text;
    return;
  }
  if (!is_utf8(text)) return append_csv_text(out, as_text(text));
  if (std::none_of(text.begin(), text.end(), special)) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
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
  file_.buffer() += kHeader;
  return file_.end_record();
}

Result<void> ResultsFile::ended(const master::JobRecord& record) {
  const Outcome& outcome = record.outcome;
  Row row{record, {}, {}, {}, {}, {}};
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
  format_ == Format::csv ? append_csv(file_.buffer(), row) : append_json(file_.buffer(), row);
  const Result<void> written = file_.end_record();
  return written ? kept : written;
}

ResultsFile::Stream ResultsFile::stream(const master::JobRecord& record, const Captured& captured, std::string_view name,
                                        Result<void>& kept) {
  Stream stream{captured.text, true, {}};
  if (captured.spill) {
    stream.shown = from_whole_character(captured.text);
    Result<std::string> file = keep(record, captured, name);
    if (file) {
      stream.file = std::move(*file);
    } else {
      kept = tl::unexpected(file.error());  // the record is written all the same, with the tail
    }
  }
  stream.text = is_utf8(stream.shown) && (format_ != Format::csv || stream.shown.find('\0') == std::string_view::npos);
  if (!stream.text) stream.shown = captured.text;
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

void ResultsFile::append_json(std::string& out, const Row& row) {
  const master::JobRecord& record = row.record;
  const auto stream = [&out](std::string_view name, const Stream& shown) {
    out.append(",\"").append(name).append(shown.text ? "\":" : "_base64\":");
    if (shown.text) {
      append_json_string(out, shown.shown);
    } else {
      out += '"';
      append_base64(out, shown.shown);
      out += '"';
    }
    if (shown.file.empty()) return;
    out.append(",\"").append(name).append("_file\":");
    append_json_string(out, shown.file);
  };
  out += "{\"job\":";
  append_json_string(out, record.job.name);
  out += ",\"kind\":";
  append_json_string(out, kind_of(record.job));
  out.append(",\"status\":\"").append(status_word(record.outcome.ending)).append("\",\"attempts\":");
  append_number(out, number(record.attempts));
  if (record.worker) {
    out += ",\"worker\":";
    append_number(out, number(*record.worker));
    out += ",\"seconds\":";
    append_seconds(out, record.outcome.wall);
    out += ",\"cpu_seconds\":";
    append_seconds(out, record.outcome.cpu);
  }
  if (record.outcome.exit_code) {
    out += ",\"exit_code\":";
    out += std::to_string(*record.outcome.exit_code);
  }
  if (!row.signal.empty()) out.append(",\"signal\":\"").append(row.signal) += '"';
  if (record.outcome.quarantined) out += ",\"quarantined\":true";
  if (row.result) out.append(",\"result\":").append(*row.result);
  if (row.out) stream("stdout", *row.out);
  if (row.err) stream("stderr", *row.err);
  if (!row.error.empty()) {
    out += ",\"error\":";
    append_json_string(out, row.error);
  }
  append_evidence(out, record);
  out += "}\n";
}

void ResultsFile::append_evidence(std::string& out, const master::JobRecord& record) {
  const Outcome& outcome = record.outcome;
  if (outcome.peak_memory) {
    out.append(",\"").append(peak_key(record.job)).append("\":");
    append_number(out, outcome.peak_memory->count);
  }
  if (!outcome.core.empty()) {
    out += ",\"core\":";
    append_json_string(out, as_text(outcome.core));
  }
  if (!outcome.left_behind.empty()) {
    out += ",\"left_behind\":";
    char before = '[';
    for (const std::string& name : outcome.left_behind) {
      out += std::exchange(before, ',');
      append_json_string(out, as_text(name));
    }
    out += ']';
  }
  if (const std::optional<std::string> tail = stderr_tail(record)) {
    out += ",\"stderr_tail\":";
    append_json_string(out, *tail);
  }
}

void ResultsFile::append_csv(std::string& out, const Row& row) {
  const master::JobRecord& record = row.record;
  const auto stream = [&out](const std::optional<Stream>& shown) {
    if (!shown) {
      out += ",,,";
      return;
    }
    if (shown->text) append_csv_text(out, shown->shown);
    out += ',';
    if (!shown->text) append_base64(out, shown->shown);
    out += ',';
    append_csv_text(out, shown->file);
    out += ',';
  };
  append_csv_text(out, record.job.name);
  out += ',';
  append_csv_text(out, kind_of(record.job));
  out.append(",").append(status_word(record.outcome.ending)) += ',';
  append_number(out, number(record.attempts));
  out += ',';
  if (record.worker) append_number(out, number(*record.worker));
  out += ',';
  if (record.worker) append_seconds(out, record.outcome.wall);
  out += ',';
  if (record.worker) append_seconds(out, record.outcome.cpu);
  out += ',';
  if (record.outcome.exit_code) out += std::to_string(*record.outcome.exit_code);
  out.append(",").append(row.signal) += ',';
  if (row.result) append_csv_text(out, *row.result);
  out += ',';
  stream(row.out);
  stream(row.err);
  append_csv_text(out, row.error);
  out += ',';
  const Outcome& outcome = record.outcome;
  const bool command = std::holds_alternative<CommandWork>(record.job.work);
  if (outcome.peak_memory && command) append_number(out, outcome.peak_memory->count);
  out += ',';
  if (outcome.peak_memory && !command) append_number(out, outcome.peak_memory->count);
  out += ',';
  append_csv_text(out, outcome.core);
  out += ',';
  append_csv_text(out, joined(outcome.left_behind));
  out += ',';
  std::string tail = stderr_tail(record).value_or("");
  std::replace(tail.begin(), tail.end(), '\0', ' ');
  append_csv_text(out, tail);
  out += "\r\n";
}

}  // namespace runner::report
