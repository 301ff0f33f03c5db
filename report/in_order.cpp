#include "report/in_order.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

#include <runner/wire.hpp>
#include "ipc/os.hpp"

namespace runner::report {

namespace {

// An ending as three plain fields and its place in the variant.
struct FlatEnding {
  std::uint8_t index = 0;
  int signal = 0;
  Duration limit{};
  std::string reason;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(index, signal, limit, reason);
  }
};

FlatEnding flat(const Ending& ending) {
  FlatEnding flat;
  flat.index = static_cast<std::uint8_t>(ending.index());
  if (const auto* failed = std::get_if<Failed>(&ending)) flat.reason = failed->reason;
  if (const auto* crashed = std::get_if<Crashed>(&ending)) {
    flat.signal = crashed->signal;
    flat.reason = crashed->reason;
  }
  if (const auto* late = std::get_if<TimedOut>(&ending)) {
    flat.limit = late->limit;
    flat.reason = late->reason;
  }
  if (const auto* cancelled = std::get_if<Cancelled>(&ending)) flat.reason = cancelled->reason;
  if (const auto* memory = std::get_if<OutOfMemory>(&ending)) flat.reason = memory->reason;
  return flat;
}

Ending unflat(FlatEnding flat) {
  static_assert(std::variant_size_v<Ending> == 6, "flat, unflat and this list belong together");
  switch (flat.index) {
    case 0: return Succeeded{};
    case 1: return Failed{std::move(flat.reason)};
    case 2: return Crashed{flat.signal, std::move(flat.reason)};
    case 3: return TimedOut{flat.limit, std::move(flat.reason)};
    case 4: return Cancelled{std::move(flat.reason)};
    default: return OutOfMemory{std::move(flat.reason)};
  }
}

// Where the spilled outputs of a record lie in our file.
struct Places {
  std::uint64_t out = 0, err = 0;
};

void write_record(WireWriter& out, const master::JobRecord& record, const Places& places) {
  const Outcome& outcome = record.outcome;
  const auto* typed = std::get_if<TypedWork>(&record.job.work);
  out(record.job.name, typed != nullptr, typed != nullptr ? typed->kind : std::string(), record.job.allow_failure);
  out(number(record.attempts), record.worker.has_value(), record.worker ? number(*record.worker) : 0U);
  out(flat(outcome.ending), outcome.result, outcome.exit_code, outcome.wall, outcome.cpu, outcome.quarantined);
  out(outcome.out.text, outcome.out.bytes, static_cast<bool>(outcome.out.spill), places.out);
  out(outcome.err.text, outcome.err.bytes, static_cast<bool>(outcome.err.spill), places.err);
  out(outcome.peak_memory, outcome.core, outcome.left_behind, record.costs.sampled);
  if (record.costs.sampled != 0) out.put(&record.costs, sizeof record.costs);
}

struct ReadRecord {
  JobSpec job;
  Outcome outcome;
  Attempt attempts{1};
  std::optional<WorkerId> worker;
  master::AttemptCosts costs;
  bool out_spilled = false, err_spilled = false;
  Places places;
};

ReadRecord read_record(std::span<const std::byte> bytes) {
  ReadRecord record;
  Outcome& outcome = record.outcome;
  WireReader in(bytes);
  bool typed = false, worked = false;
  std::string kind;
  std::uint32_t attempts = 0, worker = 0;
  FlatEnding ending;
  in(record.job.name, typed, kind, record.job.allow_failure);
  in(attempts, worked, worker);
  in(ending, outcome.result, outcome.exit_code, outcome.wall, outcome.cpu, outcome.quarantined);
  in(outcome.out.text, outcome.out.bytes, record.out_spilled, record.places.out);
  in(outcome.err.text, outcome.err.bytes, record.err_spilled, record.places.err);
  in(outcome.peak_memory, outcome.core, outcome.left_behind, record.costs.sampled);
  if (record.costs.sampled != 0) std::memcpy(&record.costs, in.view(sizeof record.costs).data(), sizeof record.costs);
  record.job.work = typed ? Work(TypedWork{std::move(kind), {}}) : Work(CommandWork{});
  record.attempts = Attempt{attempts};
  if (worked) record.worker = WorkerId{worker};
  outcome.ending = unflat(std::move(ending));
  return record;
}

}  // namespace

Result<void> InOrder::ended(const master::JobRecord& record) {
  if (trouble_) return behind_.ended(record);
  pass_over();
  if (number(record.job.id) != next_) {
    if (Result<void> kept = keep(record); !kept) {
      // Out of order is bad, lost would be worse: from here on everything passes as it comes.
      trouble_ = Error{kept.error().code, kept.error().text + "; all results are there, but --keep-order could not be kept"};
      if (Result<void> told = release(); !told) return told;
      return behind_.ended(record);
    }
    return {};
  }
  if (Result<void> told = behind_.ended(record); !told) return told;
  ++next_;
  if (!kept_.empty()) kept_.pop_front();
  for (pass_over(); !kept_.empty() && kept_.front().size != 0; pass_over()) {
    Kept kept = std::move(kept_.front());
    kept_.pop_front();
    if (Result<void> told = tell(kept, JobId{next_++}); !told) return told;
  }
  return {};
}

