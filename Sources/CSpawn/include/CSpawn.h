#pragma once
#include <stdbool.h>
#include <sys/types.h>

/// What a program starts with.
typedef struct {
    /// Becomes its standard input, output and error; everything else is closed, also what another thread opens meanwhile.
    int input, output, errors;
    /// NULL for the caller's.
    const char *directory;
    /// Whether it leads a process group of its own.
    bool leads_group;
} hcq_start;

/// Starts a program, looked for in PATH when it has no slash, as if from a shell: no signal blocked or ignored.
/// Returns 0, or the number of an error as of errno.
int hcq_spawn(pid_t *pid, hcq_start start, char *const arguments[], char *const environment[]);

/// The exit status, or the negative number of the signal that ended it, of what waitpid(2) gave.
int hcq_ending(int status);
