// read_batch.hpp - jobs.yaml -> Batch: what the person asked for, all of it checked before anything runs.
//
// Called from  the main thread, before the engine is made. Loads the plug-ins that the file names into the registry.
// Owns         nothing; the Batch holds its own compiled entries. The registry must outlive it.
// Fails with   bad_batch, bad_plugin: one line `FILE:LINE:COLUMN: what was found, what was expected`, with the file as given.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <runner/batch.hpp>
#include <runner/registry.hpp>
#include <runner/result.hpp>

namespace runner::config {

struct CheckedBatch {
  Batch batch;
  std::size_t entries = 0;  // of `jobs:`
};

// `path` "-" is standard input. Paths inside the file are relative to the working directory.
[[nodiscard]] Result<CheckedBatch> read_batch(const std::string& path, Registry& registry);

// The same from memory; `shown` stands for the file in messages, `name` is the batch's when the text gives none.
[[nodiscard]] Result<CheckedBatch> read_batch_text(std::string_view text, const std::string& shown, const std::string& name,
                                                   Registry& registry);

}  // namespace runner::config
