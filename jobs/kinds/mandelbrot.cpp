// A picture of the Mandelbrot set, as a PNG file.
//
// Source: escape time with a normalized iteration count, H.-O. Peitgen and P. Richter, "The Beauty of Fractals" (1986); the
// count is made continuous as in F. Garcia et al., "Coloring dynamical systems in the complex plane". Four samples a pixel.
#include <fcntl.h>
#include <fmt/format.h>
#include <png.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <runner/job.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "jobs/kinds/stopping.hpp"

namespace runner {
namespace {

struct MandelbrotArgs {
  double x{};
  double y{};
  double scale{};
  std::uint32_t width{};
  std::uint32_t height{};
  std::uint32_t iterations{};
  std::string file;
  template <class A>
  void serialize(A& a) {
    a(arg("x", x, "the middle of the picture, real part").range(-4, 4).or_default(-0.65),
      arg("y", y, "the middle of the picture, imaginary part").range(-4, 4).or_default(0),
      arg("scale", scale, "width of the picture in the plane; below 1e-12 doubles cannot tell pixels apart")
          .range(1e-12, 16)
          .or_default(3.6),
      arg("width", width, "width of the picture").unit("pixels").range(1, 8192).or_default(1200),
      arg("height", height, "height of the picture").unit("pixels").range(1, 8192).or_default(800),
      arg("iterations", iterations, "after this many a point counts as inside").range(1, 1'000'000).or_default(1000),
      arg("file", file, "PNG file to write, its folder is made if need be; replaces one of this name"));
  }
};
struct Mandelbrot {
  std::string file;
  std::string checksum;  // of the pixels, 16 hexadecimal digits
  template <class A>
  void serialize(A& a) {
    a(CEREAL_NVP(file), CEREAL_NVP(checksum));
  }
};

struct Colour {
  double red = 0, green = 0, blue = 0;  // 0..255
};

// Steps until the point leaves, as a real number; negative: it never did.
double escape_time(double cx, double cy, std::uint32_t iterations) {
  // The two largest parts of the inside, known in closed form: the main cardioid and the disc left of it.
  const double q = (cx - 0.25) * (cx - 0.25) + cy * cy;
  if (q * (q + (cx - 0.25)) <= 0.25 * cy * cy || (cx + 1) * (cx + 1) + cy * cy <= 0.0625) return -1;
  // A radius far above 2 makes the continuous count smooth to the eye.
  constexpr double far = 256.0 * 256.0;
  double zx = 0, zy = 0, xx = 0, yy = 0;
  for (std::uint32_t step = 0; step < iterations; ++step) {
    zy = 2 * zx * zy + cy;
    zx = xx - yy + cx;
    xx = zx * zx;
    yy = zy * zy;
    if (xx + yy > far) return step + 1 - std::log2(0.5 * std::log2(xx + yy)) + 3;  // +3: at least 0
  }
  return -1;
}

// A closed ring of five colours from deep blue over white to amber; its logarithm lets near and far bands be equally wide.
Colour colour_of(double time) {
  constexpr std::array<Colour, 5> ring{{{0, 7, 100}, {32, 107, 203}, {237, 255, 255}, {255, 170, 0}, {40, 4, 20}}};
  if (time < 0) return {};
  const double turn = 0.35 * std::log2(1 + time) * static_cast<double>(ring.size());
  const double whole = std::floor(turn);
  const double part = turn - whole;
  const double smooth = part * part * (3 - 2 * part);
  const auto at = static_cast<std::size_t>(whole) % ring.size();
  const Colour& from = ring[at];
  const Colour& to = ring[(at + 1) % ring.size()];
  return {from.red + smooth * (to.red - from.red), from.green + smooth * (to.green - from.green),
          from.blue + smooth * (to.blue - from.blue)};
}

// Red, green and blue of each pixel, row by row from the top.
std::vector<std::uint8_t> paint(const MandelbrotArgs& args, const JobContext& context) {
  constexpr std::array<double, 2> offsets{0.25, 0.75};  // of the samples within a pixel
  const double step = args.scale / args.width;
  const double left = args.x - args.scale / 2;
  const double top = args.y + step * args.height / 2;
  std::vector<std::uint8_t> pixels;
  pixels.reserve(std::size_t{3} * args.width * args.height);
  for (std::uint32_t row = 0; row < args.height; ++row) {
    for (std::uint32_t column = 0; column < args.width; ++column) {
      leave_when_stopped(context);
      Colour sum;
      for (const double down : offsets) {
        for (const double right : offsets) {
          const double x = left + step * (column + right), y = top - step * (row + down);
          const Colour sample = colour_of(escape_time(x, y, args.iterations));
          sum = {sum.red + sample.red, sum.green + sample.green, sum.blue + sample.blue};
        }
      }
      for (const double channel : {sum.red, sum.green, sum.blue}) {
        pixels.push_back(static_cast<std::uint8_t>(std::lround(channel / 4)));
      }
    }
  }
  return pixels;
}

// FNV-1a, 64 bits (draft-eastlake-fnv): tells two pictures apart, guards against nobody.
std::string checksum(const std::vector<std::uint8_t>& bytes) {
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x0000'0100'0000'01b3;
  return fmt::format("{:016x}", hash);
}

[[noreturn]] void unwritable(const std::string& file, const std::string& why) {
  throw std::runtime_error(fmt::format("cannot write the picture `{}`: {}", file, why));
}
[[noreturn]] void unwritable(const std::string& file, int error) {
  const bool folder = error == ENOENT || error == ENOTDIR || error == EACCES || error == EROFS;
  unwritable(file, std::generic_category().message(error) + (folder ? " (its folder cannot be made or written to)" : ""));
}

// What can be known, and made, before a minute of painting.
void prepare_place(const std::string& file) {
  std::error_code unknown;
  if (file.empty()) unwritable(file, "the name of a file was expected");
  if (std::filesystem::is_directory(file, unknown)) unwritable(file, EISDIR);
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  std::error_code made;
  if (!folder.empty()) std::filesystem::create_directories(folder, made);
  if (made) unwritable(file, made.value());
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0) unwritable(file, errno);
}

// A new file beside its final place, which it takes only when it is whole: nobody ever sees half a picture under the name.
class NewFile {
 public:
  explicit NewFile(const std::string& final_name) : final_name_(final_name) {
    static std::atomic<unsigned> serial{0};  // two threads of an in-process engine may paint the same file
    temporary_ = fmt::format("{}.{}-{}.part", final_name, ::getpid(), serial.fetch_add(1, std::memory_order_relaxed));
    const int fd = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) unwritable(final_name_, errno);
    stream_.reset(::fdopen(fd, "wb"));
    if (stream_ == nullptr) {
      const int error = errno;
      ::close(fd);
      ::unlink(temporary_.c_str());
      unwritable(final_name_, error);
    }
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    stream_.reset();
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  [[nodiscard]] std::FILE* stream() const { return stream_.get(); }
  void finish() {
    if (std::fclose(stream_.release()) != 0) unwritable(final_name_, errno);
    if (::rename(temporary_.c_str(), final_name_.c_str()) != 0) unwritable(final_name_, errno);
    temporary_.clear();
  }

 private:
  std::string final_name_;
  std::string temporary_;  // empty: it has become the final file
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream_{nullptr, &std::fclose};
};

Mandelbrot mandelbrot(const MandelbrotArgs& args, JobContext& context) {
  prepare_place(args.file);
  const std::vector<std::uint8_t> pixels = paint(args, context);

  NewFile file(args.file);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = args.width;
  image.height = args.height;
  image.format = PNG_FORMAT_RGB;
  errno = 0;
  if (png_image_write_to_stdio(&image, file.stream(), 0, pixels.data(), 0, nullptr) == 0) {
    errno != 0 ? unwritable(args.file, errno) : unwritable(args.file, image.message);
  }
  file.finish();
  return {.file = args.file, .checksum = checksum(pixels)};
}

RUNNER_JOB("mandelbrot", mandelbrot, "Paints a part of the Mandelbrot set into a PNG file.")

}  // namespace
}  // namespace runner
