// What glibc's <spawn.h> keeps behind _GNU_SOURCE, which Swift's view of glibc is made without.
#pragma once
#include <spawn.h>

/// Closes every descriptor from `from` on.
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
/// Starts in the folder `path`.
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
