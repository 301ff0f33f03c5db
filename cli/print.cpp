#include "cli/print.hpp"

#include <unistd.h>

#include <runner/result.hpp>
#include "cli/complain.hpp"
#include "report/output_file.hpp"

namespace runner::cli {

int print(std::string_view text) {
  report::OutputFile out(STDOUT_FILENO, "standard output");
  out.buffer() += text;
  Result<void> written = out.end_record();
  if (written) written = out.flush();
  if (written) return kAllWell;
  complain(written.error());
  return kNotAllWell;
}

}  // namespace runner::cli
