#!/bin/sh
# Measures what the budgets speak of, both sides in one run, and says which are kept: bench/run.sh BUILD_FOLDER
# Exit status 1 when one is missed. Quote ratios of one run, never times of two.
set -eu

build=${1:?usage: bench/run.sh BUILD_FOLDER}
here=$(dirname "$0")

# The first line of a file that may not be there, or else what is said instead.
first() { head -n 1 "$1" 2>/dev/null || echo "${2:-not told}"; }
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
load() { echo "load      $(cut -d ' ' -f 1-3 /proc/loadavg)"; }

compiler=$(cached CMAKE_CXX_COMPILER)
echo "cpu       $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) usable of $(getconf _NPROCESSORS_ONLN)"
echo "quota     $(first /sys/fs/cgroup/cpu.max "$(first /sys/fs/cgroup/cpu/cpu.cfs_quota_us -1)") (max, -1: none)"
echo "governor  $(first /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor)"
echo "kernel    $(uname -sr)"
echo "compiler  $("$compiler" --version | head -n 1), $(cached CMAKE_BUILD_TYPE): $(cached CMAKE_CXX_FLAGS_RELEASE)"
echo "python    $(/usr/bin/python3 --version)"
load
echo

status=0
/usr/bin/python3 "$here/budgets.py" "$build/bin" || status=$?

echo
"$build/bin/bench_pool" || status=$?

echo
table=$("$build/bin/bench_wire" --benchmark_min_time=0.2 --benchmark_counters_tabular=true 2>/dev/null) || status=1
case $table in *ERROR*) status=1 ;; esac
printf '%s\n\n' "$table"

# A mechanism that gives wrong bytes back is a failure; what it costs is for information. About a minute.
"$build/bin/runner" bench ipc || status=$?
echo
"$build/bin/bench_message_queue_hang" || status=$?
echo
load
exit "$status"
