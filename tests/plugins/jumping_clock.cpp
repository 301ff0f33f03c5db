// Preloaded: the time of day jumps an hour on and back from one look at it to the next. The monotonic clock goes on as ever.
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

extern "C" int clock_gettime(clockid_t clock, timespec* time) {
  static std::atomic<unsigned> looks{0};
  const auto status = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (status == 0 && clock == CLOCK_REALTIME) time->tv_sec += looks++ % 2 == 0 ? 3600 : -3600;
  return status;
}

extern "C" time_t time(time_t* where) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (where != nullptr) *where = now.tv_sec;
  return now.tv_sec;
}
