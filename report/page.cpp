#include "report/page.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <string_view>

#include <runner/version.hpp>
#include "report/machine.hpp"

// The files as they are; the assembler reads them.
#define RUNNER_EMBED(name, file)                                                                                            \
  asm(".section .rodata\n.global runner_page_" #name ", runner_page_" #name "_end\nrunner_page_" #name ":\n.incbin \"" file \
      "\"\nrunner_page_" #name "_end:\n.previous\n");                                                                       \
  extern "C" const char runner_page_##name[], runner_page_##name##_end[];
RUNNER_EMBED(html, RUNNER_PAGE_FOLDER "/page.html")
RUNNER_EMBED(style, RUNNER_PAGE_FOLDER "/page.css")
RUNNER_EMBED(elements, RUNNER_PAGE_FOLDER "/elements.js")
RUNNER_EMBED(run, RUNNER_PAGE_FOLDER "/run.js")
RUNNER_EMBED(timeline, RUNNER_PAGE_FOLDER "/timeline.js")
RUNNER_EMBED(compare, RUNNER_PAGE_FOLDER "/compare.js")
RUNNER_EMBED(main, RUNNER_PAGE_FOLDER "/main.js")
RUNNER_EMBED(chart, RUNNER_PAGE_CHART)
#undef RUNNER_EMBED

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

}  // namespace

std::string page(const Json& document) {
  const auto embedded = [](const char* begin, const char* end) {
    return std::string_view(begin, static_cast<std::size_t>(end - begin));
  };
  std::string html(embedded(runner_page_html, runner_page_html_end));
  std::string scripts;
  for (const std::string_view part :
       {embedded(runner_page_elements, runner_page_elements_end), embedded(runner_page_run, runner_page_run_end),
        embedded(runner_page_timeline, runner_page_timeline_end), embedded(runner_page_compare, runner_page_compare_end),
        embedded(runner_page_main, runner_page_main_end)}) {
    scripts += part;
  }
  // The data last: what is in it must not be taken for a place.
  replace(html, "/*STYLE*/", embedded(runner_page_style, runner_page_style_end));
  replace(html, "/*CHART*/", embedded(runner_page_chart, runner_page_chart_end));
  replace(html, "/*SCRIPTS*/", scripts);
  replace(html, "/*DATA*/", harmless(document.dump(-1, ' ', false, Json::error_handler_t::replace)));
  return html;
}

void add_origin(Json& document, const std::string& command_line) {
  document["command_line"] = command_line;
  document["version"] = RUNNER_VERSION_STRING;
  document["made"] = fmt::format("{:%F %T}", fmt::localtime(std::time(nullptr)));
  document["machine"] = machine();
}

}  // namespace runner::report
