#define _GNU_SOURCE
#include "CCounters.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __GLIBC__
#error "The counters are for Linux with glibc."
#endif

// Allocations: the functions of this program come before those of glibc, which have second names.

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static _Thread_local long allocations;

long counters_allocations(void) { return allocations; }

void *malloc(size_t size) {
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    allocations++;
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) {
        return EINVAL;
    }
    allocations++;
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *result = memory;
    return 0;
}

// Instructions: a debugger's single steps. Virtual machines seldom show the processor's counter.

// What runs away ends here, after a minute or so.
static const long most_instructions = 3000000;

long counters_step(void) {
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(1);
        raise(SIGSTOP);
        return COUNTERS_CHILD;
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
        return COUNTERS_FAILED;
    }
    long count = 0;
    while (count < most_instructions && ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0 &&
           waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
           WSTOPSIG(status) == SIGTRAP) {
        count++;
    }
    if (!WIFSTOPPED(status)) return COUNTERS_FAILED;
    int stopped_by = WSTOPSIG(status);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return stopped_by == SIGSTOP ? count : COUNTERS_FAILED;
}

_Noreturn void counters_stop(void) {
    raise(SIGSTOP);
    _exit(0);
}
