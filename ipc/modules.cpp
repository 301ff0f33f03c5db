#include "ipc/modules.hpp"

#include <dlfcn.h>
#include <link.h>

#include <string>

namespace runner::ipc {

namespace {
constexpr unsigned kOffsetBits = 48;
constexpr std::uint64_t kOffsetMask = (std::uint64_t{1} << kOffsetBits) - 1;
}  // namespace

Modules Modules::take() {
  Modules modules;
  struct Found {
    std::vector<Code>& code;
    std::vector<std::string> names;
  } found{modules.code_, {}};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* to) {
        auto& [code, names] = *static_cast<Found*>(to);
        if (info->dlpi_name != nullptr && *info->dlpi_name != '\0') names.emplace_back(info->dlpi_name);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& header = info->dlpi_phdr[i];
          if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
          const std::uintptr_t begin = info->dlpi_addr + header.p_vaddr;
          code.push_back({begin, begin + header.p_memsz});
        }
        return 0;
      },
      &found);
  for (const std::string& name : found.names) {
    // Null: it is none that could be unloaded, as what the kernel has put there.
    if (void* library = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD)) modules.libraries_.emplace_back(library, ::dlclose);
  }
  return modules;
}

std::optional<FunctionName> Modules::name_of(void (*function)()) const {
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  for (std::size_t i = 0; i < code_.size(); ++i) {
    if (address >= code_[i].begin && address < code_[i].end) {
      return static_cast<FunctionName>(i) << kOffsetBits | (address - code_[i].begin);
    }
  }
  return std::nullopt;
}

void (*Modules::find(FunctionName name) const)() {
  const std::size_t module = name >> kOffsetBits;
  const std::uint64_t offset = name & kOffsetMask;
  if (module >= code_.size() || offset >= code_[module].end - code_[module].begin) return nullptr;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel and the linker tell of addresses in numbers
  return reinterpret_cast<void (*)()>(code_[module].begin + offset);
}

}  // namespace runner::ipc
