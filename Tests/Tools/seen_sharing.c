// Shows ThreadSanitizer what Swift's libraries do to keep threads apart; they come without its instrumentation.
//
//   LD_PRELOAD=seen_sharing.so PROGRAM
//
// Mutex: where nobody else wants it, it is taken and given back by atomic operations in the caller's code, which are seen.
// Where somebody does, the library takes it and gives it back, unseen: every access under a Mutex that had to be waited for
// would look like a race.
//
// Copy on write: a value is changed in place once all copies are gone. That the count of references says so orders the
// reading of a copy before the change, which would look like a race with it.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

// Absent in programs without ThreadSanitizer, which are left as they are.
void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef SWIFT void Lock(uint32_t thread, SELF);
typedef SWIFT void Unlock(SELF);
typedef void Release(void *object);
typedef void ReleaseMany(void *object, uint32_t count);
typedef bool IsUnique(void *object);

static struct {
    Lock *lock;
    Unlock *unlock;
    Release *release, *release_bridge;
    ReleaseMany *release_many, *release_bridge_many;
    IsUnique *is_unique;
} real;

// Also before the constructor: libraries that are set up earlier let references go.
__attribute__((constructor)) static void find(void) {
    if (real.release) return;
    real.is_unique = (IsUnique *)dlsym(RTLD_NEXT, "swift_isUniquelyReferenced_nonNull_native");
    real.release_many = (ReleaseMany *)dlsym(RTLD_NEXT, "swift_release_n");
    real.release_bridge = (Release *)dlsym(RTLD_NEXT, "swift_bridgeObjectRelease");
    real.release_bridge_many = (ReleaseMany *)dlsym(RTLD_NEXT, "swift_bridgeObjectRelease_n");
    real.unlock = (Unlock *)dlsym(RTLD_NEXT, UNLOCK);
    real.lock = (Lock *)dlsym(RTLD_NEXT, LOCK);
    real.release = (Release *)dlsym(RTLD_NEXT, "swift_release");
}

// What the counting of references orders: who lets one go comes before whoever sees afterwards that it was the last but one.
static void let_go(void *object) {
    // Null, or, of bridge objects, a value that is no reference.
    if (!__tsan_release || (intptr_t)object <= 0) return;
    // The upper bits of a reference to bridge objects say of what kind it is.
    object = (void *)((uintptr_t)object & 0x00fffffffffffff8);
    // Objects that live for ever count nothing: the lower half of their count is full.
    if (((uint32_t *)object)[2] == UINT32_MAX) return;
    __tsan_acquire(object);
    __tsan_release(object);
}

void swift_release(void *object) {
    find();
    let_go(object);
    real.release(object);
}

void swift_release_n(void *object, uint32_t count) {
    find();
    let_go(object);
    real.release_many(object, count);
}

void swift_bridgeObjectRelease(void *object) {
    find();
    let_go(object);
    real.release_bridge(object);
}

void swift_bridgeObjectRelease_n(void *object, uint32_t count) {
    find();
    let_go(object);
    real.release_bridge_many(object, count);
}

bool swift_isUniquelyReferenced_nonNull_native(void *object) {
    find();
    bool is_unique = real.is_unique(object);
    if (is_unique && __tsan_acquire) __tsan_acquire(object);
    return is_unique;
}

// Synchronization._MutexHandle._lockSlow(_: UInt32)
Lock seen_lock __asm__(LOCK);
SWIFT void seen_lock(uint32_t thread, SELF) {
    find();
    real.lock(thread, self);
    if (__tsan_acquire) __tsan_acquire(self);
}

// Synchronization._MutexHandle._unlockSlow()
Unlock seen_unlock __asm__(UNLOCK);
SWIFT void seen_unlock(SELF) {
    find();
    if (__tsan_release) __tsan_release(self);
    real.unlock(self);
}
