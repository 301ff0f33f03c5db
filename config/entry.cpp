#include "config/entry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include <runner/describe_type.hpp>
#include <runner/read_value.hpp>
#include <runner/utf8.hpp>
#include "config/bad_batch.hpp"
#include "config/section.hpp"

namespace runner::config {

namespace {

constexpr std::uint64_t kMostJobs = std::uint64_t{1} << 53;  // exact in every JSON reader
constexpr std::uint64_t kMostCombinations = 1'000'000;

const Scalar& scalar_of(const Value& value, std::string_view what) {
  if (value.scalar() == nullptr || value.is_null()) bad(value.at, fmt::format("{} must be text, found {}", what, found(value)));
  return *value.scalar();
}

// Readers of arguments throw their own error; here it is one of the batch file.
template <class Read>
auto reading(Read&& read) {
  try {
    return read();
  } catch (ValueError& error) {
    bad(error.at, std::move(error.text));
  }
}

void check_name(const std::string& name, Position at) {
  if (name.empty()) bad(at, "the name of this job is empty");
  if (!is_printable(name)) {
    bad(at, "the name of a job must be printable text; this one holds a control character or bytes that are not UTF-8");
  }
}

}  // namespace

Entry::Entry(const Value& entry, const Value* defaults, const Registry& registry) : at_(entry.at) {
  Section job(entry, "a job");
  const Value* name = job.take("name");
  const Value* kind = job.take("kind");
  const Value* args = job.take("args");
  const Value* command = job.take("command");
  const Value* shell = job.take("shell");
  const Value* stdin_file = job.take("stdin");
  const Value* own_cwd = job.take("cwd");
  const Value* own_env = job.take("env");
  const Value* matrix = job.take("matrix");
  const Value* timeout = job.take("timeout");
  const Value* retries = job.take("retries");
  const Value* allow_failure = job.take("allow_failure");
  const Value* kill_after = job.take("kill_after");
  const Value* memory = job.take("memory");
  job.finish({"needs", "priority", "zip", "inputs", "backoff", "cpus", "resources"});

  const int ways = (kind != nullptr) + (command != nullptr) + (shell != nullptr);
  if (ways != 1) {
    bad(at_, fmt::format("a job needs exactly one of `kind`, `command` and `shell`, found {}",
                         ways == 0 ? "none"
                                   : fmt::format("{}{}{}", kind ? "`kind` " : "", command ? "`command` " : "",
                                                 shell ? "`shell`" : "")));
  }
  const auto only_for = [&](const Value* value, std::string_view key, bool fits, std::string_view whom) {
    if (value != nullptr && !fits) bad(value->at, fmt::format("`{}` is for {}; leave it out", key, whom));
  };
  only_for(args, "args", kind != nullptr, "jobs with a `kind`");
  only_for(stdin_file, "stdin", kind == nullptr, "jobs with `command` or `shell`");
  only_for(own_cwd, "cwd", kind == nullptr, "jobs with `command` or `shell`");
  only_for(own_env, "env", kind == nullptr, "jobs with `command` or `shell`");
  only_for(kill_after, "kill_after", kind == nullptr,
           "jobs with `command` or `shell` (the worker of a typed job is killed at once)");

  read_matrix(matrix);
  if (kind != nullptr) read_kind(*kind, args, registry);
  if (command != nullptr) read_command(*command);
  if (shell != nullptr) read_shell(*shell);

  if (name != nullptr) {
    name_template_ = text(*name, "`name`");
    name_ = name->scalar()->text;
    named_ = true;
  }
  name_at_ = name != nullptr ? name->at : at_;
  check_name(name_, name_at_);

  const Value* common_cwd = nullptr;
  const Value* common_env = nullptr;
  if (defaults != nullptr) {
    Section common(*defaults, "`defaults`");
    const auto fall_back = [&](const Value*& own, std::string_view key) {
      const Value* value = common.take(key);
      if (own == nullptr) own = value;
    };
    fall_back(timeout, "timeout");
    fall_back(retries, "retries");
    fall_back(allow_failure, "allow_failure");
    fall_back(kill_after, "kill_after");
    fall_back(memory, "memory");
    common_cwd = common.take("cwd");
    common_env = common.take("env");
    common.finish({"backoff", "cpus", "resources", "priority"});
  }
  reading([&] {
    if (timeout != nullptr) {
      read_value(*timeout, "timeout", timeout_);
      if (timeout_ == Duration::zero()) bad(timeout->at, "a timeout of 0 would end every job at once; leave it out for none");
    }
    if (kill_after != nullptr) read_value(*kill_after, "kill_after", kill_after_);
    if (memory != nullptr) {
      read_value(*memory, "memory", memory_);
      if (memory_.count == 0) bad(memory->at, "a job with `memory` of 0 could not run; leave it out for no limit");
    }
    if (retries != nullptr) retries_ = static_cast<std::uint32_t>(read_unsigned(*retries, "retries", 1'000'000));
    if (allow_failure != nullptr) read_value(*allow_failure, "allow_failure", allow_failure_);
  });
  if (kind != nullptr) return;
  if (stdin_file != nullptr) stdin_ = text(*stdin_file, "`stdin`");
  if (const Value* cwd = own_cwd != nullptr ? own_cwd : common_cwd) cwd_ = text(*cwd, "`cwd`");
  for (const Value* env : {common_env, own_env}) {  // its own replaces what all have
    if (env == nullptr) continue;
    if (env->mapping() == nullptr)
      bad(env->at, fmt::format("`env` must be a mapping of names to texts, found {}", found(*env)));
    for (const auto& [variable, value] : *env->mapping()) {
      if (variable.text.empty() || variable.text.find('=') != std::string::npos) {
        bad(value.at, fmt::format("`{}` cannot be the name of an environment variable", variable.text));
      }
      TextTemplate made = text(value, fmt::format("`env.{}`", variable.text));
      const auto same = std::find_if(env_.begin(), env_.end(), [&](const auto& one) { return one.first == variable.text; });
      if (same != env_.end()) {
        same->second = std::move(made);
      } else {
        env_.emplace_back(variable.text, std::move(made));
      }
    }
  }
}

TextTemplate Entry::text(const Value& value, std::string_view what, Context context) const {
  return TextTemplate::parse(scalar_of(value, what).text, value.at, keys_, context);
}

void Entry::read_matrix(const Value* matrix) {
  if (matrix == nullptr) return;
  if (matrix->mapping() == nullptr)
    bad(matrix->at, fmt::format("`matrix` must be a mapping of keys to value lists, found {}", found(*matrix)));
  if (matrix->mapping()->empty()) bad(matrix->at, "`matrix` is empty; give it a key with values, or leave it out");
  for (const auto& [key, value] : *matrix->mapping()) {
    if (key.text.empty() || key.text.find_first_of("{}() \t\n") != std::string::npos) {
      bad(value.at, fmt::format("`{}` cannot be a key of `matrix`; use a word, so that ${{{{ word }}}} can name it", key.text));
    }
    keys_.push_back(key.text);
    lists_.push_back(ValueList::parse(key.text, value));
    if (__builtin_mul_overflow(size_, lists_.back().size(), &size_) || size_ > kMostJobs) {
      bad(matrix->at, fmt::format("this matrix makes more than {} jobs", kMostJobs));
    }
  }
  chosen_.assign(keys_.size(), 0);
  values_.resize(keys_.size());
  for (std::size_t k = 0; k < keys_.size(); ++k) lists_[k].at(0, values_[k]);
}

void Entry::read_kind(const Value& kind, const Value* args, const Registry& registry) {
  const std::string& word = scalar_of(kind, "`kind`").text;
  kind_ = registry.find(word);
  if (kind_ == nullptr) {
    const std::string_view near = near_miss(word, registry.names());
    bad(kind.at, near.empty() ? fmt::format("there is no kind `{}`; `runner kinds` lists them", word)
                              : fmt::format("there is no kind `{}`; did you mean `{}`?", word, near));
  }
  name_ = word;
  args_ = args != nullptr ? *args : Value{Mapping{}, at_};
  if (args_.is_null()) args_.data = Mapping{};
  if (args_.mapping() == nullptr) bad(args_.at, fmt::format("`args` must be a mapping, found {}", found(args_)));
  Mapping& given = std::get<Mapping>(args_.data);
  const std::vector<FieldInfo> fields = kind_->arguments();
  std::vector<std::pair<std::size_t, std::size_t>> passed;  // place in `given`, key
  for (std::size_t k = 0; k < keys_.size(); ++k) {
    const auto same = std::find_if(given.begin(), given.end(), [&](const auto& item) { return item.key.text == keys_[k]; });
    if (same != given.end()) {
      bad(same->value.at, fmt::format("`{}` stands in both `args` and `matrix`; leave one of them out", keys_[k]));
    }
    if (std::none_of(fields.begin(), fields.end(), [&](const FieldInfo& field) { return field.name == keys_[k]; })) continue;
    passed.emplace_back(given.size(), k);
    given.emplace_back(Scalar{keys_[k], true}, values_[k]);
  }
  // From here on nothing in args_ moves.
  find_points(args_);
  for (const auto& [place, key] : passed) {
    points_.push_back({&given[place].value,
                       TextTemplate::parse("${{" + keys_[key] + "}}", lists_[key].position(), keys_, Context::text), true});
  }
  encode();
}

void Entry::find_points(Value& value) {
  if (auto* list = std::get_if<Sequence>(&value.data)) {
    for (Value& item : *list) find_points(item);
  } else if (auto* mapping = std::get_if<Mapping>(&value.data)) {
    for (auto& [key, item] : *mapping) find_points(item);
  } else {
    const Scalar& scalar = std::get<Scalar>(value.data);
    TextTemplate text = TextTemplate::parse(scalar.text, value.at, keys_, Context::text);
    if (!text.constant()) points_.push_back({&value, std::move(text), scalar.plain});
  }
}

void Entry::read_command(const Value& command) {
  const Sequence* words = command.sequence();
  if (words == nullptr) {
    bad(command.at,
        fmt::format("`command` must be a list such as [gzip, -9, file.txt], found {}; for a line of shell use `shell:`",
                    found(command)));
  }
  if (words->empty()) bad(command.at, "`command` is an empty list; its first word is the program to run");
  for (const Value& word : *words) argv_.push_back(text(word, "a word of `command`"));
  const std::string& program = words->front().scalar()->text;
  if (program.empty()) bad(words->front().at, "the first word of `command` is empty; it is the program to run");
  name_ = argv_.front().constant() ? program.substr(program.rfind('/') + 1) : "command";
  if (name_.empty()) name_ = "command";
}

void Entry::read_shell(const Value& shell) {
  for (const char* word : {"/bin/sh", "-c"}) argv_.push_back(TextTemplate::parse(word, shell.at, keys_, Context::text));
  argv_.push_back(text(shell, "`shell`", Context::shell));
  if (shell.scalar()->text.find_first_not_of(" \t\n") == std::string::npos)
    bad(shell.at, "`shell` is empty; it is the script to run");
  name_ = "shell";
}

void Entry::encode() {
  wire_ = reading([&] {
    for (const Point& point : points_) {
      if (const std::optional<std::size_t> whole = point.text.whole()) {
        *point.target = values_[*whole];
      } else {
        if (point.target->scalar() == nullptr) point.target->data = Scalar{};
        Scalar& scalar = std::get<Scalar>(point.target->data);
        point.text.render(values_, scalar.text);
        scalar.plain = point.plain;
      }
    }
    return kind_->encode_args(args_, "kind `" + kind_->name + "`");
  });
}

void Entry::select(std::uint64_t index) {
  for (std::size_t k = keys_.size(); k-- > 0;) {
    const std::uint64_t digit = index % lists_[k].size();
    index /= lists_[k].size();
    if (digit == chosen_[k]) continue;
    chosen_[k] = digit;
    lists_[k].at(digit, values_[k]);
  }
}

void Entry::name_of(std::uint64_t index, std::string& out) {
  if (name_template_.constant()) {
    out = name_;
    if (size_ > 1) fmt::format_to(std::back_inserter(out), "-{}", index + 1);
    return;
  }
  select(index);
  name_template_.render(values_, out);
}

void Entry::make(JobSpec& job) {
  job.timeout = timeout_;
  job.retries = retries_;
  job.allow_failure = allow_failure_;
  if (kind_ != nullptr) {
    if (!points_.empty()) encode();
    if (!std::holds_alternative<TypedWork>(job.work)) job.work = TypedWork{};
    TypedWork& work = std::get<TypedWork>(job.work);
    work.kind = kind_->name;
    work.args = wire_;
    work.memory = memory_;
    return;
  }
  if (!std::holds_alternative<CommandWork>(job.work)) job.work = CommandWork{};
  CommandWork& work = std::get<CommandWork>(job.work);
  work.argv.resize(argv_.size());
  for (std::size_t i = 0; i < argv_.size(); ++i) argv_[i].render(values_, work.argv[i]);
  stdin_.render(values_, work.stdin_path);
  cwd_.render(values_, work.cwd);
  work.kill_after = kill_after_;
  work.memory = memory_;
  work.env.clear();
  for (const auto& [variable, value] : env_) value.render(values_, work.env[variable]);
}

void Entry::fill(std::uint64_t index, JobSpec& job) {
  select(index);
  name_of(index, job.name);
  make(job);
}

void Entry::check() {
  JobSpec job;
  fill(0, job);
  check_name(job.name, name_at_);
  std::uint64_t weight = size_;
  for (const ValueList& list : lists_) {
    weight /= list.size();
    for (const std::uint64_t i : list.representatives()) {
      fill(i * weight, job);
      check_name(job.name, name_at_);
    }
  }
  check_points_of_several_keys();
}

// A value may be right with the first value of every other key and wrong with another.
void Entry::check_points_of_several_keys() {
  for (const Point& point : points_) {
    std::set<std::size_t> met;
    for (const TextTemplate::Part& part : point.text.parts()) met.insert(part.variable);
    if (met.size() < 2) continue;
    std::uint64_t product = 1;
    for (const std::size_t k : met)
      product = std::min(product * std::min(lists_[k].size(), kMostCombinations), kMostCombinations + 1);
    if (product > kMostCombinations) {
      bad(point.target->at,
          fmt::format("this argument is made of {} keys of the matrix with more than {} combinations, too many to check before "
                      "the start; use one key for it",
                      met.size(), kMostCombinations));
    }
    for (std::uint64_t i = 0; i < product; ++i) {
      std::uint64_t rest = i;
      for (const std::size_t k : met) {
        chosen_[k] = rest % lists_[k].size();
        rest /= lists_[k].size();
        lists_[k].at(chosen_[k], values_[k]);
      }
      encode();
    }
  }
}

}  // namespace runner::config
