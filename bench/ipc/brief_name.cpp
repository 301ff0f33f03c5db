#include "bench/ipc/brief_name.hpp"

#include <mqueue.h>
#include <sys/mman.h>

namespace runner::bench::brief_name {

namespace {
std::string name;
}  // namespace

void set(pid_t program) { name = "/runner-bench-ipc." + std::to_string(program); }
const std::string& get() { return name; }
void remove() {
  ::mq_unlink(name.c_str());
  ::shm_unlink(name.c_str());
}

}  // namespace runner::bench::brief_name
