// Linux system calls that Swift's Glibc module lacks or whose constants it cannot import.
// Every function returns what the call returns, or minus errno.
#ifndef CWEIRLINUX_H
#define CWEIRLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/// Reserves space for the range and extends the file over it with zeros.
int weir_fallocate(int fd, int64_t offset, int64_t count);

/// Reads only what the page cache holds; -EAGAIN when it holds nothing of it.
int64_t weir_read_cached(int fd, void *bytes, size_t count, int64_t offset);

/// Writes all parts, repeating after a short write; changes the array. 0 or minus errno.
int weir_write_all(int fd, struct iovec *parts, int count, int64_t offset);

/// Faults a mapping in for reading: a bad sector is an error here. 0 where the kernel (before 5.14) does not know how.
int weir_populate_read(void *address, size_t count);

/// Processors that this process may run on; 1 when unknown.
int weir_available_processors(void);

/// The soft limit on open descriptors; 1024 when unknown.
int64_t weir_descriptor_limit(void);

/// Raises the soft limit on open descriptors to the hard one and returns it.
int64_t weir_raise_descriptor_limit(void);

/// Takes an exclusive advisory lock without waiting. 0 or minus errno.
int weir_lock(int fd);

/// The process's environment: strings NAME=VALUE, ended by a null.
char **weir_environment(void);

/// Makes the whole file system durable that the descriptor is in. 0 or minus errno.
int weir_sync_all(int fd);

/// Names the calling thread; at most 15 bytes.
void weir_name_thread(const char *name);

#endif
