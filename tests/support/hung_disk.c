// Lets file calls under a folder hang, as those on a network file system do whose server is gone: preloaded into
// the host by `hung_disk.rs`. They hang while the file KW_HUNG_WHILE exists, if they concern the folder
// KW_HUNG_FOLDER. While the same file with the ending `.eio` exists, opening fails.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int hung(void) {
    const char *trigger = getenv("KW_HUNG_WHILE");
    return trigger && syscall(SYS_faccessat, AT_FDCWD, trigger, F_OK) == 0;
}

static void wait_at(const char *path) {
    const char *folder = getenv("KW_HUNG_FOLDER");
    if (!folder || !path || strncmp(path, folder, strlen(folder)) != 0) return;
    while (hung()) {
        struct timespec moment = {0, 5000000};
        nanosleep(&moment, NULL);
    }
}

static void wait_at_fd(int fd) {
    if (!hung()) return;
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, name, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    wait_at(path);
}

static int fails(const char *path) {
    const char *folder = getenv("KW_HUNG_FOLDER"), *trigger = getenv("KW_HUNG_WHILE");
    char failing[4096];
    if (!folder || !trigger || !path || strncmp(path, folder, strlen(folder)) != 0) return 0;
    snprintf(failing, sizeof failing, "%s.eio", trigger);
    return syscall(SYS_faccessat, AT_FDCWD, failing, F_OK) == 0;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                      \
    int name(const char *path, int flags, ...) {        \
        va_list rest;                                   \
        va_start(rest, flags);                          \
        mode_t mode = va_arg(rest, mode_t);             \
        va_end(rest);                                   \
        wait_at(path);                                  \
        if (fails(path)) {                              \
            errno = EIO;                                \
            return -1;                                  \
        }                                               \
        return NEXT(name)(path, flags, mode);           \
    }
OPEN(open)
OPEN(open64)

#define BY_PATH(type, name, declared, ...) \
    type name declared {                   \
        wait_at(path);                     \
        return NEXT(name)(__VA_ARGS__);    \
    }
BY_PATH(int, unlink, (const char *path), path)
BY_PATH(DIR *, opendir, (const char *path), path)
BY_PATH(int, mkdir, (const char *path, mode_t mode), path, mode)
BY_PATH(int, rename, (const char *path, const char *to), path, to)
BY_PATH(int, stat, (const char *path, struct stat *data), path, data)
BY_PATH(int, stat64, (const char *path, struct stat64 *data), path, data)
BY_PATH(int, lstat64, (const char *path, struct stat64 *data), path, data)
BY_PATH(int, statx,
        (int dir, const char *restrict path, int flags, unsigned mask, struct statx *restrict data),
        dir, path, flags, mask, data)

#define BY_FD(type, name, declared, ...) \
    type name declared {                 \
        wait_at_fd(fd);                  \
        return NEXT(name)(__VA_ARGS__);  \
    }
BY_FD(int, fsync, (int fd), fd)
BY_FD(int, fdatasync, (int fd), fd)
BY_FD(ssize_t, write, (int fd, const void *bytes, size_t length), fd, bytes, length)
BY_FD(ssize_t, read, (int fd, void *bytes, size_t length), fd, bytes, length)
