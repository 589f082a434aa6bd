/* Preloaded into a server: another clock. DOORNAIL_CLOCK names a file of struct control, which is
 * read at each look at the clock. The wall clock is `wall` ns off. All clocks run `before` ppb
 * fast until `anchor` (of CLOCK_MONOTONIC), when they are `skew` ns ahead, and `after` since. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define DESCRIPTORS 65536
struct control {
    volatile uint64_t version; /* odd while it is written */
    volatile int64_t wall, anchor, skew, before, after;
};
static const struct control nothing;
static const struct control *control = &nothing;
static int (*real_gettime)(clockid_t, struct timespec *);
static unsigned char timers[DESCRIPTORS];

/* The newest version of a symbol: for the older one, conditions have another form. */
static void *next(const char *name, const char *version) {
    void *found = version ? dlvsym(RTLD_NEXT, name, version) : NULL;
    return found ? found : dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void begin(void) {
    real_gettime = next("clock_gettime", NULL);
    const char *path = getenv("DOORNAIL_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *map = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) control = map;
    close(file);
}

static int64_t nanoseconds(const struct timespec *t) { return t->tv_sec * SECOND + t->tv_nsec; }

static void set(struct timespec *t, int64_t ns) {
    if (ns < 1) ns = 1;
    t->tv_sec = ns / SECOND;
    t->tv_nsec = ns % SECOND;
}

/* How far a clock is ahead of the real one. */
static int64_t ahead(int is_wall) {
    struct timespec now;
    struct control c;
    do {
        while ((c.version = control->version) & 1) {}
        c.wall = control->wall, c.anchor = control->anchor, c.skew = control->skew;
        c.before = control->before, c.after = control->after;
        __sync_synchronize();
    } while (c.version != control->version);
    real_gettime(CLOCK_MONOTONIC, &now);
    int64_t since = nanoseconds(&now) - c.anchor;
    __int128 drift = (__int128)since * (since < 0 ? c.before : c.after) / SECOND;
    return (is_wall ? c.wall : 0) + c.skew + (int64_t)drift;
}

static int is_wall(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    if (!real_gettime) real_gettime = next("clock_gettime", NULL);
    int result = real_gettime(clock, t);
    if (result == 0 && (is_wall(clock) || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
                        clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE))
        set(t, nanoseconds(t) + ahead(is_wall(clock)));
    return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *t = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}

/* Moments that the kernel waits for are of its own clocks. */
static struct timespec kernels(const struct timespec *t, int wall) {
    struct timespec result;
    set(&result, nanoseconds(t) - ahead(wall));
    return result;
}

int timerfd_create(clockid_t clock, int flags) {
    static int (*real)(clockid_t, int);
    if (!real) real = next("timerfd_create", NULL);
    int file = real(clock, flags);
    if (file >= 0 && file < DESCRIPTORS) timers[file] = is_wall(clock);
    return file;
}

int timerfd_settime(int file, int flags, const struct itimerspec *new, struct itimerspec *old) {
    static int (*real)(int, int, const struct itimerspec *, struct itimerspec *);
    if (!real) real = next("timerfd_settime", NULL);
    struct itimerspec moved = *new;
    if ((flags & TFD_TIMER_ABSTIME) && nanoseconds(&new->it_value) != 0)
        moved.it_value = kernels(&new->it_value, file < DESCRIPTORS && timers[file]);
    return real(file, flags, &moved, old);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left) {
    static int (*real)(clockid_t, int, const struct timespec *, struct timespec *);
    if (!real) real = next("clock_nanosleep", NULL);
    struct timespec moved = (flags & TIMER_ABSTIME) ? kernels(t, is_wall(clock)) : *t;
    return real(clock, flags, &moved, left);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                           const struct timespec *until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real) real = next("pthread_cond_timedwait", "GLIBC_2.3.2");
    /* Which clock a condition uses cannot be asked; only the wall clock counts from 1970. */
    struct timespec moved = kernels(until, until->tv_sec > 1000000000);
    return real(condition, mutex, &moved);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
    if (!real) real = next("pthread_cond_clockwait", NULL);
    struct timespec moved = kernels(until, is_wall(clock));
    return real(condition, mutex, clock, &moved);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    static int (*real)(sem_t *, const struct timespec *);
    if (!real) real = next("sem_timedwait", NULL);
    struct timespec moved = kernels(until, 1);
    return real(semaphore, &moved);
}
