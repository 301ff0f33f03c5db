// A shared library that is none of ours.
extern "C" int foreign_answer() { return 42; }
