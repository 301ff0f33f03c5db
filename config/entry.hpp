// entry.hpp - one entry of `jobs:`, checked and compiled: from an index of its matrix to a JobSpec.
//
// Called from  read_batch.cpp, then the batch's source; one thread.
// Owns         its templates, lists, and the values of the job made last.
// Fails with   BadBatch: everything that can be wrong in an entry. After check() went through fill() fails no more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <runner/job_spec.hpp>
#include <runner/registry.hpp>
#include <runner/value.hpp>
#include "config/text_template.hpp"
#include "config/value_list.hpp"

namespace runner::config {

class Entry {
 public:
  // `defaults` may be null. Both values must outlive the constructor only.
  Entry(const Value& entry, const Value* defaults, const Registry& registry);
  Entry(const Entry&) = delete;  // templates point into it
  Entry& operator=(const Entry&) = delete;

  // How many jobs it makes: the product of its matrix; 1 without one.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Tries every value of every key, each with the first value of all others.
  void check();
  // Job `index` of this entry, last key fastest; all of `job` but its id.
  void fill(std::uint64_t index, JobSpec& job);

  // ---- names ----
  // As written, or the default: the kind, the program, "shell".
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool named() const { return named_; }
  [[nodiscard]] Position name_at() const { return name_at_; }
  [[nodiscard]] const TextTemplate& name_template() const { return name_template_; }
  [[nodiscard]] const std::vector<ValueList>& lists() const { return lists_; }
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }
  // For one without a name, when its default is taken.
  void rename(std::string name) { name_ = std::move(name); }
  void name_of(std::uint64_t index, std::string& out);

 private:
  struct Point {  // a place in the arguments that depends on the matrix
    Value* target;
    TextTemplate text;
    bool plain;
  };

  void read_matrix(const Value* matrix);
  void read_kind(const Value& kind, const Value* args, const Registry& registry);
  void read_command(const Value& command);
  void read_shell(const Value& shell);
  void find_points(Value& value);
  [[nodiscard]] TextTemplate text(const Value& value, std::string_view what, Context context = Context::text) const;
  void select(std::uint64_t index);
  void make(JobSpec& job);
  void encode();
  void check_points_of_several_keys();

  Position at_, name_at_;
  std::string name_;
  bool named_ = false;
  TextTemplate name_template_;

  std::vector<std::string> keys_;
  std::vector<ValueList> lists_;
  std::vector<std::uint64_t> chosen_;  // index of the current value of each key
  std::vector<Value> values_;          // of the current job
  std::uint64_t size_ = 1;

  const Kind* kind_ = nullptr;  // null: a command
  Value args_;                  // with the current values in place
  std::vector<Point> points_;
  std::string wire_;  // args_ encoded

  std::vector<TextTemplate> argv_;
  TextTemplate stdin_, cwd_;
  std::vector<std::pair<std::string, TextTemplate>> env_;
  Duration timeout_{};
  Duration kill_after_ = CommandWork::kKillAfter;
  Bytes memory_{};
  std::uint32_t retries_ = 0;
  bool allow_failure_ = false;
};

}  // namespace runner::config
