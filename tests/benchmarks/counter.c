/* Lets a program under callgrind say when to count: loaded with ctypes by counted.py. */
#include <valgrind/callgrind.h>

void start(void) { CALLGRIND_START_INSTRUMENTATION; }
void stop(void) { CALLGRIND_STOP_INSTRUMENTATION; }
/* Write what was counted since the last time, under a name, and count from nought again. */
void dump(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
