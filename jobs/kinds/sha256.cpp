// The SHA-256 digest of a file (FIPS 180-4), computed by OpenSSL.
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <runner/job.hpp>
#include <runner/unique_fd.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct Sha256Args {
  InputPath path;
  template <class A>
  void serialize(A& a) {
    a(arg("path", path, "the file to read"));
  }
};
struct Sha256 {
  std::string sha256;  // 64 hexadecimal digits, lower case
  std::uint64_t bytes{};
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(sha256), CEREAL_NVP(bytes));
  }
};

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    check(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void add(std::span<const std::byte> bytes) { check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1); }
  [[nodiscard]] std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned length = 0;
    check(EVP_DigestFinal_ex(context_.get(), bytes.data(), &length) == 1);
    return fmt::format("{:02x}", fmt::join(std::span(bytes).first(length), ""));
  }

 private:
  static void check(bool good) {
    if (!good) throw std::runtime_error("OpenSSL refuses to compute a SHA-256 digest (is it disabled by a policy?)");
  }
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

[[noreturn]] void unreadable(const std::string& path, int error) {
  throw std::runtime_error(fmt::format("cannot read the file `{}`: {}", path, std::generic_category().message(error)));
}

Sha256 sha256(const Sha256Args& args, JobContext& context) {
  const std::string& path = args.path.text;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) unreadable(path, errno);
  Digest digest;
  Sha256 result;
  std::vector<std::byte> buffer(std::size_t{256} << 10);
  for (;;) {
    leave_when_stopped(context);
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) unreadable(path, errno);
    if (got == 0) break;
    digest.add(std::span(buffer).first(static_cast<std::size_t>(got)));
    result.bytes += static_cast<std::uint64_t>(got);
  }
  result.sha256 = digest.hex();
  return result;
}

RUNNER_JOB("sha256", sha256, "Computes the SHA-256 digest of a file.")

}  // namespace
}  // namespace runner
