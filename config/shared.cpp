#include "config/shared.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include <runner/read_value.hpp>
#include <runner/unique_fd.hpp>
#include "config/bad_batch.hpp"
#include "config/section.hpp"

namespace runner::config {

namespace {

constexpr const char* kForms = "{file: path}, {counter: 0} or {bytes: 64MiB, writable: true}";

SharedFile read_file(const std::string& owner, const Value& file) {
  std::string path;
  read_scalar(file, owner + ".file", path);
  // A fifo without a writer must not keep us waiting.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) {
    bad(file.at, fmt::format("the file `{}` of `{}` cannot be opened: {}; paths are relative to the working directory", path,
                             owner, std::strerror(errno)));
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) {
    bad(file.at, fmt::format("the file `{}` of `{}` cannot be looked at: {}", path, owner, std::strerror(errno)));
  }
  if (S_ISDIR(info.st_mode)) bad(file.at, fmt::format("`{}` of `{}` is a folder; a file was expected", path, owner));
  if (!S_ISREG(info.st_mode)) {
    bad(file.at,
        fmt::format("`{}` of `{}` is a pipe, a socket or a device, which cannot be mapped; a regular file was expected", path,
                    owner));
  }
  return {std::move(path)};
}

SharedBytes read_bytes(const std::string& owner, const Value& bytes, const Value* writable) {
  SharedBytes region;
  read_scalar(bytes, owner + ".bytes", region.bytes);
  if (region.bytes.count == 0)
    bad(bytes.at, fmt::format("`{}` has 0 bytes, which nobody can share; give it a size such as 64MiB", owner));
  bool allowed = false;
  if (writable != nullptr) read_scalar(*writable, owner + ".writable", allowed);
  if (!allowed) {
    bad(writable != nullptr ? writable->at : bytes.at,
        fmt::format("the bytes of `{}` begin as zeros and need `writable: true`, found {}; to share what is read only, use "
                    "{{file: path}}",
                    owner, writable != nullptr ? "`false`" : "no `writable`"));
  }
  return region;
}

SharedSpec read_one(const std::string& name, const Value& value) {
  if (!is_shared_name(name)) {
    bad(value.at,
        fmt::format("`{}` cannot be the name of something shared; use a word of letters, digits, `_`, `-` and `.` with at "
                    "most {} characters",
                    name, kLongestSharedName));
  }
  const std::string owner = "shared." + name;
  if (value.mapping() == nullptr) bad(value.at, fmt::format("`{}` must be {}, found {}", owner, kForms, found(value)));
  Section one(value, "`" + owner + "`");
  const Value* file = one.take("file");
  const Value* counter = one.take("counter");
  const Value* bytes = one.take("bytes");
  const Value* writable = one.take("writable");
  one.finish();
  if ((file != nullptr) + (counter != nullptr) + (bytes != nullptr) != 1) {
    std::string there;
    for (const auto& [form, given] :
         {std::pair("`file`", file), std::pair("`counter`", counter), std::pair("`bytes`", bytes)}) {
      if (given != nullptr) there += (there.empty() ? "" : " and ") + std::string(form);
    }
    bad(value.at, fmt::format("`{}` must be exactly one of {}, found {}", owner, kForms, there.empty() ? "none" : there));
  }
  if (writable != nullptr && bytes == nullptr) {
    bad(writable->at, fmt::format("`writable` is for `bytes`; leave it out: {}",
                                  file != nullptr ? "jobs can only read a file" : "jobs can always write a counter"));
  }
  if (file != nullptr) return {name, read_file(owner, *file)};
  if (bytes != nullptr) return {name, read_bytes(owner, *bytes, writable)};
  using Limits = std::numeric_limits<std::int64_t>;
  return {name, SharedCounter{read_signed(*counter, owner + ".counter", Limits::min(), Limits::max())}};
}

}  // namespace

std::vector<SharedSpec> read_shared(const Value& shared) {
  if (shared.mapping() == nullptr) {
    bad(shared.at, fmt::format("`shared` must be a mapping of names to {}, found {}", kForms, found(shared)));
  }
  if (shared.mapping()->empty()) bad(shared.at, "`shared` is empty; give it a name with what is shared, or leave it out");
  if (shared.mapping()->size() > kMostShared) {
    bad(shared.at, fmt::format("`shared` has {} names, at most {} are possible; one region or file can hold many things",
                               shared.mapping()->size(), kMostShared));
  }
  std::vector<SharedSpec> specs;
  for (const auto& [name, value] : *shared.mapping()) {
    try {
      specs.push_back(read_one(name.text, value));
    } catch (ValueError& error) {
      bad(error.at, std::move(error.text));
    }
  }
  return specs;
}

}  // namespace runner::config
