#include "config/entry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include <runner/describe_type.hpp>
#include <runner/read_value.hpp>
#include <runner/utf8.hpp>
#include "config/bad_batch.hpp"
#include "config/names.hpp"
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

// Every scalar in it.
void append_texts(const Value& value, std::vector<std::string>& out) {
  if (const auto* list = std::get_if<Sequence>(&value.data)) {
    for (const Value& item : *list) append_texts(item, out);
  } else if (const auto* mapping = std::get_if<Mapping>(&value.data)) {
    for (const auto& [key, item] : *mapping) append_texts(item, out);
  } else if (!value.is_null()) {
    out.push_back(std::get<Scalar>(value.data).text);
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

  read_axes(matrix, zip, input);
  if (kind != nullptr) read_kind(*kind, args, registry);
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
  has_inputs_ = stdin_file != nullptr || !inputs_.empty() || !path_arguments_.empty();
  for (std::size_t k = 0; k < keys_.size(); ++k) has_inputs_ = has_inputs_ || axis_of(k).names_files(k);
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
  return TextTemplate::parse(scalar_of(value, what).text, value.at, keys_, context);
}

void Entry::add_axis(const Mapping& keys, std::string_view section) {
  axes_.emplace_back();
  for (const auto& [key, value] : keys) {
    if (key.text.empty() || key.text.find_first_of("{}() \t\n") != std::string::npos) {
      bad(value.at,
          fmt::format("`{}` cannot be a key of `{}`; use a word, so that ${{{{ word }}}} can name it", key.text, section));
    }
    axes_.back().add(key.text, value, keys_);
  }
}

// What goes in step is one axis, and the slowest.
void Entry::read_axes(const Value* matrix, const Value* zip, StandardInput& input) {
  for (const auto& [section, name] : {std::pair{zip, "zip"}, std::pair{matrix, "matrix"}}) {
    if (section == nullptr) continue;
    if (section->mapping() == nullptr)
      bad(section->at, fmt::format("`{}` must be a mapping of keys to value lists, found {}", name, found(*section)));
    if (section->mapping()->empty())
      bad(section->at, fmt::format("`{}` is empty; give it a key with values, or leave it out", name));
    axes_at_ = section->at;
    // Before any is opened: who reads a name of columns from it takes it from the other.
    for (const Member& key : *section->mapping()) {
      const Mapping* form = key.value.mapping();
      const Scalar* path = form != nullptr && form->size() == 1 && Records::is_form(form->front().key.text)
                               ? form->front().value.scalar()
                               : nullptr;
      if (path == nullptr || path->text != "-") continue;
      if (!input.reader.empty()) {
        bad(key.value.at,
            fmt::format("`{}` reads standard input, and so does {}; it can be read only once", key.key.text, input.reader));
      }
      input.reader = fmt::format("`{}` in line {}", key.key.text, key.value.at.line);
    }
    if (section == zip) {
      add_axis(*zip->mapping(), "zip");
    } else {
      for (const Member& key : *matrix->mapping()) add_axis({key}, "matrix");
    }
  }
  for (std::size_t a = 1; a < axes_.size(); ++a) {
    if (axes_[a].again()) continue;
    bad(axes_[a].position(),
        "standard input or a pipe can be read only once, and the keys after the first are gone through again for each of its "
        "values; put "
        "it first, or write it into a file");
  }
  reads_files_ = std::any_of(axes_.begin(), axes_.end(), [](const Axis& axis) { return axis.reads_files(); });
  values_.resize(keys_.size());
  chosen_.assign(axes_.size(), 0);
  for (std::size_t a = 0; a < axes_.size(); ++a) {
    // A pipe may have nothing in it yet, and check() has to wait for its first record anyway.
    if (axes_[a].again() && !axes_[a].select(0, values_)) size_ = 0;
  }
  if (size_ != 0) learn_size();
}

void Entry::learn_size() {
  size_ = 1;
  for (const Axis& axis : axes_) {
    if (axis.size() == 0) {
      size_ = 0;
      return;
    }
  }
  for (const Axis& axis : axes_) {
    if (!axis.size()) {
      size_.reset();
      return;
    }
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(*size_, *axis.size(), &product) || product > kMostJobs) {
      bad(axes_at_, fmt::format("this matrix makes more than {} jobs", kMostJobs));
    }
    size_ = product;
  }
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
  for (const FieldInfo& field : fields) {
    // Of an optional, a list or a mapping too.
    if (field.type == "path" || field.type.ends_with(" path")) path_arguments_.push_back(field.name);
  }
  std::vector<std::pair<std::size_t, std::size_t>> passed;  // place in `given`, key
  for (std::size_t k = 0; k < keys_.size(); ++k) {
    const auto same = std::find_if(given.begin(), given.end(), [&](const auto& item) { return item.key.text == keys_[k]; });
    if (same != given.end()) {
      bad(same->value.at, fmt::format("`{}` stands in both `args` and `matrix`; leave one of them out", keys_[k]));
    }
    if (std::none_of(fields.begin(), fields.end(), [&](const FieldInfo& field) { return field.name == keys_[k]; })) continue;
    if (!axis_of(k).is_value(k)) continue;
    passed.emplace_back(given.size() + passed.size(), k);
  }
  given.reserve(given.size() + passed.size());
  // From here on nothing in args_ moves.
  find_points(args_);
  for (const auto& [place, key] : passed) given.emplace_back(Scalar{keys_[key], true}, values_[key]);
  for (const auto& [place, key] : passed) {
    points_.push_back({&given[place].value,
                       TextTemplate::parse("${{" + keys_[key] + "}}", axis_of(key).position(key), keys_, Context::text), true});
  }
  if (points_.empty()) encode();
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
    stdin_.render(values_, path);
    job.inputs.push_back(path);
  }
  for (std::size_t k = 0; k < keys_.size(); ++k) {
    if (axis_of(k).names_files(k)) append_texts(values_[k], job.inputs);
  }
  if (!path_arguments_.empty()) {
    for (const auto& [key, value] : *args_.mapping()) {
      if (std::find(path_arguments_.begin(), path_arguments_.end(), key.text) != path_arguments_.end()) {
        append_texts(value, job.inputs);
      }
    }
  }
  for (const TextTemplate& input : inputs_) {
    input.render(values_, path);
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
  if (std::any_of(needs_.begin(), needs_.end(), [](const Need& need) { return !need.text.constant(); }) && !select(index))
    bad(at_, "a file that this job reads has become shorter since it was looked at");
  out.resize(needs_.size());
  for (std::size_t i = 0; i < needs_.size(); ++i) needs_[i].text.render(values_, out[i]);
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

// A short one is not worth the clock: of 64 jobs the first is measured, and speaks for all.
void Entry::encode_measured() {
  constexpr Duration worth_it = std::chrono::microseconds(2);
  if (encoding_ < worth_it && encoded_++ % 64 != 0) return encode();
  const TimePoint began = std::chrono::steady_clock::now();
  encode();
  encoding_ = std::chrono::steady_clock::now() - began;
}

const Axis& Entry::axis_of(std::size_t variable) const {
  return *std::find_if(axes_.begin(), axes_.end(), [&](const Axis& axis) { return axis.has(variable); });
}

bool Entry::select(std::size_t axis, std::uint64_t place) {
  if (place == chosen_[axis]) return true;
  if (!axes_[axis].select(place, values_)) return false;
  chosen_[axis] = place;
  return true;
}

bool Entry::select(std::uint64_t index) {
  for (std::size_t a = axes_.size(); a-- > 1;) {
    const std::uint64_t size = *axes_[a].size();  // check() made sure of it
    if (!select(a, index % size)) return false;
    index /= size;
  }
  return axes_.empty() || select(0, index);
}

int Entry::awaited(std::uint64_t index) {
  if (axes_.empty()) return -1;
  for (std::size_t a = axes_.size(); a-- > 1;) index /= *axes_[a].size();
  return axes_[0].awaited(index);
}

void Entry::name_selected(std::uint64_t index, std::string& out) const {
  if (!name_template_.constant()) return name_template_.render(values_, out);
  out = name_;
  if (numbered()) fmt::format_to(std::back_inserter(out), "-{}", index + 1);
}

bool Entry::name_of(std::uint64_t index, std::string& out) {
  if (!name_template_.constant() && !select(index)) return false;
  name_selected(index, out);
  return true;
}

void Entry::make(JobSpec& job) {
  rules_.apply_to(job);
  if (kind_ != nullptr) {
    if (!points_.empty()) encode_measured();
    if (!std::holds_alternative<TypedWork>(job.work)) job.work = TypedWork{};
    TypedWork& work = std::get<TypedWork>(job.work);
    work.kind = kind_->name;
    work.args = wire_;
    work.memory = rules_.memory;
    work.encoding = encoding_;
    work.cpus = rules_.cpus;
    return;
  }
  if (!std::holds_alternative<CommandWork>(job.work)) job.work = CommandWork{};
  CommandWork& work = std::get<CommandWork>(job.work);
  work.argv.resize(argv_.size());
  for (std::size_t i = 0; i < argv_.size(); ++i) argv_[i].render(values_, work.argv[i]);
  stdin_.render(values_, work.stdin_path);
  cwd_.render(values_, work.cwd);
  work.kill_after = rules_.kill_after;
  work.memory = rules_.memory;
  work.cpus = rules_.cpus;
  work.env.clear();
  for (const auto& [variable, value] : env_) value.render(values_, work.env[variable]);
}

bool Entry::fill_selected(std::uint64_t index, JobSpec& job) {
  name_selected(index, job.name);
  make(job);
  job.values.clear();
  for (std::size_t k = 0; k < keys_.size(); ++k) {
    if (!axis_of(k).is_value(k)) continue;  // the number of a row changes when another is put in front of it
    job.values.append(keys_[k]) += '\0';
    append_form(values_[k], job.values);
  }
  job.inputs.clear();
  if (has_inputs_) add_input_files(job);
  if (reads_files_ && !name_template_.constant()) check_name(job.name, name_at_);
  return true;
}

bool Entry::fill(std::uint64_t index, JobSpec& job) {
  if (size_ && index >= *size_) return false;
  try {
    return select(index) && fill_selected(index, job);
  } catch (BadBatch& error) {
    tell_place(error);
    throw;
  }
}

// What is wrong with a value from a file stands in that file; what is wrong with a text that such values are put into stands in the
// batch file, and the message says with which of them.
void Entry::tell_place(BadBatch& error) const {
  if (!error.file.empty()) return;
  std::string places;
  for (const Axis& axis : axes_) {
    if (!axis.reads_files()) continue;
    if (error.at.line != 0 && error.at.column == 0 && error.file.empty()) error.file = axis.file_of(error.at.line);
    places += (places.empty() ? "" : ", ") + axis.place();
  }
  if (error.file.empty() && !places.empty()) error.text += fmt::format(" (with {})", places);
}

// Reads a file through, or as far as it is looked at before anything runs.
void Entry::try_records(std::size_t axis, std::uint64_t weight, JobSpec& job) {
  const bool slowest = axis == 0;
  const std::uint64_t most = name_template_.constant() ? kTriedRecords : std::max(kTriedRecords, kMostChecked + 1);
  for (std::uint64_t i = 0; !slowest || i < most; ++i) {
    if (!select(axis, i)) break;
    if (i < most) static_cast<void>(fill_selected(i * weight, job));
  }
  static_cast<void>(select(axis, 0));
}

void Entry::check() {
  JobSpec job;
  try {
    if (!axes_.empty() && !axes_[0].again() && !axes_[0].select(0, values_)) size_ = 0;
    if (size_ == 0) return;
    static_cast<void>(fill_selected(0, job));
    check_name(job.name, name_at_);
    // The fastest first: how often a place of an axis comes depends on those behind it.
    std::uint64_t weight = 1;
    for (std::size_t a = axes_.size(); a-- > 0;) {
      Axis& axis = axes_[a];
      if (axis.again() && axis.reads_files()) {
        try_records(a, weight, job);
      } else if (!axis.reads_files()) {
        for (const std::uint64_t i : axis.representatives()) {
          static_cast<void>(select(a, i) && fill_selected(i * weight, job));
          check_name(job.name, name_at_);
        }
        static_cast<void>(select(a, 0));
      }
      if (axis.size() && __builtin_mul_overflow(weight, *axis.size(), &weight)) {
        bad(axes_at_, fmt::format("this matrix makes more than {} jobs", kMostJobs));
      }
    }
    learn_size();
    check_points_of_several_keys();
  } catch (BadBatch& error) {
    tell_place(error);
    throw;
  }
}

// A value may be right with the first value of every other key and wrong with another.
void Entry::check_points_of_several_keys() {
  for (const Point& point : points_) {
    std::set<std::size_t> met;
    for (const TextTemplate::Part& part : point.text.parts()) {
      met.insert(static_cast<std::size_t>(&axis_of(part.variable) - axes_.data()));
    }
    if (met.size() < 2) continue;
    std::uint64_t product = 1;
    bool known = true;
    for (const std::size_t a : met) {
      known = known && axes_[a].size();
      product = std::min(product * std::min(axes_[a].size().value_or(1), kMostCombinations), kMostCombinations + 1);
    }
    if (product > kMostCombinations) {
      bad(point.target->at,
          fmt::format("this argument is made of {} keys of the matrix with more than {} combinations, too many to check before "
                      "the start; use one key for it",
                      met.size(), kMostCombinations));
    }
    if (!known) continue;  // what a long file makes of it is seen when it is read
    for (std::uint64_t i = 0; i < product; ++i) {
      std::uint64_t rest = i;
      // The first of them slowest: it may be a file.
      for (auto a = met.rbegin(); a != met.rend(); ++a) {
        static_cast<void>(select(*a, rest % *axes_[*a].size()));
        rest /= *axes_[*a].size();
      }
      encode();
    }
    for (const std::size_t a : met) static_cast<void>(select(a, 0));
  }
}

}  // namespace runner::config
