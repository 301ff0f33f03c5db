#include "report/result_text.hpp"

#include <fmt/format.h>

#include "ipc/os.hpp"

#include <cerrno>
#include <exception>
#include <new>

#include <runner/wire.hpp>

namespace runner::report {

namespace {

// Longer ones are not worth the copy that would tell whether they repeat.
constexpr std::size_t kSmall = 256;

}  // namespace

Result<std::string_view> ResultText::of(const master::JobRecord& record) {
  const std::string_view name = kind_of(record.job);
  const std::string_view wire = record.outcome.result.text();
  const bool same_kind = kind_ != nullptr && kind_->name == name;
  const bool same_wire = wire.size() <= kSmall ? wire == wire_ : job_ == record.job.id;
  if (same_kind && job_ && same_wire) return text_;
  job_.reset();
  if (!same_kind) kind_ = registry_.find(name);
  if (kind_ == nullptr)
    return fail(ErrorCode::protocol, fmt::format("its result cannot be read: no kind is called `{}`", name));
  try {
    text_ = kind_->result_json(record.outcome.result.bytes());
  } catch (const std::bad_alloc&) {
    return os::failure("show the result of `" + record.job.name + "`", "malloc", ENOMEM);
  } catch (const std::exception& error) {  // WireError; a plug-in's own code may throw others
    return fail(ErrorCode::protocol, fmt::format("its result cannot be read: {}", error.what()));
  }
  wire_.assign(wire.substr(0, kSmall + 1));
  job_ = record.job.id;
  return text_;
}

}  // namespace runner::report
