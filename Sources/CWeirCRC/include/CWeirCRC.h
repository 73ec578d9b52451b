// CWeirCRC: CRC32C (Castagnoli), as fast as the machine allows. Nothing else lives here, and it imports nothing.
//
// The kernels sit in .c files of their own, each behind __attribute__((target)), and are chosen by asking the CPU once.
// They are never `static inline` in a header: an intrinsic that is inlined into Swift breaks its compiler.

#ifndef WEIR_CRC_H
#define WEIR_CRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The ways to compute the checksum, from the one that always works to the fastest.
typedef enum {
    /// Tables, eight bytes a step; any machine.
    WEIR_CRC32C_PORTABLE = 0,
    /// x86-64 with SSE4.2 and PCLMULQDQ: three streams of the crc32 instruction, joined by carry-less multiplication.
    WEIR_CRC32C_SSE42 = 1,
    /// x86-64 with AVX-512 and VPCLMULQDQ: folding 256 bytes a step.
    WEIR_CRC32C_AVX512 = 2,
    /// arm64 with the CRC extension.
    WEIR_CRC32C_ARM64 = 3,
} weir_crc32c_path;

#define WEIR_CRC32C_PATHS 4

/// Continues `crc`, the checksum of the bytes before (0 at the start), over `count` bytes, by the fastest way there is.
uint32_t weir_crc32c(uint32_t crc, const void *bytes, size_t count);

/// Whether this machine can take the path.
bool weir_crc32c_supports(weir_crc32c_path path);

/// The same by one given path, for tests and measurements. Where the machine cannot take it: the portable way.
uint32_t weir_crc32c_by(weir_crc32c_path path, uint32_t crc, const void *bytes, size_t count);

/// The path that `weir_crc32c` takes on this machine.
weir_crc32c_path weir_crc32c_chosen(void);

#endif
