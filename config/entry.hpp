// entry.hpp - one entry of `jobs:`, checked and compiled: from an index of its matrix to a JobSpec.
//
// Called from  read_batch.cpp, then the batch's source; one thread.
// Owns         its matrix, with the values of the job made last, and its templates.
// Fails with   BadBatch: everything that can be wrong in an entry. After check() went through fill() fails no more, but for what
//              stands in files and was not looked at yet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <runner/job_spec.hpp>
#include <runner/registry.hpp>
#include <runner/value.hpp>
#include "config/bad_batch.hpp"
#include "config/demands.hpp"
#include "config/matrix.hpp"
#include "config/rules.hpp"
#include "config/text_template.hpp"
#include "config/typed_arguments.hpp"

namespace runner::config {

class Entry {
 public:
  // How many records of a file are looked at before anything runs.
  static constexpr std::uint64_t kTriedRecords = 100'000;

  // `defaults` may be null. Both values must outlive the constructor only.
  Entry(const Value& entry, const Value* defaults, const Registry& registry, StandardInput& input, Demands& demands);
  Entry(const Entry&) = delete;  // what is read points into it
  Entry& operator=(const Entry&) = delete;

  // How many jobs it makes: the product of its axes; 1 without any. Unknown while a file was not read to its end.
  [[nodiscard]] std::optional<std::uint64_t> size() const { return matrix_.size(); }
  // Tries every value of every key, each with the first value of all others; of files that can be read again the first
  // kTriedRecords, or as many as names are tried of.
  void check();
  // Job `index` of this entry, last key fastest; all of `job` but its id. False: there are not so many.
  [[nodiscard]] bool fill(std::uint64_t index, JobSpec& job);
  // The descriptor on which fill(index) would have to wait for somebody to write; -1: it would not wait.
  [[nodiscard]] int awaited(std::uint64_t index) { return matrix_.awaited(index); }
  [[nodiscard]] const std::vector<Axis>& axes() const { return matrix_.axes(); }

  // ---- names ----
  // As written, or the default: the kind, the program, "shell".
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool named() const { return named_; }
  [[nodiscard]] Position name_at() const { return name_at_; }
  [[nodiscard]] const TextTemplate& name_template() const { return name_template_; }
  [[nodiscard]] const Axis& axis_of(std::size_t variable) const { return matrix_.axis_of(variable); }
  [[nodiscard]] const std::vector<std::string>& keys() const { return matrix_.keys(); }
  // Whether a name without ${{ }} gets a number: NAME-1, NAME-2, ... With a file always, however many lines it has today.
  [[nodiscard]] bool numbered() const { return size() != 1 || matrix_.reads_files(); }
  // For one without a name, when its default is taken.
  void rename(std::string name) { name_ = std::move(name); }
  // False: there are not so many.
  [[nodiscard]] bool name_of(std::uint64_t index, std::string& out);

  // ---- order ----
  struct Need {  // names or a pattern of names
    TextTemplate text;
    Position at;
  };
  [[nodiscard]] const std::vector<Need>& needs() const { return needs_; }
  void needs_of(std::uint64_t index, std::vector<std::string>& out);
  [[nodiscard]] std::int32_t priority() const { return rules_.priority; }
  [[nodiscard]] std::uint32_t demand() const { return rules_.demand; }

 private:
  void read_command(const Value& command);
  void read_shell(const Value& shell);
  void read_needs(const Value& needs);
  [[nodiscard]] TextTemplate text(const Value& value, std::string_view what, Context context = Context::text) const;
  [[nodiscard]] bool fill_selected(std::uint64_t index, JobSpec& job);
  void try_records(std::size_t axis, std::uint64_t weight, JobSpec& job);
  void name_selected(std::uint64_t index, std::string& out) const;
  void make(JobSpec& job);
  void read_input_files(const Value& inputs);
  void add_input_files(JobSpec& job) const;

  Position at_, name_at_;
  std::string name_;
  bool named_ = false;
  TextTemplate name_template_;

  Matrix matrix_;
  TypedArguments typed_;  // of no kind: a command

  std::vector<TextTemplate> argv_;
  TextTemplate stdin_, cwd_;
  std::vector<TextTemplate> inputs_;  // named by the person
  bool has_inputs_ = false;           // its jobs may read files that are known by name
  std::vector<std::pair<std::string, TextTemplate>> env_;
  Rules rules_;
  std::vector<Need> needs_;
};

}  // namespace runner::config
