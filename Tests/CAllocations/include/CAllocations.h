// Counts what the calling thread allocates. Linked into the tests, these functions take the place of the C library's.
#ifndef HCQD_CALLOCATIONS_H
#define HCQD_CALLOCATIONS_H

/// Calls of malloc, calloc, realloc, aligned_alloc, memalign and posix_memalign by this thread so far.
long hcq_allocations(void);

/// Whether they are counted: not under a sanitizer.
int hcq_counts_allocations(void);

#endif
