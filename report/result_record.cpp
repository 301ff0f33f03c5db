#include "report/result_record.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include <runner/utf8.hpp>
#include "report/json_text.hpp"
#include "report/verdict.hpp"

namespace runner::report {

const std::string_view kCsvHeader =
    "job,kind,status,attempts,worker,seconds,cpu_seconds,exit_code,signal,result,"
    "stdout,stdout_base64,stdout_file,stderr,stderr_base64,stderr_file,error,"
    "peak_memory,worker_peak_memory,core,left_behind,stderr_tail,costs\r\n";

namespace {

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

void append_evidence(std::string& out, const master::JobRecord& record) {
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

}  // namespace

ResultRecord::Stream shown_stream(const Captured& captured, bool nul_is_text) {
  ResultRecord::Stream stream{captured.text, true, {}};
  if (captured.bytes > captured.text.size()) stream.shown = from_whole_character(captured.text);
  stream.text = is_utf8(stream.shown) && (nul_is_text || stream.shown.find('\0') == std::string_view::npos);
  if (!stream.text) stream.shown = captured.text;
  return stream;
}

void append_json(std::string& out, const ResultRecord& row) {
  const master::JobRecord& record = row.job;
  const auto stream = [&out](std::string_view name, const ResultRecord::Stream& shown) {
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
  if (!row.costs.empty()) out.append(",\"costs\":").append(row.costs);
  out += "}\n";
}

void append_csv(std::string& out, const ResultRecord& row) {
  const master::JobRecord& record = row.job;
  const auto stream = [&out](const std::optional<ResultRecord::Stream>& shown) {
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
  out += ',';
  append_csv_text(out, row.costs);
  out += "\r\n";
}

}  // namespace runner::report
