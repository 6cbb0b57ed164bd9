/* The least it takes to run one command many times: posix_spawn, output captured over a pipe, AT_ONCE
   running, awaited in order. Usage: spawn_limit TIMES AT_ONCE COMMAND [ARGUMENT...] */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct running { pid_t pid; int reader; };

static struct running start(char **command)
{
    int ends[2];
    struct running one;
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC)) { perror("pipe2"); exit(2); }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    if (posix_spawnp(&one.pid, command[0], &actions, NULL, command, environ)) { perror("posix_spawnp"); exit(2); }
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    one.reader = ends[0];
    return one;
}

static void finish(struct running one)
{
    char buffer[4096];
    int status;
    while (read(one.reader, buffer, sizeof buffer) > 0) {}
    close(one.reader);
    if (waitpid(one.pid, &status, 0) < 0 || status) { fputs("the command failed\n", stderr); exit(1); }
}

int main(int count, char **arguments)
{
    if (count < 4) { fputs("usage: spawn_limit TIMES AT_ONCE COMMAND...\n", stderr); return 2; }
    int times = atoi(arguments[1]), at_once = atoi(arguments[2]);
    struct running *ring = calloc((size_t)at_once, sizeof *ring);
    for (int i = 0; i < times; i++) {
        if (i >= at_once) finish(ring[i % at_once]);
        ring[i % at_once] = start(arguments + 3);
    }
    for (int i = times < at_once ? 0 : times - at_once; i < times; i++) finish(ring[i % at_once]);
    free(ring);
    return 0;
}
