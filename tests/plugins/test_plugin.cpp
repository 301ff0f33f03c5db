// A plug-in as a user writes one.
#include <cctype>
#include <cstdint>
#include <runner/job.hpp>
#include <string>

namespace {

struct ShoutArgs {
  std::string text;
  template <class A>
  void serialize(A& a) {
    a(runner::arg("text", text, "what to say"));
  }
};
struct Shout {
  std::string loud;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(loud));
  }
};
Shout shout(const ShoutArgs& args, runner::JobContext&) {
  Shout result{args.text};
  for (char& c : result.loud) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

struct Given {
  std::uint32_t cpus = 0;
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(cpus));
  }
};
struct NoArgs {
  template <class A>
  void serialize(A&) {}
};
Given given(const NoArgs&, runner::JobContext& context) { return {context.cpus()}; }

}  // namespace

RUNNER_JOB("given", given, "How many processors it was given.")
RUNNER_JOB("shout", shout, "Says `text` loudly.")
