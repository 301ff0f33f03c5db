"""python_pool.py - the other side: the same work with Python's multiprocessing, timed inside Python.

  python_pool.py jobs N             N no-op jobs through Pool(2).imap_unordered(chunksize=1)  -> seconds
  python_pool.py start fork|spawn   Pool(8) from nothing until each worker said that it is ready  -> seconds

Start-up of the interpreter is not counted, which is to Python's advantage: ours is timed from outside.
"""
import multiprocessing
import os
import sys
import time


def noop(_):
    return None


def say_ready(queue):
    queue.put(os.getpid())


def run_jobs(count):
    began = time.perf_counter()
    with multiprocessing.Pool(2) as pool:
        done = sum(1 for _ in pool.imap_unordered(noop, range(count), chunksize=1))
    took = time.perf_counter() - began
    assert done == count
    return took


def start_workers(method, procs=8):
    context = multiprocessing.get_context(method)
    began = time.perf_counter()
    queue = context.SimpleQueue()
    with context.Pool(procs, say_ready, (queue,)):
        pids = {queue.get() for _ in range(procs)}
        took = time.perf_counter() - began
    assert len(pids) == procs
    return took


if __name__ == "__main__":
    what, argument = sys.argv[1:]
    print(f"{run_jobs(int(argument)) if what == 'jobs' else start_workers(argument):.6f}")
