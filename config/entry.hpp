// entry.hpp - one entry of `jobs:`, checked and compiled: from an index of its matrix to a JobSpec.
//
// Called from  read_batch.cpp, then the batch's source; one thread.
// Owns         its templates, lists, and the values of the job made last.
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
#include "config/axis.hpp"
#include "config/bad_batch.hpp"
#include "config/demands.hpp"
#include "config/rules.hpp"
#include "config/text_template.hpp"

namespace runner::config {

// Who reads standard input: it can be read only once.
struct StandardInput {
  std::string reader;  // for a message; empty: nobody yet
};

class Entry {
 public:
  // How many records of a file are looked at before anything runs.
  static constexpr std::uint64_t kTriedRecords = 100'000;

  // `defaults` may be null. Both values must outlive the constructor only.
  Entry(const Value& entry, const Value* defaults, const Registry& registry, StandardInput& input, Demands& demands);
  Entry(const Entry&) = delete;  // templates point into it
  Entry& operator=(const Entry&) = delete;

  // How many jobs it makes: the product of its axes; 1 without any. Unknown while a file was not read to its end.
  [[nodiscard]] std::optional<std::uint64_t> size() const { return size_; }
  // Tries every value of every key, each with the first value of all others; of files that can be read again the first
  // kTriedRecords, or as many as names are tried of.
  void check();
  // Job `index` of this entry, last key fastest; all of `job` but its id. False: there are not so many.
  [[nodiscard]] bool fill(std::uint64_t index, JobSpec& job);
  // The descriptor on which fill(index) would have to wait for somebody to write; -1: it would not wait.
  [[nodiscard]] int awaited(std::uint64_t index);
  [[nodiscard]] const std::vector<Axis>& axes() const { return axes_; }

  // ---- names ----
  // As written, or the default: the kind, the program, "shell".
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool named() const { return named_; }
  [[nodiscard]] Position name_at() const { return name_at_; }
  [[nodiscard]] const TextTemplate& name_template() const { return name_template_; }
  [[nodiscard]] const Axis& axis_of(std::size_t variable) const;
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }
  // Whether a name without ${{ }} gets a number: NAME-1, NAME-2, ... With a file always, however many lines it has today.
  [[nodiscard]] bool numbered() const { return size_ != 1 || reads_files_; }
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
  struct Point {  // a place in the arguments that depends on the matrix
    Value* target;
    TextTemplate text;
    bool plain;
  };

  void read_axes(const Value* matrix, const Value* zip, StandardInput& input);
  void add_axis(const Mapping& keys, std::string_view section);
  void tell_place(BadBatch& error) const;
  void read_kind(const Value& kind, const Value* args, const Registry& registry);
  void read_command(const Value& command);
  void read_shell(const Value& shell);
  void read_needs(const Value& needs);
  void find_points(Value& value);
  [[nodiscard]] TextTemplate text(const Value& value, std::string_view what, Context context = Context::text) const;
  [[nodiscard]] bool select(std::uint64_t index);
  [[nodiscard]] bool select(std::size_t axis, std::uint64_t place);
  [[nodiscard]] bool fill_selected(std::uint64_t index, JobSpec& job);
  void try_records(std::size_t axis, std::uint64_t weight, JobSpec& job);
  void learn_size();
  void name_selected(std::uint64_t index, std::string& out) const;
  void make(JobSpec& job);
  void encode();
  void encode_measured();
  void read_input_files(const Value& inputs);
  void add_input_files(JobSpec& job) const;
  void check_points_of_several_keys();

  Position at_, name_at_;
  std::string name_;
  bool named_ = false;
  TextTemplate name_template_;

  std::vector<std::string> keys_;      // the variables
  std::vector<Axis> axes_;             // slowest first
  std::vector<std::uint64_t> chosen_;  // the current place of each axis
  std::vector<Value> values_;          // of the current job
  std::optional<std::uint64_t> size_ = 1;
  bool reads_files_ = false;
  Position axes_at_;

  const Kind* kind_ = nullptr;  // null: a command
  Value args_;                  // with the current values in place
  std::vector<Point> points_;
  std::string wire_;           // args_ encoded
  Duration encoding_{};        // how long that took
  std::uint64_t encoded_ = 0;  // how often

  std::vector<TextTemplate> argv_;
  TextTemplate stdin_, cwd_;
  std::vector<TextTemplate> inputs_;         // named by the person
  std::vector<std::string> path_arguments_;  // of the kind
  bool has_inputs_ = false;                  // its jobs may read files that are known by name
  std::vector<std::pair<std::string, TextTemplate>> env_;
  Rules rules_;
  std::vector<Need> needs_;
};

}  // namespace runner::config
