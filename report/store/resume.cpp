#include "report/store/resume.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstring>
#include <memory>
#include <span>
#include <tuple>
#include <utility>

#include "master/backlog.hpp"
#include "report/store/content_key.hpp"
#include "report/store/schema.hpp"

namespace runner::report {

namespace {

// Numbers on their way to another place are this much higher meanwhile.
constexpr std::int64_t kAway = std::int64_t{1} << 60;

struct Row {
  std::int64_t job = 0, inputs = 0;
  ContentKey key;
  std::string_view name, status;
  bool allow_failure = false, quarantined = false;
  std::int64_t attempts = 0;
};

constexpr const char* kRowColumns = "job,content,inputs,name,status,allow_failure,quarantined,attempts";

std::uint64_t& count_of(master::Counts& counts, std::string_view status) {
  if (status == "ok") return counts.ok;
  if (status == "failed") return counts.failed;
  if (status == "crashed") return counts.crashed;
  if (status == "timed_out") return counts.timed_out;
  if (status == "out_of_memory") return counts.out_of_memory;
  return counts.cancelled;
}

struct Move {
  enum class State : std::uint8_t { open, waits, done };
  std::int64_t from, to;
  std::int64_t from_now = from;
  bool renamed = false, allow_failure = false;  // what it is now, if it was not
  State state = State::open;
  std::string name;
};

class Planner {
 public:
  Planner(Database& store, const Batch& batch, RunAgain again) : store_(store), batch_(batch), again_(again) {}

  Result<std::optional<ResumePlan>> plan() {
    if (Result<void> begun = store_.run("BEGIN IMMEDIATE"); !begun) return tl::unexpected(begun.error());
    Result<bool> found = walk();
    if (found && *found && !plan_.unrelated) {
      Result<void> put = carry_out();
      if (put) put = store_.run("COMMIT");
      if (put) return std::optional(std::move(plan_));
      found = tl::unexpected(put.error());
    }
    static_cast<void>(store_.run("ROLLBACK"));
    if (!found) return tl::unexpected(found.error());
    return *found ? std::optional(std::move(plan_)) : std::nullopt;
  }

 private:
  // False: there is no such run.
  Result<bool> walk() {
    Result<Statement> newest = store_.prepare("SELECT max(run) FROM runs WHERE batch=?");
    if (!newest) return tl::unexpected(newest.error());
    newest->text(1, batch_.name);
    if (const Result<bool> row = newest->step(); !row) return row;
    if (newest->is_null(0)) return false;
    plan_.run = newest->number(0);
    newest->reset();
    if (const Result<void> known = read_pending(); !known) return tl::unexpected(known.error());
    if (!batch_.jobs->rewind()) {
      return fail(ErrorCode::usage,
                  "--resume looks at the whole batch first, and the jobs of this one come from standard input and can "
                  "be read only once; put them into a file");
    }
    Result<bool> same = side_by_side();
    if (same && !*same) {
      start_over();
      plan_.changed = true;
      const Result<void> matched = by_key();
      if (!matched) return tl::unexpected(matched.error());
    } else if (!same) {
      return same;
    }
    static_cast<void>(batch_.jobs->rewind());
    if (plan_.unrelated) return true;
    settle_skipped();
    plan_.left = static_cast<std::uint64_t>(std::count(plan_.before.ended.begin(), plan_.before.ended.end(), false));
    plan_.before.jobs = plan_.jobs;
    return true;
  }

  void start_over() {
    const std::int64_t run = plan_.run;
    plan_ = {};
    plan_.run = run;
    run_again_.clear();
    skipped_.clear();
    moves_.clear();
    static_cast<void>(batch_.jobs->rewind());
  }

  // Of the next job: its key; false: there is none.
  Result<bool> next_job() {
    Result<bool> more = batch_.jobs->next(job_);
    if (!more || !*more) return more;
    content_of(job_, content_);
    key_ = content_key(std::as_bytes(std::span(content_)));
    ++plan_.jobs;
    return true;
  }

  void read(const Statement& rows, Row& row) const {
    row.job = rows.number(0);
    const std::string_view key = rows.text(1);
    if (key.size() == sizeof row.key) std::memcpy(&row.key, key.data(), sizeof row.key);
    row.inputs = rows.number(2);
    row.name = rows.text(3);
    row.status = rows.text(4);
    row.allow_failure = rows.number(5) != 0;
    row.quarantined = rows.number(6) != 0;
    row.attempts = rows.number(7);
  }

