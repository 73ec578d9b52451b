// The arm64 kernel: the CRC extension's instructions.

#include "kernels.h"

#ifdef WEIR_CRC_ARM64

#if defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
bool weir_crc32c_has_arm64(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#elif defined(__APPLE__)
// Every Apple processor that runs arm64 programs of a supported system has the extension.
bool weir_crc32c_has_arm64(void) { return true; }
#else
bool weir_crc32c_has_arm64(void) { return false; }
#endif

__attribute__((target("crc"))) uint32_t weir_crc32c_arm64(uint32_t crc, const uint8_t *bytes, size_t count) {
    uint32_t state = ~crc;
    while (count >= 8) {
        uint64_t word;
        __builtin_memcpy(&word, bytes, sizeof word);
        state = __builtin_arm_crc32cd(state, word);
        bytes += 8;
        count -= 8;
    }
    while (count > 0) {
        state = __builtin_arm_crc32cb(state, *bytes);
        bytes += 1;
        count -= 1;
    }
    return ~state;
}

#endif
