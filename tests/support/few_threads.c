/* While the file KW_NO_THREADS is there, no thread can be started beside KW_THREADS that run. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

typedef void *(*body)(void *);
struct start {
    body run;
    void *arg;
};

static atomic_int running;

static void *counted(void *arg) {
    struct start start = *(struct start *)arg;
    free(arg);
    void *result = start.run(start.arg);
    atomic_fetch_sub(&running, 1);
    return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, body run, void *arg) {
    int (*real)(pthread_t *, const pthread_attr_t *, body, void *) =
        (int (*)(pthread_t *, const pthread_attr_t *, body, void *))dlsym(RTLD_NEXT, "pthread_create");
    const char *most = getenv("KW_THREADS"), *file = getenv("KW_NO_THREADS");
    int before = atomic_fetch_add(&running, 1);
    int error = EAGAIN;
    if (!most || !file || before < atoi(most) || access(file, F_OK) != 0) {
        struct start *start = malloc(sizeof *start);
        *start = (struct start){run, arg};
        error = real(thread, attr, counted, start);
        if (error) free(start);
    }
    if (error) atomic_fetch_sub(&running, 1);
    return error;
}