  // The row of the job that was read last, which has this number from now on.
  void settle(const Row& row) {
    const bool ok = row.status == "ok", cancelled = row.status == "cancelled";
    const bool skipped = cancelled && row.attempts == 0 && batch_.plan;
    const bool same_files = skipped || static_cast<std::int64_t>(inputs_now(job_)) == row.inputs;
    const bool ill = !ok && (cancelled || !job_.allow_failure) && batch_.plan;
    bool stays = false;
    switch (again_) {
      case RunAgain::what_is_missing: stays = same_files && (!cancelled || skipped); break;
      case RunAgain::what_failed_too: stays = same_files && (ok || skipped); break;
      case RunAgain::what_killed_only: stays = !row.quarantined; break;
    }
    const bool pending = pending_.contains(row.job);
    if (pending && again_ != RunAgain::what_killed_only) stays = false;
    plan_.before.ended.push_back(stays);
    if (!stays) return run_again(job_.id, same_files);
    if (skipped && again_ != RunAgain::what_killed_only) {
      skipped_.push_back({job_.id, job_.name});  // is looked at again when all are known
      return;
    }
    if (ill) plan_.before.ill.push_back({job_.id, job_.name});
    if (pending) return;  // left alone this time, and still to run again
    ++count_of(plan_.recorded, row.status);
    if (!ok && job_.allow_failure) ++plan_.recorded.allowed;
    master::HaltRule::Tally& tally = plan_.before.tally;
    ++tally.done;
    if (ok) ++tally.succeeded;
    if (!ok && !cancelled && !job_.allow_failure) ++tally.failed;
  }

  void run_again(JobId job, bool same_files) {
    ++plan_.again;
    if (!same_files) ++plan_.other_files;
    run_again_.push_back(static_cast<std::int64_t>(number(job)));
  }

  // A job that has no outcome.
  void miss() { plan_.before.ended.push_back(again_ == RunAgain::what_killed_only); }

  // Jobs that were skipped for want of others: which of them would be skipped again.
  void settle_skipped() {
    if (skipped_.empty()) return;
    for (const auto& skipped : skipped_) plan_.before.ended[number(skipped.job)] = false;
    std::vector<bool> lost(plan_.before.ended.size());
    master::Backlog backlog(*batch_.plan, batch_.demands.size(), &plan_.before);
    while (const std::optional<master::Backlog::Place> place = backlog.skip()) {
      lost[number(place->job)] = true;
      backlog.skipped(*place, "");
    }
    for (auto& skipped : skipped_) {
      if (!lost[number(skipped.job)]) {
        run_again(skipped.job, true);
        continue;
      }
      plan_.before.ended[number(skipped.job)] = true;
      ++plan_.recorded.cancelled;
      ++plan_.before.tally.done;
      plan_.before.ill.push_back(std::move(skipped));
    }
    std::sort(plan_.before.ill.begin(), plan_.before.ill.end(), [](const auto& a, const auto& b) { return a.job < b.job; });
  }

  // False: the batch is not what it was.
  Result<bool> side_by_side() {
    const Result<std::int64_t> left = store_.number(fmt::format("SELECT count(*) FROM jobs WHERE run={} AND job<0", plan_.run));
    if (!left) return tl::unexpected(left.error());
    Result<Statement> rows =
        store_.prepare(fmt::format("SELECT {} FROM jobs WHERE run={} AND job>=0 ORDER BY job", kRowColumns, plan_.run));
    if (!rows) return tl::unexpected(rows.error());
    Result<bool> row = rows->step();
    Row one;
    if (row && *row) read(*rows, one);
    for (;;) {
      if (!row) return row;
      Result<bool> more = next_job();
      if (!more) return more;
      if (!*more) return !*row;
      if (!*row || one.job != static_cast<std::int64_t>(number(job_.id))) {
        if (*left != 0) return false;  // it may have been in the batch before
        miss();
        continue;
      }
      if (one.key != key_ || one.name != job_.name || one.allow_failure != job_.allow_failure) return false;
      settle(one);
      row = rows->step();
      if (row && *row) read(*rows, one);
    }
  }

