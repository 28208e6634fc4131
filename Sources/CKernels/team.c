// Threads that share the tiles of one job after another: no allocation, no lock, and a system call only where somebody sleeps.
#define _GNU_SOURCE
#include "team.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/// Layers follow each other within this time; a thread that looks longer costs more than it wins.
static const long spin_nanoseconds = 30000;

/// A Swift closure of (tile, worker): a function and its context, in Swift's calling convention.
typedef __attribute__((swiftcall)) void (*tile_body)(long tile, long worker, __attribute__((swift_context)) void *context);

/// The tiles that one worker begins with; when they are done it takes the others'.
typedef struct {
    _Alignas(64) atomic_long next;
    long end;
} tile_share;

struct hcq_team {
    /// Rises by one when a job opens and when it closes: odd while there is work. Sleeping helpers wait for a change.
    _Alignas(64) atomic_uint generation;
    atomic_int sleepers, is_ending;
    /// Helpers inside the job: it is over when it is closed and they are out.
    _Alignas(64) atomic_uint inside;
    atomic_int caller_sleeps;
    // The job; written while none is open and nobody inside.
    _Alignas(64) tile_body body;
    void *context;
    long shares;
    tile_share *share;
    int helpers;
    pthread_t *threads;
};

typedef struct {
    hcq_team *team;
    long worker;
} helper_start;

static void sleep_while(atomic_uint *word, unsigned value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, 0, 0, 0);
}
static void wake(atomic_uint *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0); }

static long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void breathe(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/// Looks at `word` for a while; returns what it found last.
static unsigned spin_while(atomic_uint *word, unsigned value) {
    long until = nanoseconds() + spin_nanoseconds;
    do {
        for (int i = 0; i < 32; i++) {
            unsigned found = atomic_load_explicit(word, memory_order_acquire);
            if (found != value) return found;
            breathe();
        }
    } while (nanoseconds() < until);
    return value;
}

/// Takes tiles until none is left, the worker's own share first.
static void work(hcq_team *team, long worker) {
    for (long i = 0; i < team->shares; i++) {
        tile_share *share = &team->share[(worker + i) % team->shares];
        while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->end) {
            long tile = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
            if (tile < share->end) team->body(tile, worker, team->context);
        }
    }
}

static void *help(void *argument) {
    helper_start start = *(helper_start *)argument;
    free(argument);
    hcq_team *team = start.team;
    unsigned seen = 0;
    // Looked at after every look at the generation and before every sleep: the end may come while one enters a job.
    while (!atomic_load(&team->is_ending)) {
        unsigned generation = spin_while(&team->generation, seen);
        if (generation == seen) {
            atomic_fetch_add(&team->sleepers, 1);
            sleep_while(&team->generation, seen);
            atomic_fetch_sub(&team->sleepers, 1);
            generation = atomic_load(&team->generation);
        }
        if (generation == seen) continue;
        seen = generation;
        if (generation % 2 == 0) continue;
        // Entered first, then looked again: a caller that closed the job meanwhile either sees this helper or is seen.
        atomic_fetch_add(&team->inside, 1);
        seen = atomic_load(&team->generation);
        if (seen % 2) work(team, start.worker);
        if (atomic_fetch_sub(&team->inside, 1) == 1 && atomic_load(&team->caller_sleeps)) wake(&team->inside, 1);
    }
    return 0;
}

/// Calls `body` for every tile 0 ..< tiles with a worker 0 ... helpers, tiles of one worker one after the other; returns when
/// all are done. One job at a time. What the bodies wrote is seen by the caller, and what it wrote by them.
__attribute__((swiftcall)) void hcq_team_run(hcq_team *team, long tiles, tile_body body, void *context) {
    long workers = team->helpers + 1 < tiles ? team->helpers + 1 : tiles;
    for (long i = 0; i < workers; i++) {
        atomic_store_explicit(&team->share[i].next, tiles * i / workers, memory_order_relaxed);
        team->share[i].end = tiles * (i + 1) / workers;
    }
    team->body = body;
    team->context = context;
    team->shares = workers;
    atomic_fetch_add(&team->generation, 1);
    if (atomic_load(&team->sleepers)) wake(&team->generation, (int)workers - 1);
    work(team, 0);
    atomic_fetch_add(&team->generation, 1);
    for (;;) {
        unsigned inside = atomic_load(&team->inside);
        if (!inside) return;
        if (spin_while(&team->inside, inside) != inside) continue;
        atomic_store(&team->caller_sleeps, 1);
        sleep_while(&team->inside, inside);
        atomic_store(&team->caller_sleeps, 0);
    }
}

hcq_team *hcq_team_new(int helpers) {
    hcq_team *team = aligned_alloc(64, sizeof *team);
    tile_share *share = aligned_alloc(64, (helpers + 1) * sizeof *share);
    pthread_t *threads = malloc((helpers + 1) * sizeof *threads);
    if (!team || !share || !threads) {
        free(team), free(share), free(threads);
        return 0;
    }
    *team = (hcq_team){.share = share, .threads = threads};
    // Signals are for threads that know what to do with them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (; team->helpers < helpers; team->helpers++) {
        helper_start *start = malloc(sizeof *start);
        if (!start) break;
        *start = (helper_start){team, team->helpers + 1};
        if (pthread_create(&threads[team->helpers], 0, help, start)) {
            free(start);
            break;
        }
        pthread_setname_np(threads[team->helpers], "hcqd-engine");
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return team;
}

void hcq_team_free(hcq_team *team) {
    atomic_store(&team->is_ending, 1);
    // Even before and after, so that nobody takes it for work.
    atomic_fetch_add(&team->generation, 2);
    wake(&team->generation, team->helpers);
    for (int i = 0; i < team->helpers; i++) pthread_join(team->threads[i], 0);
    free(team->threads);
    free(team->share);
    free(team);
}
