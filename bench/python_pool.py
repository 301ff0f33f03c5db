"""python_pool.py - the other side: the same work with Python's multiprocessing, timed inside Python.

  python_pool.py jobs N             N no-op jobs through Pool(2).imap_unordered(chunksize=1)  -> seconds
  python_pool.py executor N         N no-op calls of ProcessPoolExecutor(2), 1 000 in flight  -> seconds
  python_pool.py start fork|spawn   Pool(8) from nothing until each worker said that it is ready  -> seconds

Start-up of the interpreter is not counted, which is to Python's advantage: ours is timed from outside.
"""
import collections
import concurrent.futures
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


def run_executor(count, in_flight=1000):
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        pool.submit(noop, 0).result()
        done = 0
        began = time.perf_counter()
        futures = collections.deque()
        for number in range(count):
            futures.append(pool.submit(noop, number))
            if len(futures) == in_flight:
                done += futures.popleft().result() is None
        while futures:
            done += futures.popleft().result() is None
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
    run = {"jobs": lambda: run_jobs(int(argument)), "executor": lambda: run_executor(int(argument)),
           "start": lambda: start_workers(argument)}[what]
    print(f"{run():.6f}")
