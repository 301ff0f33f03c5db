#include "cli/parse/grammar.hpp"

#include <charconv>
#include <memory>
#include <tuple>

#include "master/usable_cpus.hpp"

namespace runner::cli {

namespace {

class Formatter : public CLI::Formatter {
 public:
  explicit Formatter(std::string usage) : usage_(std::move(usage)) { column_width(32); }
  std::string make_usage(const CLI::App*, std::string) const override { return usage_; }
  std::string make_option_opts(const CLI::Option* option) const override {
    // Only what a person types; not the names of C++ types.
    return option->get_option_text().empty() ? std::string() : " " + option->get_option_text();
  }

 private:
  std::string usage_;
};

Result<std::pair<master::Bind, master::Processors>> read_bind(const std::string& text) {
  using master::Bind;
  for (const auto& [word, bind] :
       {std::pair{"core", Bind::core}, {"l3", Bind::l3}, {"numa", Bind::numa}, {"none", Bind::none}}) {
    if (text == word) return std::pair{bind, master::Processors{}};
  }
  Result<master::Processors> list = master::parse_processors(text);
  if (!list) return tl::unexpected(list.error());
  const master::Processors allowed = master::allowed_processors();
  for (const int processor : *list) {
    if (std::find(allowed.begin(), allowed.end(), processor) != allowed.end()) continue;
    return fail(ErrorCode::usage,
                fmt::format("this process may not use processor {}; it may use {}", processor, master::text_of(allowed)));
  }
  return std::pair{Bind::list, std::move(*list)};
}

}  // namespace

void shape(CLI::App& app, const std::string& usage) {
  app.formatter(std::make_shared<Formatter>(usage));
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_help_flag("-h,--help", "Print this page");
  app.allow_extras();
}

std::string check_procs(const std::string& text) {
  std::uint32_t procs = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), procs);
  if (error == std::errc() && end == text.data() + text.size() && procs >= 1 && procs <= kMostProcs) return {};
  return fmt::format(
      "`{}` must be a whole number from 1 to {}, as many as one master has places for; this machine has {} usable CPUs", text,
      kMostProcs, master::usable_cpus().count);
}

CLI::Option* add_bind(CLI::App& app, master::Bind& bind, master::Processors& processors) {
  const auto take = [&](const std::string& text) { std::tie(bind, processors) = read_bind(text).value(); };
  const auto check = [](const std::string& text) {
    const auto read = read_bind(text);
    return read ? std::string() : read.error().text;
  };
  return app
      .add_option_function<std::string>(
          "--bind", take,
          "Where each process runs: on a core of its own\nwhen there are enough (default), on those of an\n"
          "L3 cache or a NUMA node, on processors 0,2,4-7,\nor anywhere")
      ->option_text("core|l3|numa|none|LIST")
      ->check(CLI::Validator(check, ""));
}

void add_plugins(CLI::App& app, std::vector<std::string>& plugins) {
  app.add_option("--plugin", plugins, "Load further kinds; may be repeated")
      ->option_text("SO")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

Result<std::optional<ShowText>> parse_all(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return ShowText{app.help()};
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::usage, error.what());
  }
  return std::nullopt;
}

tl::unexpected<Error> no_such_option(const CLI::App& app, const std::string& given) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string word = given.substr(0, given.find('='));
  const std::string_view near = near_miss(word, known);
  return fail(ErrorCode::usage,
              fmt::format("there is no option `{}`{}", word, near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
}

Result<std::optional<ShowText>> parse(CLI::App& app, std::vector<std::string> arguments) {
  if (Result<std::optional<ShowText>> parsed = parse_all(app, std::move(arguments)); !parsed || *parsed) return parsed;
  // `--` is among them; what stands behind it is no option, whatever it looks like.
  std::vector<std::string> extra = app.remaining();
  const bool only_words = !extra.empty() && extra.front() == "--";
  if (only_words) extra.erase(extra.begin());
  if (extra.empty()) return std::nullopt;
  if (only_words || !extra.front().starts_with('-'))
    return fail(ErrorCode::usage, fmt::format("`{}` is one argument too many", extra.front()));
  return no_such_option(app, extra.front());
}

tl::unexpected<Error> no_file(std::string_view command, std::string_view or_else) {
  return fail(ErrorCode::usage, fmt::format("which batch file? Give one, as in `runner {}jobs.yaml`{}", command, or_else));
}

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(',', begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

}  // namespace runner::cli
