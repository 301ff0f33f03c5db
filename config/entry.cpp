#include "config/entry.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <runner/utf8.hpp>
#include "config/bad_batch.hpp"
#include "config/names.hpp"
#include "config/section.hpp"

namespace runner::config {

namespace {

// No two values have the same form, and none is the beginning of another's.
void append_form(const Value& value, std::string& out) {
  if (const auto* list = std::get_if<Sequence>(&value.data)) {
    out += '[';
    for (const Value& item : *list) append_form(item, out);
    out += ']';
  } else if (const auto* mapping = std::get_if<Mapping>(&value.data)) {
    out += '{';
    for (const auto& [key, item] : *mapping) {
      out.append(key.text) += '\0';
      append_form(item, out);
    }
    out += '}';
  } else {
    const Scalar& scalar = std::get<Scalar>(value.data);
    out += scalar.plain ? '=' : '"';
    out.append(scalar.text) += '\0';
  }
}

void check_name(const std::string& name, Position at) {
  if (name.empty()) bad(at, "the name of this job is empty");
  if (!is_printable(name)) {
    bad(at, "the name of a job must be printable text; this one holds a control character or bytes that are not UTF-8");
  }
}

}  // namespace

Entry::Entry(const Value& entry, const Value* defaults, const Registry& registry, StandardInput& input, Demands& demands)
    : at_(entry.at) {
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
  const Value* inputs = job.take("inputs");
  const Value* zip = job.take("zip");
  const Value* kill_after = job.take("kill_after");
  const Value* needs = job.take("needs");
  std::optional<Section> common;
  if (defaults != nullptr) common.emplace(*defaults, "`defaults`");
  rules_ = read_rules(job, common ? &*common : nullptr, demands);
  job.finish();

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

  matrix_.read(matrix, zip, input);
  if (kind != nullptr) {
    typed_.read(*kind, args, at_, registry, matrix_);
    name_ = typed_.kind()->name;
  }
  if (command != nullptr) read_command(*command);
  if (shell != nullptr) read_shell(*shell);

  if (name != nullptr) {
    name_template_ = text(*name, "`name`");
    name_ = name->scalar()->text;
    named_ = true;
  }
  name_at_ = name != nullptr ? name->at : at_;
  if (inputs != nullptr) read_input_files(*inputs);
  check_name(name_, name_at_);

  if (needs != nullptr) read_needs(*needs);
  has_inputs_ = stdin_file != nullptr || !inputs_.empty() || typed_.has_paths();
  for (std::size_t k = 0; k < matrix_.keys().size(); ++k) has_inputs_ = has_inputs_ || matrix_.axis_of(k).names_files(k);
  if (kind != nullptr) return;
  if (stdin_file != nullptr) stdin_ = text(*stdin_file, "`stdin`");
  const Value* common_cwd = common ? common->take("cwd") : nullptr;
  const Value* common_env = common ? common->take("env") : nullptr;
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
  return TextTemplate::parse(scalar_of(value, what).text, value.at, matrix_.keys(), context);
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
  for (const char* word : {"/bin/sh", "-c"})
    argv_.push_back(TextTemplate::parse(word, shell.at, matrix_.keys(), Context::text));
  argv_.push_back(text(shell, "`shell`", Context::shell));
  if (shell.scalar()->text.find_first_not_of(" \t\n") == std::string::npos)
    bad(shell.at, "`shell` is empty; it is the script to run");
  name_ = "shell";
}

void Entry::read_input_files(const Value& inputs) {
  const Sequence* paths = inputs.sequence();
  if (paths == nullptr) {
    bad(inputs.at,
        fmt::format("`inputs` must be a list of files that the job reads, such as [model.bin], found {}", found(inputs)));
  }
  for (const Value& path : *paths) {
    inputs_.push_back(text(path, "a file of `inputs`"));
    if (path.scalar()->text.empty()) bad(path.at, "a file of `inputs` is empty text; it is the path of a file");
  }
}

void Entry::add_input_files(JobSpec& job) const {
  std::string path;
  if (!stdin_.constant() || !stdin_.tail().empty()) {
    stdin_.render(matrix_.values(), path);
    job.inputs.push_back(path);
  }
  for (std::size_t k = 0; k < matrix_.keys().size(); ++k) {
    if (matrix_.axis_of(k).names_files(k)) append_texts(matrix_.values()[k], job.inputs);
  }
  typed_.append_paths(job.inputs);
  for (const TextTemplate& input : inputs_) {
    input.render(matrix_.values(), path);
    job.inputs.push_back(path);
  }
}

void Entry::read_needs(const Value& needs) {
  if (needs.sequence() == nullptr)
    bad(needs.at, fmt::format("`needs` must be a list of names or patterns such as [prepare, part-*], found {}", found(needs)));
  for (const Value& need : *needs.sequence()) {
    needs_.push_back({text(need, "a name in `needs`"), need.at});
    if (need.scalar()->text.empty()) bad(need.at, "a name in `needs` is empty");
  }
}

void Entry::needs_of(std::uint64_t index, std::vector<std::string>& out) {
  if (std::any_of(needs_.begin(), needs_.end(), [](const Need& need) { return !need.text.constant(); }) &&
      !matrix_.select(index))
    bad(at_, "a file that this job reads has become shorter since it was looked at");
  out.resize(needs_.size());
  for (std::size_t i = 0; i < needs_.size(); ++i) needs_[i].text.render(matrix_.values(), out[i]);
}

void Entry::name_selected(std::uint64_t index, std::string& out) const {
  if (!name_template_.constant()) return name_template_.render(matrix_.values(), out);
  out = name_;
  if (numbered()) fmt::format_to(std::back_inserter(out), "-{}", index + 1);
}

bool Entry::name_of(std::uint64_t index, std::string& out) {
  if (!name_template_.constant() && !matrix_.select(index)) return false;
  name_selected(index, out);
  return true;
}

void Entry::make(JobSpec& job) {
  rules_.apply_to(job);
  if (typed_.kind() != nullptr) {
    typed_.encode(matrix_);
    if (!std::holds_alternative<TypedWork>(job.work)) job.work = TypedWork{};
    TypedWork& work = std::get<TypedWork>(job.work);
    work.kind = typed_.kind()->name;
    work.args = typed_.wire();
    work.memory = rules_.memory;
    work.encoding = typed_.encoding();
    work.cpus = rules_.cpus;
    return;
  }
  if (!std::holds_alternative<CommandWork>(job.work)) job.work = CommandWork{};
  CommandWork& work = std::get<CommandWork>(job.work);
  work.argv.resize(argv_.size());
  for (std::size_t i = 0; i < argv_.size(); ++i) argv_[i].render(matrix_.values(), work.argv[i]);
  stdin_.render(matrix_.values(), work.stdin_path);
  cwd_.render(matrix_.values(), work.cwd);
  work.kill_after = rules_.kill_after;
  work.memory = rules_.memory;
  work.cpus = rules_.cpus;
  work.env.clear();
  for (const auto& [variable, value] : env_) value.render(matrix_.values(), work.env[variable]);
}

bool Entry::fill_selected(std::uint64_t index, JobSpec& job) {
  name_selected(index, job.name);
  make(job);
  job.values.clear();
  for (std::size_t k = 0; k < matrix_.keys().size(); ++k) {
    if (!matrix_.axis_of(k).is_value(k)) continue;  // the number of a row changes when another is put in front of it
    job.values.append(matrix_.keys()[k]) += '\0';
    append_form(matrix_.values()[k], job.values);
  }
  job.inputs.clear();
  if (has_inputs_) add_input_files(job);
  if (matrix_.reads_files() && !name_template_.constant()) check_name(job.name, name_at_);
  return true;
}

bool Entry::fill(std::uint64_t index, JobSpec& job) {
  if (size() && index >= *size()) return false;
  try {
    return matrix_.select(index) && fill_selected(index, job);
  } catch (BadBatch& error) {
    matrix_.tell_place(error);
    throw;
  }
}

// Reads a file through, or as far as it is looked at before anything runs.
void Entry::try_records(std::size_t axis, std::uint64_t weight, JobSpec& job) {
  const bool slowest = axis == 0;
  const std::uint64_t most = name_template_.constant() ? kTriedRecords : std::max(kTriedRecords, kMostChecked + 1);
  for (std::uint64_t i = 0; !slowest || i < most; ++i) {
    if (!matrix_.select(axis, i)) break;
    if (i < most) static_cast<void>(fill_selected(i * weight, job));
  }
  static_cast<void>(matrix_.select(axis, 0));
}

void Entry::check() {
  JobSpec job;
  try {
    matrix_.await_first();
    if (size() == 0) return;
    static_cast<void>(fill_selected(0, job));
    check_name(job.name, name_at_);
    // The fastest first: how often a place of an axis comes depends on those behind it.
    std::uint64_t weight = 1;
    for (std::size_t a = axes().size(); a-- > 0;) {
      const Axis& axis = axes()[a];
      if (axis.again() && axis.reads_files()) {
        try_records(a, weight, job);
      } else if (!axis.reads_files()) {
        for (const std::uint64_t i : axis.representatives()) {
          static_cast<void>(matrix_.select(a, i) && fill_selected(i * weight, job));
          check_name(job.name, name_at_);
        }
        static_cast<void>(matrix_.select(a, 0));
      }
      if (axis.size() && __builtin_mul_overflow(weight, *axis.size(), &weight)) matrix_.too_many();
    }
    matrix_.learn_size();
    typed_.check_combinations(matrix_);
  } catch (BadBatch& error) {
    matrix_.tell_place(error);
    throw;
  }
}

}  // namespace runner::config
