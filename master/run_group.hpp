// run_group.hpp - the folder of a run's control groups, where one is delegated: made before anybody is started, removed at the end.
//
// Called from  the command line, before there is any other thread or process; remove() also from the guardian.
// Owns         the folder and what is below it.
// Fails with   nothing: where it cannot be made the run goes on without, as the doctor says.
#pragma once

#include <memory>
#include <string>

#include "master/delegation.hpp"

namespace runner::master {

class RunGroup {
 public:
  // Tells the workers by the environment. Null: there is none, and that of an outer run is taken out of the environment.
  // Ends and removes what runs have left whose master and guardian were killed together.
  [[nodiscard]] static std::unique_ptr<RunGroup> make(const Delegation& delegation);
  ~RunGroup();
  RunGroup(const RunGroup&) = delete;
  RunGroup& operator=(const RunGroup&) = delete;

  [[nodiscard]] const std::string& folder() const { return folder_; }
  // Ends whoever is in it and takes it away. Allocates nothing, takes no lock.
  static void remove(const char* folder) noexcept;

 private:
  explicit RunGroup(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

}  // namespace runner::master
