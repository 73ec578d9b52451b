// The kernels behind the dispatch. All take and give the checksum in its finished (complemented) form.

#ifndef WEIR_CRC_KERNELS_H
#define WEIR_CRC_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define WEIR_CRC_X86 1
bool weir_crc32c_has_sse42(void);
bool weir_crc32c_has_avx512(void);
uint32_t weir_crc32c_sse42(uint32_t crc, const uint8_t *bytes, size_t count);
uint32_t weir_crc32c_avx512(uint32_t crc, const uint8_t *bytes, size_t count);
#endif

// The CRC instructions read little-endian words here.
#if defined(__aarch64__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WEIR_CRC_ARM64 1
bool weir_crc32c_has_arm64(void);
uint32_t weir_crc32c_arm64(uint32_t crc, const uint8_t *bytes, size_t count);
#endif

uint32_t weir_crc32c_portable(uint32_t crc, const uint8_t *bytes, size_t count);

#endif