  Result<void> by_key() {
    struct Recorded {
      ContentKey key;
      std::int64_t job;
      bool taken = false;
      std::ptrdiff_t used = 0;  // of those with this key, at the first of them
    };
    std::vector<Recorded> known;
    Result<Statement> rows = store_.prepare(fmt::format("SELECT job,content FROM jobs WHERE run={}", plan_.run));
    if (!rows) return tl::unexpected(rows.error());
    for (;;) {
      const Result<bool> row = rows->step();
      if (!row) return tl::unexpected(row.error());
      if (!*row) break;
      Recorded one{{}, rows->number(0)};
      const std::string_view key = rows->text(1);
      if (key.size() == sizeof one.key) std::memcpy(&one.key, key.data(), sizeof one.key);
      known.push_back(one);
    }
    // Of equal ones those of the batch as it was come first, in its order.
    std::sort(known.begin(), known.end(), [](const Recorded& a, const Recorded& b) {
      return std::tuple(a.key, a.job < 0, a.job) < std::tuple(b.key, b.job < 0, b.job);
    });
    Result<Statement> found = store_.prepare(fmt::format("SELECT {} FROM jobs WHERE run={} AND job=?", kRowColumns, plan_.run));
    if (!found) return tl::unexpected(found.error());
    for (;;) {
      const Result<bool> more = next_job();
      if (!more) return tl::unexpected(more.error());
      if (!*more) break;
      const auto first =
          std::lower_bound(known.begin(), known.end(), key_, [](const Recorded& a, const ContentKey& b) { return a.key < b; });
      // Of equal ones the next that is not taken.
      const auto match = first == known.end() || first->key != key_ ? known.end() : first + first->used;
      if (match == known.end() || match->key != key_) {
        miss();
        continue;
      }
      ++first->used;
      match->taken = true;
      found->reset();
      found->bind(1, match->job);
      const Result<bool> row = found->step();
      if (!row) return tl::unexpected(row.error());
      Row one;
      read(*found, one);
      const auto id = static_cast<std::int64_t>(number(job_.id));
      if (one.job != id || one.name != job_.name || one.allow_failure != job_.allow_failure) {
        Move move{one.job, id};
        move.renamed = one.name != job_.name || one.allow_failure != job_.allow_failure;
        if (move.renamed) {
          move.name = job_.name;
          move.allow_failure = job_.allow_failure;
        }
        moves_.push_back(std::move(move));
        ++plan_.moved;
      }
      settle(one);
    }
    plan_.unrelated = !known.empty() && std::none_of(known.begin(), known.end(), [](const Recorded& one) { return one.taken; });
    std::int64_t lowest = 0;
    for (const Recorded& one : known) lowest = std::min(lowest, one.job);
    for (const Recorded& one : known) {
      if (one.taken || one.job < 0) continue;
      moves_.push_back({one.job, --lowest});
      ++plan_.gone;
    }
    return {};
  }

  Result<void> carry_out() {
    Result<void> put = move_rows();
    if (put) put = make_attempts();
    if (put) put = read_attempts();
    if (!put) return put;
    const master::Counts& counts = plan_.recorded;
    put =
        store_.run(fmt::format("UPDATE runs SET jobs={},ok={},failed={},crashed={},timed_out={},cancelled={},out_of_memory={},"
                               "allowed={} WHERE run={}",
                               plan_.jobs, counts.ok, counts.failed, counts.crashed, counts.timed_out, counts.cancelled,
                               counts.out_of_memory, counts.allowed, plan_.run)
                       .c_str());
    // It was killed between its last outcome and its end.
    if (put && plan_.recorded.done() == plan_.jobs) {
      put = store_.run(fmt::format("UPDATE runs SET interrupted=0, ended_ns=coalesce(ended_ns,"
                                   "(SELECT max(started_ns+wall_ns) FROM jobs WHERE run={0} AND job>=0)) WHERE run={0}",
                                   plan_.run)
                           .c_str());
    }
    return put;
  }

