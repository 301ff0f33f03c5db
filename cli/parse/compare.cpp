#include <runner/units.hpp>
#include "cli/parse/grammar.hpp"
#include "cli/parse/parsers.hpp"

namespace runner::cli {

namespace {

const std::vector<CompareOptions::Model>& comparable_models() {
  static const std::vector<CompareOptions::Model> all{{"serial", Mode::serial, {}},
                                                      {"threads", Mode::threads, {}},
                                                      {"async", Mode::async, {}},
                                                      {"processes/shm", Mode::processes, master::Transport::shm},
                                                      {"processes/pipe", Mode::processes, master::Transport::pipe}};
  return all;
}

const CompareOptions::Model* model_called(const std::string& name) {
  const auto& all = comparable_models();
  const auto found = std::find_if(all.begin(), all.end(), [&](const CompareOptions::Model& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string twice(const std::string& part) { return fmt::format("`{}` stands there more than once; once is enough", part); }

std::string check_models(const std::string& text) {
  std::vector<std::string_view> known;
  for (const CompareOptions::Model& model : comparable_models()) known.push_back(model.name);
  const std::vector<std::string> parts = parts_of(text);
  for (const std::string& part : parts) {
    if (model_called(part) != nullptr) {
      if (std::count(parts.begin(), parts.end(), part) == 1) continue;
      return twice(part);
    }
    const std::string_view near = near_miss(part, known);
    return fmt::format("`{}` is none of {}{}", part, fmt::join(known, ", "),
                       near.empty() ? "" : fmt::format("; did you mean `{}`?", near));
  }
  return {};
}

std::string check_proc_list(const std::string& text) {
  const std::vector<std::string> parts = parts_of(text);
  for (const std::string& part : parts) {
    if (std::string wrong = check_procs(part); !wrong.empty()) return wrong;
    if (std::count(parts.begin(), parts.end(), part) != 1) return twice(part);
  }
  return {};
}

std::string check_sweep(const std::string& text) {
  const Result<Duration> length = parse_duration(text);
  return length ? std::string() : length.error().text;
}

}  // namespace

Result<Command> parse_compare(const std::vector<std::string>& arguments) {
  CompareOptions options;
  options.models = comparable_models();
  CLI::App app(
      "Runs one batch under several models, again and again and in turn, and says which\n"
      "is faster, by how much, and why. Results of all models must be the same.");
  shape(app, "\nUSAGE\n  runner compare [OPTIONS] jobs.yaml\n");
  app.add_option("FILE", options.file, "The batch file")->option_text(" ");
  const auto take_models = [&](const std::string& text) {
    options.models.clear();
    for (const std::string& part : parts_of(text)) options.models.push_back(*model_called(part));
  };
  app.add_option_function<std::string>("-m,--modes", take_models,
                                       "Default: serial,threads,async,processes/shm,\nprocesses/pipe")
      ->option_text("LIST")
      ->check(CLI::Validator(check_models, ""));
  const auto take_procs = [&](const std::string& text) {
    options.procs.clear();
    for (const std::string& part : parts_of(text)) options.procs.push_back(static_cast<std::uint32_t>(std::stoul(part)));
  };
  app.add_option_function<std::string>("-p,--procs", take_procs, "Jobs at a time, as in 1,2,4,8\n(default: the usable CPUs)")
      ->option_text("LIST")
      ->check(CLI::Validator(check_proc_list, ""));
  app.add_option("--repeat", options.repeat, "Runs of each that count, after one that does not\n(default: 5)")
      ->option_text("N")
      ->check(CLI::Range(1, 1000));
  const auto take_sweep = [&](const std::string& text) { options.sweep = parse_duration(text).value(); };
  app.add_option_function<std::string>("--sweep", take_sweep,
                                       "How long job lengths are tried out, for\nbreak-even and METG (default: 10s; 0s: not)")
      ->option_text("DURATION")
      ->check(CLI::Validator(check_sweep, ""));
  const CLI::Option* json =
      app.add_option("--json", options.json, "Write all figures as one JSON document")->option_text("FILE");
  const CLI::Option* report =
      app.add_option("--report", options.report, "Write a page, to be opened in a browser")->option_text("FILE.html");
  add_plugins(app, options.plugins);
  const Result<std::optional<ShowText>> parsed = parse(app, arguments);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  if (options.file.empty()) return no_file("compare ", "");
  if (options.file == "-") {
    return fail(ErrorCode::usage, "compare runs a batch many times, and standard input can be read once; give a file");
  }
  if (json->count() != 0 && options.json.empty()) {
    return fail(ErrorCode::usage, "--json names no file (an empty variable?); give one, or leave it out");
  }
  if (report->count() != 0 && options.report.empty()) {
    return fail(ErrorCode::usage, "--report names no file (an empty variable?); give one, or leave it out");
  }
  return options;
}

}  // namespace runner::cli
