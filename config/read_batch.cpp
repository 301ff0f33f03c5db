#include "config/read_batch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include <runner/read_value.hpp>
#include <runner/unique_fd.hpp>
#include <runner/utf8.hpp>
#include "config/bad_batch.hpp"
#include "config/demands.hpp"
#include "config/entry.hpp"
#include "config/names.hpp"
#include "config/needs.hpp"
#include "config/rules.hpp"
#include "config/section.hpp"
#include "config/shared.hpp"
#include "config/yaml.hpp"

namespace runner::config {

namespace {

constexpr std::size_t kLargestFile = std::size_t{256} << 20;

class EntrySource : public JobSource {
 public:
  EntrySource(std::vector<std::unique_ptr<Entry>> entries, std::string shown)
      : entries_(std::move(entries)), shown_(std::move(shown)) {
    std::uint64_t first = 0;
    for (const auto& entry : entries_) {
      firsts_.push_back(first);
      if (!entry->size()) break;
      first += *entry->size();
    }
  }
  bool rewind() override {
    for (const auto& entry : entries_) {
      for (const Axis& axis : entry->axes()) {
        if (!axis.again()) return false;
      }
    }
    entry_ = 0;
    index_ = id_ = 0;
    return true;
  }

  bool direct() const override {
    return std::all_of(entries_.begin(), entries_.end(), [](const auto& entry) {
      return std::none_of(entry->axes().begin(), entry->axes().end(), [](const Axis& axis) { return axis.reads_files(); });
    });
  }

  Result<void> at(JobId id, JobSpec& job) override {
    const auto behind = std::upper_bound(firsts_.begin(), firsts_.end(), number(id));
    const auto entry = static_cast<std::size_t>(behind - firsts_.begin() - 1);
    job.id = id;
    try {
      if (entries_[entry]->fill(number(id) - firsts_[entry], job)) return {};
      bad(entries_[entry]->name_at(), "a file that this job reads has become shorter since the start");
    } catch (const BadBatch& error) {
      return fail(ErrorCode::bad_batch, error.message(shown_));
    }
  }

  Result<std::optional<JobId>> find(std::string_view name) override {
    std::string other;
    try {
      for (std::size_t e = 0; e < firsts_.size(); ++e) {
        for (std::uint64_t i = 0; i != entries_[e]->size() && entries_[e]->name_of(i, other); ++i) {
          if (other == name) return JobId{firsts_[e] + i};
        }
      }
    } catch (const BadBatch& error) {
      return fail(ErrorCode::bad_batch, error.message(shown_));
    }
    return std::nullopt;
  }

  Result<bool> next(JobSpec& job) override {
    try {
      for (; skip_ended(); leave()) {
        if (!entries_[entry_]->fill(index_, job)) continue;
        ++index_;
        job.id = JobId{id_++};
        return true;
      }
    } catch (const BadBatch& error) {
      return fail(ErrorCode::bad_batch, error.message(shown_));
    }
    return false;
  }

  int awaited() override { return skip_ended() ? entries_[entry_]->awaited(index_) : -1; }

 private:
  // False: that was the last one.
  bool skip_ended() {
    while (entry_ < entries_.size() && entries_[entry_]->size() == index_) leave();
    return entry_ < entries_.size();
  }
  void leave() {
    ++entry_;
    index_ = 0;
  }

