// posix_spawn(3) as every program of ours is started; some of it stands behind _GNU_SOURCE, which Swift does not see.
#define _GNU_SOURCE
#include "CSpawn.h"
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, hcq_start start) {
    int given[] = {start.input, start.output, start.errors};
    for (int i = 0; i < 3; i++) {
        int code = posix_spawn_file_actions_adddup2(actions, given[i], i);
        if (code) return code;
    }
    int code = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    if (!code && start.directory) code = posix_spawn_file_actions_addchdir_np(actions, start.directory);
    if (code) return code;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    short group = start.leads_group ? POSIX_SPAWN_SETPGROUP : 0;
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group);
}

int hcq_spawn(pid_t *pid, hcq_start start, char *const arguments[], char *const environment[]) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int code = posix_spawn_file_actions_init(&actions);
    if (code) return code;
    code = posix_spawnattr_init(&attributes);
    if (!code) {
        code = prepare(&actions, &attributes, start);
        if (!code) code = posix_spawnp(pid, arguments[0], &actions, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

int hcq_ending(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status); }
