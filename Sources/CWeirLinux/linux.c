#define _GNU_SOURCE
#include "CWeirLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#endif

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

int weir_fallocate(int fd, int64_t offset, int64_t count) {
#ifdef __linux__
    for (;;) {
        if (fallocate(fd, 0, offset, count) == 0) return 0;
        if (errno != EINTR) return -errno;
    }
#else
    (void)fd, (void)offset, (void)count;
    return -EOPNOTSUPP;
#endif
}

int64_t weir_read_cached(int fd, void *bytes, size_t count, int64_t offset) {
#ifdef __linux__
    struct iovec part = {.iov_base = bytes, .iov_len = count};
    ssize_t done = preadv2(fd, &part, 1, offset, RWF_NOWAIT);
    return done < 0 ? -errno : done;
#else
    (void)fd, (void)bytes, (void)count, (void)offset;
    return -EAGAIN;
#endif
}

int weir_write_all(int fd, struct iovec *parts, int count, int64_t offset) {
    while (count > 0) {
        if (parts->iov_len == 0) {
            parts++, count--;
            continue;
        }
        ssize_t done = pwritev(fd, parts, count < IOV_MAX ? count : IOV_MAX, offset);
        if (done < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if (done == 0) return -EIO;
        offset += done;
        size_t left = (size_t)done;
        while (count > 0 && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++, count--;
        }
        if (left > 0) {
            parts->iov_base = (char *)parts->iov_base + left;
            parts->iov_len -= left;
        }
    }
    return 0;
}

int weir_populate_read(void *address, size_t count) {
#ifdef __linux__
    for (;;) {
        if (madvise(address, count, MADV_POPULATE_READ) == 0) return 0;
        if (errno == EINVAL) return 0;
        if (errno != EINTR && errno != EAGAIN) return -errno;
    }
#else
    (void)address, (void)count;
    return 0;
#endif
}

int weir_available_processors(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

int64_t weir_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    return limit.rlim_cur > (1 << 20) ? (1 << 20) : (int64_t)limit.rlim_cur;
}

int64_t weir_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return weir_descriptor_limit();
}

int weir_lock(int fd) {
    return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

void weir_name_thread(const char *name) {
#ifdef __linux__
    pthread_setname_np(pthread_self(), name);
#else
    (void)name;
#endif
}

extern char **environ;

char **weir_environment(void) { return environ; }

int weir_sync_all(int fd) {
#ifdef __linux__
    return syncfs(fd) == 0 ? 0 : -errno;
#else
    (void)fd;
    sync();
    return 0;
#endif
}