  // Each row once: into a place that is free, or has become free by the move before. Only where places are changed in a circle does
  // one of them stand aside meanwhile.
  Result<void> move_rows() {
    if (moves_.empty()) return {};
    if (Result<void> ready = prepare_moves(); !ready) return ready;
    std::sort(moves_.begin(), moves_.end(), [](const Move& a, const Move& b) { return a.from < b.from; });
    std::vector<std::size_t> path;
    for (std::size_t begin = 0; begin < moves_.size(); ++begin) {
      for (std::size_t at = begin; at < moves_.size() && moves_[at].state == Move::State::open; at = occupant(moves_[at].to)) {
        moves_[at].state = Move::State::waits;
        path.push_back(at);
      }
      if (path.empty()) continue;
      const std::size_t next = occupant(moves_[path.back()].to);
      if (next < moves_.size() && moves_[next].state == Move::State::waits && next != path.back()) {
        Move& aside = moves_[next];
        if (Result<void> moved = move(aside.from, aside.from + kAway, aside); !moved) return moved;
        aside.from_now = aside.from + kAway;
      }
      for (; !path.empty(); path.pop_back()) {
        Move& one = moves_[path.back()];
        if (Result<void> moved = move(one.from_now, one.to, one); !moved) return moved;
        one.state = Move::State::done;
      }
    }
    return {};
  }

  // The move of the row that has this number; behind the last: nobody has it.
  [[nodiscard]] std::size_t occupant(std::int64_t job) const {
    const auto found =
        std::lower_bound(moves_.begin(), moves_.end(), job, [](const Move& a, std::int64_t b) { return a.from < b; });
    return found != moves_.end() && found->from == job ? static_cast<std::size_t>(found - moves_.begin()) : moves_.size();
  }

  Result<void> prepare_moves() {
    Result<Statement> job = store_.prepare(fmt::format("UPDATE jobs SET job=?1 WHERE run={} AND job=?2", plan_.run));
    if (!job) return tl::unexpected(job.error());
    Result<Statement> attempts = store_.prepare(fmt::format("UPDATE attempts SET job=?1 WHERE run={} AND job=?2", plan_.run));
    if (!attempts) return tl::unexpected(attempts.error());
    Result<Statement> rename =
        store_.prepare(fmt::format("UPDATE jobs SET name=?1,allow_failure=?2 WHERE run={} AND job=?3", plan_.run));
    if (!rename) return tl::unexpected(rename.error());
    Result<Statement> tried = store_.prepare(fmt::format("SELECT DISTINCT job FROM attempts WHERE run={}", plan_.run));
    if (!tried) return tl::unexpected(tried.error());
    for (;;) {
      const Result<bool> row = tried->step();
      if (!row) return tl::unexpected(row.error());
      if (!*row) break;
      tried_.insert(tried->number(0));
    }
    move_job_.emplace(std::move(*job));
    move_attempts_.emplace(std::move(*attempts));
    rename_.emplace(std::move(*rename));
    return {};
  }

  Result<void> move(std::int64_t from, std::int64_t to, const Move& what) {
    if (from != to) {
      move_job_->bind(1, to);
      move_job_->bind(2, from);
      if (Result<void> put = move_job_->run(); !put) return put;
      if (tried_.contains(what.from)) {
        move_attempts_->bind(1, to);
        move_attempts_->bind(2, from);
        if (Result<void> put = move_attempts_->run(); !put) return put;
      }
    }
    if (!what.renamed || to != what.to) return {};
    rename_->text(1, what.name);
    rename_->bind(2, std::int64_t{what.allow_failure});
    rename_->bind(3, to);
    return rename_->run();
  }

  // The rows stay until another outcome takes their place; beside the copy they are marked, see schema.hpp. What was cancelled runs
  // again without a mark, and must not take the place of an attempt that it has the number of.
  Result<void> make_attempts() {
    if (run_again_.empty()) return {};
    Result<Statement> copy = store_.prepare(fmt::format(
        "INSERT OR REPLACE INTO attempts(run,job,attempt,{0}) SELECT run,job,attempts,{0} FROM jobs j WHERE run={1} AND "
        "job=? AND (status<>'cancelled' OR attempts>0 AND NOT EXISTS(SELECT 1 FROM attempts a WHERE a.run=j.run AND "
        "a.job=j.job AND a.attempt=j.attempts))",
        kOutcomeColumns, plan_.run));
    if (!copy) return tl::unexpected(copy.error());
    for (const std::int64_t job : run_again_) {
      copy->bind(1, job);
      if (Result<void> put = copy->run(); !put) return put;
    }
    return {};
  }

