// SPDX-License-Identifier: Apache-2.0
// Times COUNT rounds of some commands, separated by ";". The command `wait` waits for a container's init, which becomes
// our child when `create` ends (we are a subreaper, as containerd's shim and conmon are). Prints, for each round,
// nanoseconds and the peak RSS in KiB of any process. A command that begins with the word `+` is done but not counted.
//
// Not Python's own wait4: ru_maxrss survives execve, so a child of a 10 MB parent never shows less than 10 MB.
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

// Runs one command to its end; returns its peak RSS.
static long step(char **command)
{
    pid_t pid = -1;
    if (strcmp(command[0], "wait") != 0) {
        pid = vfork();
        if (pid == 0) {
            execv(command[0], command);
            _exit(127);
        }
        if (pid < 0)
            err(1, "vfork");
    }
    int status;
    struct rusage usage;
    if (wait4(pid, &status, 0, &usage) < 0)
        err(1, "wait4");
    if (status != 0)
        errx(1, "%s %s: wait status 0x%x", command[0], command[1] ? command[1] : "", status);
    return usage.ru_maxrss;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        errx(2, "usage: stopwatch COUNT COMMAND [ARGUMENT...] [; COMMAND...]");
    FILE *results = fdopen(fcntl(1, F_DUPFD_CLOEXEC, 3), "w");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (!results || dup2(null, 0) < 0 || dup2(null, 1) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        err(1, "set-up");

    char **first = argv + 2;
    for (char **word = first; *word; word++)
        if (strcmp(*word, ";") == 0)
            *word = NULL;
    for (int round = atoi(argv[1]); round > 0; round--) {
        long rss = 0, elapsed = 0;
        for (char **command = first; command < argv + argc; command++) {
            int counts = strcmp(*command, "+") != 0;
            long start = now(), peak = step(command + !counts);
            if (counts) {
                elapsed += now() - start;
                rss = peak > rss ? peak : rss;
            }
            while (*command)
                command++;
        }
        fprintf(results, "%ld %ld\n", elapsed, rss);
    }
    return fclose(results) ? 1 : 0;
}
