// Lets the clock fail once in the thread KW_FAULT_THREAD when the file KW_FAULT_ONCE is there: preloaded into the host by
// `failing_clock.rs`. Rust's standard library panics where it reads a clock that fails.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_chosen(void) {
    char name[16] = "";
    const char *chosen = getenv("KW_FAULT_THREAD");
    return chosen && prctl(PR_GET_NAME, name) == 0 && strcmp(name, chosen) == 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static __thread int known, chosen;
    if (!known) {
        chosen = is_chosen();
        known = 1;
    }
    const char *once = chosen ? getenv("KW_FAULT_ONCE") : NULL;
    if (once && syscall(SYS_unlinkat, AT_FDCWD, once, 0) == 0) {
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_clock_gettime, clock, time);
}
