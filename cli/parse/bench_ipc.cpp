#include <runner/units.hpp>
#include "cli/parse/grammar.hpp"
#include "cli/parse/parsers.hpp"

namespace runner::cli {

namespace {

// "8" is bytes, as the name of the option says; "64KiB" is a size as everywhere else.
Result<std::size_t> payload_size(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  const Result<Bytes> size = parse_size(digits ? text + "B" : text);
  if (!size) return tl::unexpected(size.error());
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  if (size->count < 8 || size->count % 8 != 0 || size->count > most) {
    return fail(ErrorCode::usage, fmt::format("`{}` cannot be measured: a size is a multiple of 8 from 8 to 1GiB", text));
  }
  return static_cast<std::size_t>(size->count);
}

// "8,64KiB", or "8..64MiB": both ends, and what lies between by factors of 8.
Result<std::vector<std::size_t>> payload_sizes(const std::string& text) {
  std::vector<std::size_t> sizes;
  for (const std::string& part : parts_of(text)) {
    const std::size_t dots = part.find("..");
    const Result<std::size_t> first = payload_size(part.substr(0, dots));
    if (!first) return tl::unexpected(first.error());
    sizes.push_back(*first);
    if (dots == std::string::npos) continue;
    const Result<std::size_t> last = payload_size(part.substr(dots + 2));
    if (!last) return tl::unexpected(last.error());
    if (*last < *first) {
      return fail(ErrorCode::usage, fmt::format("`{}` ends before it begins; write the smaller size first", part));
    }
    while (sizes.back() < *last) sizes.push_back(std::min(*last, sizes.back() * 8));
  }
  return sizes;
}

}  // namespace

Result<Command> parse_bench(const std::vector<std::string>& arguments) {
  if (arguments.empty() || (arguments.front() != "ipc" && !arguments.front().starts_with("-"))) {
    return fail(ErrorCode::usage, arguments.empty()
                                      ? "bench what? There is `runner bench ipc`"
                                      : fmt::format("there is no bench `{}`, only `runner bench ipc`", arguments.front()));
  }
  BenchIpcOptions options;
  CLI::App app(
      "What the ways for processes to talk cost, side by side in one run: the limit, our\n"
      "channel, pipe, Unix socket, POSIX mq, Boost message_queue, futex, eventfd. Round\n"
      "trips and streams, on the same core and another. About a minute.");
  shape(app, "\nUSAGE\n  runner bench ipc [OPTIONS]\n");
  const auto take_sizes = [&](const std::string& text) { options.sizes = payload_sizes(text).value(); };
  const auto check_sizes = [](const std::string& text) {
    const Result<std::vector<std::size_t>> sizes = payload_sizes(text);
    return sizes ? std::string() : sizes.error().text;
  };
  app.add_option_function<std::string>("--sizes", take_sizes, "Payloads, as in 8,1KiB or 8..64MiB (by factors\nof 8)")
      ->option_text("LIST")
      ->check(CLI::Validator(check_sizes, ""));
  app.add_flag("--quick", options.quick, "Fewer sizes, shorter batches");
  const CLI::Option* json =
      app.add_option("--json", options.json, "Write all figures as one JSON document")->option_text("FILE");
  const CLI::Option* report =
      app.add_option("--report", options.report, "Write a page, to be opened in a browser")->option_text("FILE.html");
  const bool named = arguments.front() == "ipc";
  const Result<std::optional<ShowText>> parsed =
      parse(app, std::vector<std::string>(arguments.begin() + (named ? 1 : 0), arguments.end()));
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed) return **parsed;
  if (!named) return fail(ErrorCode::usage, "bench what? There is `runner bench ipc`");
  if (json->count() != 0 && options.json.empty()) {
    return fail(ErrorCode::usage, "--json names no file (an empty variable?); give one, or leave it out");
  }
  if (report->count() != 0 && options.report.empty()) {
    return fail(ErrorCode::usage, "--report names no file (an empty variable?); give one, or leave it out");
  }
  return options;
}

}  // namespace runner::cli