  // Those that a start before this one was to run again, and that it did not come to.
  Result<void> read_pending() {
    Result<Statement> rows =
        store_.prepare(fmt::format("SELECT a.job FROM attempts a JOIN jobs j ON {} WHERE a.run={}", kPending, plan_.run));
    if (!rows) return tl::unexpected(rows.error());
    for (;;) {
      const Result<bool> row = rows->step();
      if (!row) return tl::unexpected(row.error());
      if (!*row) return {};
      pending_.insert(rows->number(0));
    }
  }

  Result<void> read_attempts() {
    // Against `retries` count those since the last outcome that ended the job. A typed job, which has no streams, crashes with its
    // worker.
    Result<Statement> rows = store_.prepare(
        fmt::format("SELECT job,max(attempt),sum(counts),sum(counts AND a_status='crashed' AND typed) FROM ("
                    "SELECT a.job,a.attempt,a.status AS a_status,a.stdout IS NULL AS typed,a.status<>'cancelled' AND "
                    "(j.job IS NULL OR j.status='cancelled' OR a.attempt>j.attempts) AS counts "
                    "FROM attempts a LEFT JOIN jobs j ON j.run=a.run AND j.job=a.job WHERE a.run={} AND a.job>=0) GROUP BY job",
                    plan_.run));
    if (!rows) return tl::unexpected(rows.error());
    for (;;) {
      const Result<bool> row = rows->step();
      if (!row) return tl::unexpected(row.error());
      if (!*row) return {};
      const auto job = static_cast<std::uint64_t>(rows->number(0));
      if (job >= plan_.before.ended.size() || plan_.before.ended[job]) continue;
      plan_.attempts[job] = static_cast<std::uint32_t>(rows->number(1));
      if (again_ != RunAgain::what_is_missing || rows->number(2) == 0) continue;  // who asks for them gives them a new chance
      plan_.before.spent[job] = {static_cast<std::uint32_t>(rows->number(2)), static_cast<std::uint32_t>(rows->number(3))};
    }
  }

  Database& store_;
  const Batch& batch_;
  RunAgain again_;
  ResumePlan plan_;
  JobSpec job_;
  std::string content_;
  ContentKey key_;
  std::vector<std::int64_t> run_again_;
  std::vector<master::EndedBefore::Ill> skipped_;
  std::vector<Move> moves_;
  boost::unordered_flat_set<std::int64_t> tried_;    // jobs that have earlier attempts
  boost::unordered_flat_set<std::int64_t> pending_;  // rows that were to be run again already
  std::optional<Statement> move_job_, move_attempts_, rename_;
};

std::string jobs_in_words(std::uint64_t count) { return fmt::format("{} job{}", count, count == 1 ? "" : "s"); }

}  // namespace

Result<std::optional<ResumePlan>> plan_resume(Database& store, const Batch& batch, RunAgain again) {
  return Planner(store, batch, again).plan();
}

Result<bool> RemainingJobs::next(JobSpec& job) {
  for (;;) {
    Result<bool> more = all_->next(job);
    if (!more || !*more || !before_.has(job.id)) return more;
  }
}

std::string in_words(const ResumePlan& plan) {
  std::string text = fmt::format("run {}: {} of {} {} an outcome", plan.run, plan.recorded.done(), jobs_in_words(plan.jobs),
                                 plan.recorded.done() == 1 ? "has" : "have");
  text += plan.left == 0 ? ", nothing is left to run" : fmt::format(", {} to run", plan.left);
  if (plan.again > plan.other_files)
    text += fmt::format("; {} of those had ended otherwise than ok", plan.again - plan.other_files);
  if (plan.other_files != 0) text += fmt::format("; {} of those read files that have changed since", plan.other_files);
  if (plan.changed) {
    text += fmt::format(
        "\nthe batch has changed: {} new or different, {} under another number or name, {} recorded {} not in it any more",
        jobs_in_words(plan.left - plan.again), plan.moved, plan.gone, plan.gone == 1 ? "job is" : "jobs are");
  }
  return text;
}

}  // namespace runner::report
