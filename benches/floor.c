// SPDX-License-Identifier: Apache-2.0
// The floor: only the kernel calls that a config itself demands, in the cheapest order known, with no parsing, no state,
// no checks and no protection from the container. It is what a perfect runtime could not go below, not a runtime.
// plan.h, made from config.json by floor.py, says what to do.
//
//   floor run NAME ROOTFS COMMAND...     floor exec NAME PID COMMAND...
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

struct mount {
    const char *type, *source, *target;
    unsigned long flags;
    const char *data;
    int make;
};
struct limit {
    int resource;
    struct rlimit value;
};
#include "plan.h"

#define CHECK(call)                \
    do {                           \
        if ((call) < 0)            \
            err(1, "%s", #call);   \
    } while (0)

static char path[PATH_MAX];

static const char *in(const char *dir, const char *name, const char *file)
{
    snprintf(path, sizeof path, "%s/%s%s", dir, name, file);
    return path;
}

static void put(const char *file, const char *text, size_t size)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, size) < 0)
        err(1, "%s", file);
    close(fd);
}

// An empty cpuset takes no process: it is given what its parent has.
static void inherit(const char *dir, const char *name, const char *file)
{
    char text[4096];
    snprintf(path, sizeof path, "%s%s", dir, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (size < 0)
        err(1, "%s", path);
    close(fd);
    put(in(dir, name, file), text, size);
}

static void make_cgroups(const char *name)
{
    static const char *const devices[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm",
                                          "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"};
    for (const char *const *dir = cgroups; *dir; dir++) {
        CHECK(mkdir(in(*dir, name, ""), 0755));
        if (strstr(*dir, "/cpuset")) {
            inherit(*dir, name, "/cpuset.cpus");
            inherit(*dir, name, "/cpuset.mems");
        } else if (strstr(*dir, "/devices")) {
            put(in(*dir, name, "/devices.deny"), "a", 1);
            for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
                put(in(*dir, name, "/devices.allow"), devices[i], strlen(devices[i]));
        }
    }
}

// "0" in `tasks` moves the writer alone: no cgroup_threadgroup_rwsem, no RCU grace period.
static void join_cgroups(const char *name)
{
    for (const char *const *dir = cgroups; *dir; dir++)
        put(in(*dir, name, "/tasks"), "0", 1);
}

static void rootfs(const char *name, const char *root)
{
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
    CHECK(mount(root, root, NULL, MS_BIND | MS_REC, NULL));
    CHECK(chdir(root));
    for (const struct mount *m = mounts; m->target; m++) {
        if (m->make)
            CHECK(mkdir(m->target, 0755));
        const char *source = m->type ? m->source : in(m->source, name, "");
        CHECK(mount(source, m->target, m->type, m->flags, m->data));
        if (m->flags & MS_BIND && m->flags & ~(MS_BIND | MS_REC))
            CHECK(mount(NULL, m->target, NULL, m->flags | MS_REMOUNT, NULL));
    }
}

static void devices(void)
{
    static const struct { const char *path; int major, minor; } nodes[] = {
        {"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/random", 1, 8}, {"dev/urandom", 1, 9},
        {"dev/tty", 5, 0}};
    umask(0);
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        CHECK(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
    umask(022);
    CHECK(symlink("/proc/self/fd", "dev/fd"));
    CHECK(symlink("/proc/self/fd/0", "dev/stdin"));
    CHECK(symlink("/proc/self/fd/1", "dev/stdout"));
    CHECK(symlink("/proc/self/fd/2", "dev/stderr"));
    CHECK(symlink("pts/ptmx", "dev/ptmx"));
}

static void pivot(void)
{
    CHECK(syscall(SYS_pivot_root, ".", "."));
    CHECK(umount2(".", MNT_DETACH));
    CHECK(chdir("/"));
    for (const char *const *p = readonly; *p; p++)
        if (mount(*p, *p, NULL, MS_BIND | MS_REC, NULL) == 0)
            CHECK(mount(NULL, *p, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    for (const char *const *p = masked; *p; p++)
        if (mount("/dev/null", *p, NULL, MS_BIND, NULL) < 0 && errno == ENOTDIR)
            CHECK(mount("tmpfs", *p, "tmpfs", MS_RDONLY, NULL));
    if (READONLY_ROOT)
        CHECK(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
}

// What the process is, then the process.
static void become(char **command)
{
    for (const struct limit *l = limits; l->resource >= 0; l++)
        CHECK(setrlimit(l->resource, &l->value));
    CHECK(setsid());
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (!(BOUNDING >> cap & 1))
            prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    CHECK(setgroups(0, NULL));
    CHECK(setresgid(0, 0, 0));
    CHECK(setresuid(0, 0, 0));
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2] = {
        {(unsigned)EFFECTIVE, (unsigned)PERMITTED, (unsigned)INHERITABLE},
        {(unsigned)(EFFECTIVE >> 32), (unsigned)(PERMITTED >> 32), (unsigned)(INHERITABLE >> 32)}};
    CHECK(syscall(SYS_capset, &header, caps));
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (AMBIENT & INHERITABLE & PERMITTED & 1ULL << cap)
            CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0));
    if (NO_NEW_PRIVILEGES)
        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    execve(command[0], command, (char *const *)environment);
    err(1, "%s", command[0]);
}

static pid_t clone3(unsigned long flags)
{
    struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
    pid_t pid = syscall(SYS_clone3, &args, sizeof args);
    CHECK(pid);
    return pid;
}

static int end(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0));
    return status != 0;
}

static int run(const char *name, const char *root, char **command)
{
    make_cgroups(name);
    pid_t pid = clone3(CLONE_FLAGS & ~CLONE_NEWCGROUP);
    if (pid == 0) {
        join_cgroups(name);
        if (CLONE_FLAGS & CLONE_NEWCGROUP) // its root is the cgroup of this moment
            CHECK(unshare(CLONE_NEWCGROUP));
        CHECK(sethostname(HOSTNAME, strlen(HOSTNAME)));
        rootfs(name, root);
        devices();
        pivot();
        become(command);
    }
    int failed = end(pid);
    for (const char *const *dir = cgroups; *dir; dir++)
        CHECK(rmdir(in(*dir, name, "")));
    return failed;
}

static int execute(const char *name, pid_t target, char **command)
{
    int pidfd = syscall(SYS_pidfd_open, target, 0);
    CHECK(pidfd);
    CHECK(setns(pidfd, CLONE_NEWPID));
    pid_t pid = clone3(0);
    if (pid == 0) {
        join_cgroups(name);
        CHECK(setns(pidfd, CLONE_FLAGS & ~CLONE_NEWPID));
        become(command);
    }
    return end(pid);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        errx(2, "usage: floor run NAME ROOTFS COMMAND... | floor exec NAME PID COMMAND...");
    if (strcmp(argv[1], "run") == 0)
        return run(argv[2], argv[3], argv + 4);
    return execute(argv[2], atoi(argv[3]), argv + 4);
}