void InOrder::pass_over() {
  while (ended_before_ && ended_before_(JobId{next_})) {
    ++next_;
    if (!kept_.empty()) kept_.pop_front();
  }
}

Result<void> InOrder::release() {
  while (!kept_.empty()) {
    Kept kept = std::move(kept_.front());
    kept_.pop_front();
    const JobId job{next_++};
    if (kept.size == 0) continue;
    if (Result<void> told = tell(kept, job); !told) return told;
  }
  return {};
}

Result<void> InOrder::finished(const master::RunTotals& totals) {
  if (Result<void> told = release(); !told) return told;
  if (Result<void> finished = behind_.finished(totals); !finished) return finished;
  return trouble_ ? tl::unexpected(*trouble_) : Result<void>{};
}

Result<void> InOrder::keep(const master::JobRecord& record) {
  Places places;
  for (const auto& [captured, place] :
       {std::pair(&record.outcome.out, &places.out), std::pair(&record.outcome.err, &places.err)}) {
    if (!captured->spill) continue;
    const Result<std::uint64_t> at = put_aside(*captured);
    if (!at) return tl::unexpected(at.error());
    *place = *at;
  }
  if (scratch_.empty()) scratch_.resize(4096);
  WireWriter writer(scratch_);
  write_record(writer, record, places);
  Kept kept{.bytes = nullptr, .at = 0, .size = writer.size()};
  if (!writer.fits()) {
    scratch_.resize(writer.size());
    WireWriter again(scratch_);
    write_record(again, record, places);
  }
  if (used_ + kept.size <= limit_) {
    kept.bytes = std::make_unique_for_overwrite<std::byte[]>(kept.size);
    std::memcpy(kept.bytes.get(), scratch_.data(), kept.size);
    used_ += kept.size;
  } else {
    const Result<OutputFile*> into = file();
    if (!into) return tl::unexpected(into.error());
    kept.at = (*into)->size();
    (*into)->buffer().append(reinterpret_cast<const char*>(scratch_.data()), kept.size);
    // At once: a full disk then costs nothing that was kept before.
    if (Result<void> written = (*into)->flush(); !written) return written;
  }
  const std::uint64_t place = number(record.job.id) - next_;
  if (kept_.size() <= place) kept_.resize(place + 1);
  kept_[place] = std::move(kept);
  ++waiting_;
  return {};
}

Result<void> InOrder::tell(Kept& kept, JobId job) {
  if (kept.bytes != nullptr) {
    used_ -= kept.size;
  } else {
    kept.bytes = std::make_unique_for_overwrite<std::byte[]>(kept.size);
    for (std::uint64_t got = 0; got < kept.size;) {
      const ssize_t n = os::retry("pread", ::pread, file_->fd(), static_cast<void*>(kept.bytes.get() + got),
                                  static_cast<std::size_t>(kept.size - got), static_cast<off_t>(kept.at + got));
      if (n <= 0) {
        return fail(ErrorCode::unwritable,
                    os::describe("read results that wait for --keep-order", "pread", n == 0 ? EIO : errno));
      }
      got += static_cast<std::uint64_t>(n);
    }
  }
  --waiting_;
  ReadRecord record = read_record({kept.bytes.get(), static_cast<std::size_t>(kept.size)});
  record.job.id = job;
  if (record.out_spilled) {
    if (Result<void> back = take_back(record.outcome.out, record.places.out); !back) return back;
  }
  if (record.err_spilled) {
    if (Result<void> back = take_back(record.outcome.err, record.places.err); !back) return back;
  }
  if (waiting_ == 0 && file_ && file_->size() > 0) {
    if (Result<void> emptied = file_->rewind(); !emptied) return emptied;
  }
  return behind_.ended({record.job, record.outcome, record.attempts, record.worker, record.costs});
}

Result<std::uint64_t> InOrder::put_aside(const Captured& captured) {
  const Result<OutputFile*> into = file();
  if (!into) return tl::unexpected(into.error());
  const std::uint64_t at = (*into)->size();
  if (Result<void> copied = (*into)->copy(captured.spill.get(), 0, captured.bytes); !copied)
    return tl::unexpected(copied.error());
  return at;
}

// Its reader expects a file of its own.
Result<void> InOrder::take_back(Captured& captured, std::uint64_t at) {
  Result<OutputFile> own = OutputFile::temporary();
  if (!own) return tl::unexpected(own.error());
  if (Result<void> copied = own->copy(file_->fd(), at, captured.bytes); !copied) return copied;
  captured.spill = own->take();
  return {};
}

Result<OutputFile*> InOrder::file() {
  if (!file_) {
    Result<OutputFile> made = OutputFile::temporary();
    if (!made) return tl::unexpected(made.error());
    file_.emplace(std::move(*made));
  }
  return &*file_;
}

}  // namespace runner::report
