// A plug-in of another version: of what its entry point answers only the ABI word may be read.
namespace {

struct OldInfo {
  const char* abi;
  const void* whatever;
};
const OldInfo info{"runner 0.0.1 kinds 0", nullptr};

}  // namespace

extern "C" [[gnu::visibility("default")]] const OldInfo* runner_plugin() { return &info; }
