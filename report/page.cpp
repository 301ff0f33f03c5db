#include "report/page.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string_view>

#include <runner/version.hpp>
#include "master/cgroups.hpp"
#include "report/machine.hpp"

// The files as they are; the assembler reads them.
asm(R"(
  .section .rodata
  .global runner_page_html, runner_page_html_end, runner_page_chart, runner_page_chart_end
runner_page_html:
  .incbin ")" RUNNER_PAGE_HTML R"("
runner_page_html_end:
runner_page_chart:
  .incbin ")" RUNNER_PAGE_CHART R"("
runner_page_chart_end:
  .previous
)");
extern "C" const char runner_page_html[], runner_page_html_end[], runner_page_chart[], runner_page_chart_end[];

namespace runner::report {

namespace {

using Json = nlohmann::ordered_json;

void replace(std::string& text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  text.replace(at, what.size(), by);
}

// JSON inside a script element: nothing in it may end the element, or begin a comment or another one (HTML, "restrictions for contents of
// script elements": `<!--`, `<script`, `</script`).
std::string harmless(const std::string& json) {
  std::string safe;
  safe.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char next = i + 1 < json.size() ? json[i + 1] : '\0';
    const bool harms = json[i] == '<' && (next == '/' || next == '!' || next == 's' || next == 'S');
    harms ? safe += "\\u003c" : safe += json[i];
  }
  return safe;
}

// The words of /proc/self/cmdline.
std::string command_line() {
  std::string words = master::read_file("/proc/self/cmdline").value_or("");
  if (!words.empty() && words.back() == '\0') words.pop_back();
  std::replace(words.begin(), words.end(), '\0', ' ');
  return words;
}

}  // namespace

std::string page(const Json& document) {
  std::string html(runner_page_html, runner_page_html_end);
  // The data last: what is in it must not be taken for a place.
  replace(html, "/*CHART*/", {runner_page_chart, static_cast<std::size_t>(runner_page_chart_end - runner_page_chart)});
  replace(html, "/*DATA*/", harmless(document.dump(-1, ' ', false, Json::error_handler_t::replace)));
  return html;
}

void add_origin(Json& document) {
  document["command_line"] = command_line();
  document["version"] = RUNNER_VERSION_STRING;
  document["made"] = fmt::format("{:%F %T}", fmt::localtime(std::time(nullptr)));
  document["machine"] = machine();
}

}  // namespace runner::report
