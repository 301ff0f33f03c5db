// A result as large as one asks for: what is left is the cost of carrying it.
#include <cstdint>
#include <runner/job.hpp>
#include <string>
#include <string_view>

namespace runner {
namespace {

struct EchoArgs {
  Bytes bytes;
  template <class A>
  void serialize(A& a) {
    a(arg("bytes", bytes, "length of the text").range({0}, {std::uint64_t{256} << 20}));
  }
};
struct Echo {
  std::uint64_t bytes{};
  std::string text;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(bytes), CEREAL_NVP(text));
  }
};

// Characters that JSON, CSV and a terminal show as they are, so that a byte is a byte everywhere.
Echo echo(const EchoArgs& args, JobContext&) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  Echo result{.bytes = args.bytes.count, .text = std::string(args.bytes.count, '\0')};
  for (std::size_t at = 0; at < result.text.size(); ++at) result.text[at] = alphabet[at % alphabet.size()];
  return result;
}

RUNNER_JOB("echo", echo, "Answers with a text of `bytes` characters, to measure what carrying a result costs.")

}  // namespace
}  // namespace runner
