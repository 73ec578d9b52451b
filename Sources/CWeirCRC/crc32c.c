// Chooses the kernel once, and the portable kernel (slicing by eight).

#include "CWeirCRC.h"
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>

typedef uint32_t (*kernel)(uint32_t, const uint8_t *, size_t);

static kernel kernel_for(weir_crc32c_path path) {
    switch (path) {
#ifdef WEIR_CRC_X86
    case WEIR_CRC32C_AVX512:
        return weir_crc32c_has_avx512() ? weir_crc32c_avx512 : NULL;
    case WEIR_CRC32C_SSE42:
        return weir_crc32c_has_sse42() ? weir_crc32c_sse42 : NULL;
#endif
#ifdef WEIR_CRC_ARM64
    case WEIR_CRC32C_ARM64:
        return weir_crc32c_has_arm64() ? weir_crc32c_arm64 : NULL;
#endif
    case WEIR_CRC32C_PORTABLE:
        return weir_crc32c_portable;
    default:
        return NULL;
    }
}

// Asking costs microseconds in a virtual machine (cpuid leaves it), so every path is asked about once.
static kernel kernels[WEIR_CRC32C_PATHS];
static weir_crc32c_path chosen_path = WEIR_CRC32C_PORTABLE;
static pthread_once_t kernels_once = PTHREAD_ONCE_INIT;
// The chosen kernel; NULL before the first call.
static _Atomic(kernel) chosen_kernel;

static void find_kernels(void) {
    for (int path = 0; path < WEIR_CRC32C_PATHS; path += 1) {
        kernels[path] = kernel_for((weir_crc32c_path)path);
        if (kernels[path] != NULL) {
            chosen_path = (weir_crc32c_path)path;
        }
    }
    atomic_store_explicit(&chosen_kernel, kernels[chosen_path], memory_order_release);
}

bool weir_crc32c_supports(weir_crc32c_path path) {
    pthread_once(&kernels_once, find_kernels);
    return (unsigned)path < WEIR_CRC32C_PATHS && kernels[path] != NULL;
}

weir_crc32c_path weir_crc32c_chosen(void) {
    pthread_once(&kernels_once, find_kernels);
    return chosen_path;
}

uint32_t weir_crc32c_by(weir_crc32c_path path, uint32_t crc, const void *bytes, size_t count) {
    kernel chosen = weir_crc32c_supports(path) ? kernels[path] : weir_crc32c_portable;
    return chosen(crc, (const uint8_t *)bytes, count);
}

uint32_t weir_crc32c(uint32_t crc, const void *bytes, size_t count) {
    kernel chosen = atomic_load_explicit(&chosen_kernel, memory_order_acquire);
    if (__builtin_expect(chosen == NULL, 0)) {
        chosen = kernels[weir_crc32c_chosen()];
    }
    return chosen(crc, (const uint8_t *)bytes, count);
}

// The portable kernel. tables[k][b] is the checksum's state after byte b followed by k zero bytes.

static uint32_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void) {
    for (uint32_t byte = 0; byte < 256; byte += 1) {
        uint32_t state = byte;
        for (int bit = 0; bit < 8; bit += 1) {
            state = (state & 1) ? (state >> 1) ^ 0x82F63B78u : state >> 1;
        }
        tables[0][byte] = state;
    }
    for (int table = 1; table < 8; table += 1) {
        for (uint32_t byte = 0; byte < 256; byte += 1) {
            uint32_t before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
}

static uint32_t load_little(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

uint32_t weir_crc32c_portable(uint32_t crc, const uint8_t *bytes, size_t count) {
    pthread_once(&tables_once, make_tables);
    uint32_t state = ~crc;
    while (count >= 8) {
        uint32_t low = load_little(bytes) ^ state;
        uint32_t high = load_little(bytes + 4);
        state = tables[7][low & 0xFF] ^ tables[6][(low >> 8) & 0xFF] ^ tables[5][(low >> 16) & 0xFF] ^
                tables[4][low >> 24] ^ tables[3][high & 0xFF] ^ tables[2][(high >> 8) & 0xFF] ^
                tables[1][(high >> 16) & 0xFF] ^ tables[0][high >> 24];
        bytes += 8;
        count -= 8;
    }
    while (count > 0) {
        state = (state >> 8) ^ tables[0][(state ^ *bytes) & 0xFF];
        bytes += 1;
        count -= 1;
    }
    return ~state;
}
