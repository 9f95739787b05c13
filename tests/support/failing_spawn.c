/* The first KW_FAILING_SPAWNS processes can't be started: the machine has no room for one more. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int failed;

typedef int (*spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                     char *const[], char *const[]);

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {
    const char *most = getenv("KW_FAILING_SPAWNS");
    if (most && atomic_fetch_add(&failed, 1) < atoi(most)) return EAGAIN;
    spawn real = (spawn)dlsym(RTLD_NEXT, "posix_spawnp");
    return real(pid, file, actions, attributes, arguments, environment);
}
