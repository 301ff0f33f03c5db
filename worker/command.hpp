// command.hpp - one running program with its output captured: start, feed events, outcome.
//
// The program gets a process group of its own, PDEATHSIG, default signal dispositions, an empty signal mask, its stdin from a
// file or /dev/null, its cwd and env. Output is read without ever blocking on it: when the program has exited (pidfd), what
// its pipes still hold is drained and they are closed, so a background grandchild cannot hold the job; the rest of its
// process group is then ended. Up to 1 MiB of a stream stays in memory, beyond that it goes to an unlinked file.
//
// Called from  the thread that started it (PDEATHSIG follows that thread).
// Owns         the child, its pidfd, both pipes, the spill files.
// Fails with   start: the program does not exist, cannot be executed, cwd or stdin cannot be opened (a text for the Outcome
//              of the job: Failed). A spill file that cannot be written makes the job Failed and says so.
// Call order   start (wait_fds ready)* [terminate]... finished -> outcome
