// A disk that fails, put between a program and the system with LD_PRELOAD.
//
//   cc -shared -fPIC -O2 -o faulty_disk.so faulty_disk.c
//
// Only files under FAULTY_ROOT are touched. Environment:
//   FAULTY_ROOT     directory, absolute
//   FAULTY_RECORD   file that gets a line for every call that changes the disk: what is durable can be told from it
//   FAULTY_STASH    directory on the same file system; files that are replaced or removed stay there under a number
//   FAULTY_DIE_AT   the number of the call at which the process is killed: before it, after it, or half-way through a write
//   FAULTY_SEED     for short writes and for where in the call death comes; without it writes are not short
//   FAULTY_SWITCHES file of `struct faults`, mapped; who runs the test turns faults on and off in it
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum operation { OPEN, WRITE, FSYNC, FDATASYNC, RENAME, UNLINK, TRUNCATE, MKDIR, OPERATIONS };

// All integers are 32 bits, in this order. `code` is an errno, 0 for no fault; `left` is how many calls fail, -1 for all.
// `room` is how many bytes may still be written, -1 for no limit; `stall` is a delay in
// milliseconds of every sync, and of every time that a file is opened.
struct faults {
    struct { _Atomic int32_t code, left; } calls[OPERATIONS];
    _Atomic int32_t room, stall, said;
};

static const char *root, *stash;
static size_t root_length;
static int record = -1;
static long die_at;
static _Atomic long calls, stashed;
static _Atomic uint64_t seed;
static int is_short;
static struct faults *faults;
static _Atomic uint64_t tracked[65536];  // inode + 1 by descriptor

static void __attribute__((constructor)) start(void) {
    root = getenv("FAULTY_ROOT");
    root_length = root ? strlen(root) : 0;
    stash = getenv("FAULTY_STASH");
    const char *path = getenv("FAULTY_RECORD");
    if (path) record = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *text = getenv("FAULTY_DIE_AT");
    die_at = text ? atol(text) : 0;
    text = getenv("FAULTY_SEED");
    is_short = text != NULL;
    atomic_store(&seed, text ? strtoull(text, NULL, 10) : 1);
    path = getenv("FAULTY_SWITCHES");
    if (path) {
        int file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
        void *map = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (map != MAP_FAILED) faults = map;
        if (file >= 0) syscall(SYS_close, file);
    }
    // Programs that this one starts have a disk of their own.
    unsetenv("LD_PRELOAD");
}

