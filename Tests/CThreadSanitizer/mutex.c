// ThreadSanitizer does not see that Swift's Mutex has waited: that part of it is in a library that is not instrumented, and
// what two threads did one after the other looks like a race. Linked into the tests, this function takes the place of the
// library's, calls it, and says what happened.
#define _GNU_SOURCE
#include "CThreadSanitizer.h"
#include <dlfcn.h>
#include <stdint.h>

#if defined(__has_feature) && __has_feature(thread_sanitizer)

void __tsan_acquire(void *address);

// Synchronization._MutexHandle._lockSlow(Swift.UInt32) -> ()
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"

typedef __attribute__((swiftcall)) void lock_slow(uint32_t state, __attribute__((swift_context)) void *handle);

lock_slow hcq_lock_slow __asm__(LOCK_SLOW);

__attribute__((swiftcall)) void hcq_lock_slow(uint32_t state, __attribute__((swift_context)) void *handle) {
    static lock_slow *library;
    if (!library) library = (lock_slow *)dlsym(RTLD_NEXT, LOCK_SLOW);
    library(state, handle);
    __tsan_acquire(handle);
}

#endif
