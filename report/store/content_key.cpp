#include "report/store/content_key.hpp"

#include <sys/stat.h>

#include <bit>
#include <cstring>
#include <string_view>
#include <variant>

#include <runner/wire.hpp>

namespace runner::report {

namespace {

struct Sip {
  std::uint64_t v0, v1, v2, v3;
  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void take(std::uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
  [[nodiscard]] std::uint64_t finish() {
    for (int i = 0; i < 4; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

// What a command does; not the limits that it has.
template <class Command>
struct What {
  Command& command;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(command.argv, command.stdin_path, command.cwd, command.env);
  }
};

void put_part(std::string& out, std::string_view part) {
  const std::uint64_t size = part.size();
  out.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
}

}  // namespace

ContentKey content_key(std::span<const std::byte> content) {
  // The key of the paper's test vectors: bytes 0, 1, ... 15.
  constexpr std::uint64_t k0 = 0x0706050403020100, k1 = 0x0f0e0d0c0b0a0908;
  Sip sip{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  const std::uint64_t length = content.size();
  for (; content.size() >= 8; content = content.subspan(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, content.data(), 8);
    sip.take(word);
  }
  std::uint64_t last = length << 56;
  for (std::size_t i = 0; i < content.size(); ++i) last |= std::to_integer<std::uint64_t>(content[i]) << (8 * i);
  sip.take(last);
  sip.v2 ^= 0xee;
  ContentKey key;
  key.low = sip.finish();
  sip.v1 ^= 0xdd;
  key.high = sip.finish();
  return key;
}

void content_of(const JobSpec& job, std::string& out) {
  out.clear();
  put_part(out, kind_of(job));
  if (const auto* typed = std::get_if<TypedWork>(&job.work)) {
    put_part(out, typed->args);
  } else {
    put_part(out, work_form(std::get<CommandWork>(job.work)));
  }
  put_part(out, job.values);
}

std::string work_form(const CommandWork& command) { return to_wire(What<const CommandWork>{command}); }

CommandWork command_of(std::span<const std::byte> form) {
  CommandWork command;
  What<CommandWork> what{command};
  WireReader reader(form);
  reader(what);
  return command;
}

std::uint64_t inputs_now(const JobSpec& job) {
  if (job.inputs.empty()) return 0;
  std::string seen;
  for (const std::string& path : job.inputs) {
    put_part(seen, path);
    struct stat info{};
    std::array<std::int64_t, 3> state{-1, 0, 0};
    if (::stat(path.c_str(), &info) == 0) state = {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    seen.append(reinterpret_cast<const char*>(state.data()), sizeof state);
  }
  const std::uint64_t hash = content_key(std::as_bytes(std::span(seen))).low;
  return hash == 0 ? 1 : hash;
}

}  // namespace runner::report