  std::vector<std::unique_ptr<Entry>> entries_;
  std::string shown_;
  std::vector<std::uint64_t> firsts_;  // number of the first job of each, up to one whose size is not known
  std::size_t entry_ = 0;
  std::uint64_t index_ = 0;  // in that entry
  std::uint64_t id_ = 0;
};

void check_version(const Value& version) {
  const Scalar* scalar = version.scalar();
  if (scalar == nullptr || scalar->text != "1") {
    bad(version.at, fmt::format("this program reads batch files of `version: 1`, found {}", found(version)));
  }
}

std::vector<std::string> load_plugins(const Value* plugins, Registry& registry) {
  if (plugins != nullptr) {
    if (plugins->sequence() == nullptr)
      bad(plugins->at, fmt::format("`plugins` must be a list of shared libraries, found {}", found(*plugins)));
    for (const Value& plugin : *plugins->sequence()) {
      if (plugin.scalar() == nullptr || plugin.is_null())
        bad(plugin.at, fmt::format("a plug-in must be the path of a shared library, found {}", found(plugin)));
      if (const Result<std::string> loaded = registry.load_plugin(plugin.scalar()->text); !loaded)
        bad(plugin.at, loaded.error().text);
    }
  }
  return registry.plugins();
}

Bytes read_max_result(const Value& value) {
  Bytes bytes;
  try {
    read_scalar(value, "max_result", bytes);
  } catch (ValueError& error) {
    bad(error.at, std::move(error.text));
  }
  if (bytes.count == 0)
    bad(value.at, "a `max_result` of 0 would fail every job; give it a size such as 64MiB, or leave it out for 1GiB");
  return bytes;
}

Demands read_demands(const Value* resources, const std::string& shown) {
  try {
    return {resources, shown};
  } catch (ValueError& error) {
    bad(error.at, std::move(error.text));
  }
}

CheckedBatch build(std::string_view text, const std::string& shown, const std::string& name, StandardInput input,
                   Registry& registry) {
  const Value root = parse_yaml(text);
  Section file(root, "a batch file");
  check_version(file.need("version", "write `version: 1` at the top"));
  const Value* written_name = file.take("name");
  const Value* defaults = file.take("defaults");
  const Value* plugins = file.take("plugins");
  const Value* shared = file.take("shared");
  const Value* max_result = file.take("max_result");
  const Value* resources = file.take("resources");
  const Value& jobs = file.need("jobs", "it is the list of what to run");
  file.finish();
  if (written_name != nullptr &&
      (written_name->scalar() == nullptr || written_name->is_null() || !is_printable(written_name->scalar()->text))) {
    bad(written_name->at, fmt::format("`name` must be printable text, found {}", found(*written_name)));
  }
  if (jobs.sequence() == nullptr)
    bad(jobs.at, fmt::format("`jobs` must be a list (`- name: ...` lines), found {}", found(jobs)));
  if (jobs.sequence()->empty()) bad(jobs.at, "`jobs` is an empty list; there is nothing to run");
  if (defaults != nullptr) {
    // Keys are checked here once; entries read their values.
    Section common(*defaults, "`defaults`");
    for (const std::string_view key : kRuleKeys) static_cast<void>(common.take(key));
    for (const char* key : {"cwd", "env"}) static_cast<void>(common.take(key));
    common.finish();
  }

  CheckedBatch checked;
  checked.batch.plugins = load_plugins(plugins, registry);
  if (shared != nullptr) checked.batch.shared = read_shared(*shared);
  if (max_result != nullptr) checked.batch.max_result = read_max_result(*max_result);
  Demands demands = read_demands(resources, shown);
  std::vector<std::unique_ptr<Entry>> entries;
  std::optional<std::uint64_t> size = 0;
  for (const Value& job : *jobs.sequence()) {
    entries.push_back(std::make_unique<Entry>(job, defaults, registry, input, demands));
    entries.back()->check();
    const std::optional<std::uint64_t> more = entries.back()->size();
    size = size && more ? std::optional(*size + *more) : std::nullopt;
  }
  settle_names(entries);
  checked.batch.plan = make_plan(entries);
  checked.batch.resources = demands.resources();
  checked.batch.demands = demands.demands();
  checked.batch.name = written_name != nullptr ? written_name->scalar()->text : name;
  checked.batch.size = size;
  checked.entries = entries.size();
  checked.batch.jobs = std::make_unique<EntrySource>(std::move(entries), shown);
  return checked;
}

tl::unexpected<Error> unreadable(const std::string& shown, std::string_view why) {
  return fail(ErrorCode::bad_batch, fmt::format("{}: {}", shown, why));
}

Result<std::string> read_all(int fd, const std::string& shown) {
  std::string text;
  std::array<char, 64 * 1024> block;
  for (;;) {
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(shown, fmt::format("the batch file cannot be read: {}", std::strerror(errno)));
    if (got == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(got));
    if (text.size() > kLargestFile) {
      return unreadable(
          shown, fmt::format("the batch file is larger than {} MiB; expand jobs with `matrix:` instead of writing them out",
                             kLargestFile >> 20));
    }
  }
}

}  // namespace

namespace {

Result<CheckedBatch> read_text(std::string_view text, const std::string& shown, const std::string& name, StandardInput input,
                               Registry& registry) {
  try {
    return build(text, shown, name, std::move(input), registry);
  } catch (const BadBatch& error) {
    return fail(ErrorCode::bad_batch, error.message(shown));
  }
}

}  // namespace

Result<CheckedBatch> read_batch_text(std::string_view text, const std::string& shown, const std::string& name,
                                     Registry& registry) {
  return read_text(text, shown, name, {}, registry);
}

Result<CheckedBatch> read_batch(const std::string& path, Registry& registry) {
  const bool standard_input = path == "-";
  const std::string shown = standard_input ? "<stdin>" : path;
  UniqueFd file;
  if (!standard_input) {
    file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return unreadable(shown, fmt::format("the batch file cannot be opened: {}", std::strerror(errno)));
    struct stat info{};
    if (::fstat(file.get(), &info) == 0 && S_ISDIR(info.st_mode))
      return unreadable(shown, "this is a folder; a batch file was expected");
  }
  const Result<std::string> text = read_all(standard_input ? STDIN_FILENO : file.get(), shown);
  if (!text) return tl::unexpected(text.error());
  const std::string stem = standard_input ? "stdin" : std::filesystem::path(path).stem().string();
  return read_text(*text, shown, is_printable(stem) ? stem : "batch", {standard_input ? "the batch file itself" : ""},
                   registry);
}

}  // namespace runner::config
