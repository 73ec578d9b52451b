// What the kernel alone costs: the floor that the broker's figures are put beside. Prints JSON on one line.
//
//   floor receive BYTES FILE   receives over loopback and writes to a preallocated file; CPU of the receiving process
//   floor send BYTES FILE      sends a cached file over loopback with sendfile; CPU of the sending process
//   floor sync COUNT FILE      4 KiB writes into a preallocated file, each with fdatasync; latency
//   floor warm BYTES FILE      writes and deletes, so that guest memory is not touched for the first time later
//
// The peer runs on the processor named by FLOOR_PEER_CPU, when that is set.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, FILE_BYTES_MAX = 1 << 30 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double now_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void move_to_peer_cpu(void) {
    const char *text = getenv("FLOOR_PEER_CPU");
    if (!text) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(atoi(text), &set);
    sched_setaffinity(0, sizeof set, &set);
}

/// Two ends of a TCP connection over loopback.
static void connect_pair(int ends[2]) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ends[0], (struct sockaddr *)&address, size)) fail("connect");
    ends[1] = accept(listener, NULL, NULL);
    if (ends[1] < 0) fail("accept");
    setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(listener);
}

static int preallocated(const char *path, int64_t bytes) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) fail(path);
    if (fallocate(fd, 0, 0, bytes)) fail("fallocate");
    return fd;
}

static void report(const char *what, double bytes, double cpu, double wall) {
    printf("{\"floor\":\"%s\",\"bytes\":%.0f,\"cpu_s\":%.4f,\"wall_s\":%.4f,\"cpu_s_per_gb\":%.4f}\n", what, bytes, cpu,
           wall, cpu / (bytes / 1e9));
}

static void receive(int64_t total, const char *path) {
    int ends[2];
    connect_pair(ends);
    if (fork() == 0) {
        move_to_peer_cpu();
        char *bytes = malloc(CHUNK);
        memset(bytes, 'x', CHUNK);
        close(ends[1]);
        for (int64_t left = total; left > 0;) {
            ssize_t count = write(ends[0], bytes, left < CHUNK ? left : CHUNK);
            if (count <= 0) fail("write");
            left -= count;
        }
        _exit(0);
    }
    close(ends[0]);
    int64_t file_bytes = total < FILE_BYTES_MAX ? total : FILE_BYTES_MAX;
    int fd = preallocated(path, file_bytes);
    char *bytes = malloc(CHUNK);
    memset(bytes, 0, CHUNK);
    double cpu = cpu_seconds(), start = now_seconds();
    int64_t position = 0;
    for (int64_t left = total; left > 0;) {
        // A whole request is gathered before it is written, as a broker has to.
        ssize_t have = 0, want = left < CHUNK ? left : CHUNK;
        while (have < want) {
            ssize_t count = read(ends[1], bytes + have, want - have);
            if (count <= 0) fail("read");
            have += count;
        }
        if (position + have > file_bytes) {
            // As a log that rolls: a new file, outside the figures' order of magnitude.
            close(fd);
            fd = preallocated(path, file_bytes);
            position = 0;
        }
        if (pwrite(fd, bytes, have, position) != have) fail("pwrite");
        position += have;
        left -= have;
    }
    report("receive", total, cpu_seconds() - cpu, now_seconds() - start);
    wait(NULL);
    unlink(path);
}

static void send_cached(int64_t total, const char *path) {
    int64_t file_bytes = total < (256 << 20) ? total : (256 << 20);
    int fd = preallocated(path, file_bytes);
    char *bytes = malloc(CHUNK);
    memset(bytes, 'y', CHUNK);
    for (int64_t position = 0; position < file_bytes; position += CHUNK) {
        if (pwrite(fd, bytes, CHUNK, position) != CHUNK) fail("pwrite");
    }
    int ends[2];
    connect_pair(ends);
    if (fork() == 0) {
        move_to_peer_cpu();
        close(ends[0]);
        while (read(ends[1], bytes, CHUNK) > 0) {}
        _exit(0);
    }
    close(ends[1]);
    double cpu = cpu_seconds(), start = now_seconds();
    off_t position = 0;
    for (int64_t left = total; left > 0;) {
        if (position >= file_bytes) position = 0;
        int64_t want = left < CHUNK ? left : CHUNK;
        if (want > file_bytes - position) want = file_bytes - position;
        ssize_t count = sendfile(ends[0], fd, &position, want);
        if (count <= 0) fail("sendfile");
        left -= count;
    }
    report("send", total, cpu_seconds() - cpu, now_seconds() - start);
    close(ends[0]);
    wait(NULL);
    unlink(path);
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void sync_latency(int count, const char *path) {
    int fd = preallocated(path, (int64_t)count * 4096);
    if (fsync(fd)) fail("fsync");
    double *times = malloc(sizeof(double) * count);
    char bytes[4096];
    memset(bytes, 'z', sizeof bytes);
    for (int index = 0; index < count; index++) {
        double start = now_seconds();
        if (pwrite(fd, bytes, sizeof bytes, (int64_t)index * 4096) != sizeof bytes) fail("pwrite");
        if (fdatasync(fd)) fail("fdatasync");
        times[index] = (now_seconds() - start) * 1e6;
    }
    qsort(times, count, sizeof(double), compare);
    printf("{\"floor\":\"sync\",\"count\":%d,\"p50_us\":%.1f,\"p99_us\":%.1f}\n", count, times[count / 2],
           times[(int)(count * 0.99)]);
    unlink(path);
}

static void warm(int64_t total, const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) fail(path);
    char *bytes = malloc(CHUNK);
    memset(bytes, 'w', CHUNK);
    for (int64_t left = total; left > 0; left -= CHUNK) {
        if (write(fd, bytes, CHUNK) != CHUNK) fail("write");
    }
    close(fd);
    unlink(path);
    printf("{\"floor\":\"warm\",\"bytes\":%lld}\n", (long long)total);
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: floor receive|send|sync|warm BYTES|COUNT FILE\n");
        return 2;
    }
    int64_t number = strtoll(arguments[2], NULL, 10);
    if (number <= 0) return 2;
    if (!strcmp(arguments[1], "receive")) receive(number, arguments[3]);
    else if (!strcmp(arguments[1], "send")) send_cached(number, arguments[3]);
    else if (!strcmp(arguments[1], "sync")) sync_latency((int)number, arguments[3]);
    else if (!strcmp(arguments[1], "warm")) warm(number, arguments[3]);
    else return 2;
    return 0;
}