static uint64_t chance(void) {
    uint64_t z = atomic_fetch_add(&seed, 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int is_ours(const char *path) {
    return root_length && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static uint64_t inode_of(int descriptor) {
    return descriptor >= 0 && descriptor < 65536 ? atomic_load(&tracked[descriptor]) : 0;
}

static void say(const char *format, ...) {
    if (record < 0) return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char line[3 * PATH_MAX];
    int length = snprintf(line, sizeof line, "%lld ", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    va_list arguments;
    va_start(arguments, format);
    length += vsnprintf(line + length, sizeof line - length - 1, format, arguments);
    va_end(arguments);
    line[length++] = '\n';
    syscall(SYS_write, record, line, length);
}

static void die(void) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) pause();
}

// Counts a call. 0: go on; 1: go on and die afterwards (a write: half-way); it does not return when death comes first.
static int begin(void) {
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (die_at == 0 || number < die_at) return 0;
    if (number > die_at || chance() % 2 == 0) die();
    return 1;
}

// Whether a fault is on for this operation; sets errno.
static int fails(enum operation operation) {
    if (!faults) return 0;
    int code = atomic_load(&faults->calls[operation].code);
    if (code == 0) return 0;
    int left = atomic_load(&faults->calls[operation].left);
    if (left == 0) return 0;
    if (left > 0) atomic_fetch_sub(&faults->calls[operation].left, 1);
    atomic_fetch_add(&faults->said, 1);
    errno = code;
    return 1;
}

// Keeps what a name leads to, so that the loss of a rename or removal can be played out later. -1: there was nothing.
static long keep(const char *path) {
    if (!stash) return -1;
    long number = atomic_fetch_add(&stashed, 1);
    char kept[PATH_MAX];
    snprintf(kept, sizeof kept, "%s/%d-%ld", stash, (int)getpid(), number);
    return syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, kept, 0) == 0 ? number : -1;
}

static int really_open(const char *path, int flags, mode_t mode) {
    return syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

static int open_path(const char *path, int flags, mode_t mode) {
    if (!is_ours(path) || (flags & O_TMPFILE) == O_TMPFILE) return really_open(path, flags, mode);
    struct stat status;
    if (faults && atomic_load(&faults->stall) > 0) usleep(1000 * atomic_load(&faults->stall));
    if ((flags & (O_CREAT | O_WRONLY | O_RDWR)) && fails(OPEN)) return -1;
    int was_there = stat(path, &status) == 0;
    int changes = (!was_there && (flags & O_CREAT)) || (was_there && (flags & O_TRUNC));
    int dies = changes ? begin() : 0;
    int descriptor = really_open(path, flags, mode);
    if (descriptor < 0 || descriptor >= 65536 || fstat(descriptor, &status) != 0) return descriptor;
    if (S_ISDIR(status.st_mode)) {
        atomic_store(&tracked[descriptor], status.st_ino + 1);
        return descriptor;
    }
    if (!was_there) say("create %llu %s", (unsigned long long)status.st_ino, path);
    if (flags & (O_WRONLY | O_RDWR)) say("open %llu %lld", (unsigned long long)status.st_ino, (long long)status.st_size);
    if (was_there && (flags & O_TRUNC)) say("truncate %llu 0", (unsigned long long)status.st_ino);
    atomic_store(&tracked[descriptor], status.st_ino + 1);
    if (dies) die();
    return descriptor;
}

#define OPEN_LIKE(name)                                       \
    int name(const char *path, int flags, ...) {              \
        va_list arguments;                                    \
        va_start(arguments, flags);                           \
        mode_t mode = va_arg(arguments, mode_t);              \
        va_end(arguments);                                    \
        return open_path(path, flags, mode);                  \
    }
OPEN_LIKE(open)
OPEN_LIKE(open64)

#define OPENAT_LIKE(name)                                     \
    int name(int directory, const char *path, int flags, ...) {\
        va_list arguments;                                    \
        va_start(arguments, flags);                           \
        mode_t mode = va_arg(arguments, mode_t);              \
        va_end(arguments);                                    \
        if (path[0] == '/') return open_path(path, flags, mode); \
        return syscall(SYS_openat, directory, path, flags | O_LARGEFILE, mode); \
    }
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

int close(int descriptor) {
    if (descriptor >= 0 && descriptor < 65536) atomic_store(&tracked[descriptor], 0);
    return syscall(SYS_close, descriptor);
}

static ssize_t put(int descriptor, const void *bytes, size_t count, int64_t offset) {
    uint64_t inode = inode_of(descriptor);
    if (inode == 0 || count == 0) {
        return offset < 0 ? syscall(SYS_write, descriptor, bytes, count)
                          : syscall(SYS_pwrite64, descriptor, bytes, count, offset);
    }
    if (fails(WRITE)) return -1;
    int dies = begin();
    if (is_short && chance() % 4 == 0) count = 1 + chance() % count;
    if (faults) {
        int room = atomic_load(&faults->room);
        if (room == 0) return atomic_fetch_add(&faults->said, 1), errno = ENOSPC, -1;
        if (room > 0) {
            if (count > (size_t)room) count = room;
            atomic_fetch_sub(&faults->room, (int32_t)count);
        }
    }
    if (dies) count = (count + 1) / 2;
    // Before the write: what is under way counts as not durable.
    say("write %llu %zu", (unsigned long long)inode - 1, count);
    ssize_t written = offset < 0 ? syscall(SYS_write, descriptor, bytes, count)
                                 : syscall(SYS_pwrite64, descriptor, bytes, count, offset);
    if (dies) die();
    return written;
}

ssize_t write(int descriptor, const void *bytes, size_t count) { return put(descriptor, bytes, count, -1); }
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    return put(descriptor, bytes, count, offset);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    return put(descriptor, bytes, count, offset);
}

static int synchronize(int descriptor, enum operation operation) {
    uint64_t inode = inode_of(descriptor);
    long call = operation == FSYNC ? SYS_fsync : SYS_fdatasync;
    if (inode == 0) return syscall(call, descriptor);
    if (faults && atomic_load(&faults->stall) > 0) usleep(1000 * atomic_load(&faults->stall));
    if (fails(operation)) return -1;
    int dies = begin();
    struct stat status;
    fstat(descriptor, &status);
    int result = syscall(call, descriptor);
    // After the call: what is not known to be durable is not.
    if (result == 0) {
        say("%s %llu %lld", S_ISDIR(status.st_mode) ? "names" : "sync", (unsigned long long)inode - 1,
            (long long)status.st_size);
    }
    if (dies) die();
    return result;
}

int fsync(int descriptor) { return synchronize(descriptor, FSYNC); }
int fdatasync(int descriptor) { return synchronize(descriptor, FDATASYNC); }

static int cut(int descriptor, int64_t size) {
    uint64_t inode = inode_of(descriptor);
    if (inode == 0) return syscall(SYS_ftruncate, descriptor, size);
    if (fails(TRUNCATE)) return -1;
    int dies = begin();
    int result = syscall(SYS_ftruncate, descriptor, size);
    if (result == 0) say("truncate %llu %lld", (unsigned long long)inode - 1, (long long)size);
    if (dies) die();
    return result;
}

int ftruncate(int descriptor, off_t size) { return cut(descriptor, size); }
int ftruncate64(int descriptor, off64_t size) { return cut(descriptor, size); }

int rename(const char *from, const char *to) {
    if (!is_ours(to)) return syscall(SYS_rename, from, to);
    if (fails(RENAME)) return -1;
    int dies = begin();
    say("rename %ld %s\t%s", keep(to), from, to);
    int result = syscall(SYS_rename, from, to);
    if (dies) die();
    return result;
}

int unlink(const char *path) {
    if (!is_ours(path)) return syscall(SYS_unlink, path);
    if (fails(UNLINK)) return -1;
    int dies = begin();
    say("unlink %ld %s", keep(path), path);
    int result = syscall(SYS_unlink, path);
    if (dies) die();
    return result;
}

int mkdir(const char *path, mode_t mode) {
    if (is_ours(path) && fails(MKDIR)) return -1;
    return syscall(SYS_mkdir, path, mode);
}
