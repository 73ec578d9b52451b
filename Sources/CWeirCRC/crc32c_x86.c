// The x86-64 kernels.
//
// Notation: bits are reflected, so in a 64-bit register the lowest bit is the coefficient of x^63. The carry-less product of
// two registers then carries one factor x more than the product of the polynomials, which the constants below take away:
//   - a 32-bit checksum moves over n bytes by a product with x^(8n-33) followed by the crc32 instruction over the product;
//   - a 128-bit lane moves over n bytes by products of its first half with x^(8n+31) and its second with x^(8n-33).
// All constants are those powers modulo the Castagnoli polynomial; the tests compare every kernel with the portable one.

#include "kernels.h"

#ifdef WEIR_CRC_X86

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

static uint64_t load64(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

// What the processor has, and (for AVX-512) whether the system saves those registers.

bool weir_crc32c_has_sse42(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return false;
    }
    return (c & (1u << 20)) != 0 && (c & (1u << 1)) != 0; // SSE4.2, PCLMULQDQ
}

bool weir_crc32c_has_avx512(void) {
    unsigned a, b, c, d;
    if (!weir_crc32c_has_sse42() || !__get_cpuid(1, &a, &b, &c, &d) || (c & (1u << 27)) == 0) { // OSXSAVE
        return false;
    }
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 0xE6) != 0xE6) { // XMM, YMM, opmask and both halves of ZMM
        return false;
    }
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return false;
    }
    return (b & (1u << 16)) != 0 && (c & (1u << 10)) != 0; // AVX512F, VPCLMULQDQ
}

// Three streams at a time: the crc32 instruction takes three cycles and starts one a cycle.

#define LONG_LANE 1024
#define SHORT_LANE 128

__attribute__((target("sse4.2,pclmul"))) static uint64_t moved(uint64_t crc, uint32_t power) {
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc), _mm_cvtsi32_si128((int)power), 0x00);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t three_lanes(
    uint64_t state, const uint8_t *bytes, size_t lane, uint32_t two_lanes_power, uint32_t one_lane_power) {
    uint64_t first = state, second = 0, third = 0;
    for (size_t at = 0; at < lane; at += 8) {
        first = _mm_crc32_u64(first, load64(bytes + at));
        second = _mm_crc32_u64(second, load64(bytes + lane + at));
        third = _mm_crc32_u64(third, load64(bytes + 2 * lane + at));
    }
    return third ^ _mm_crc32_u64(0, moved(first, two_lanes_power) ^ moved(second, one_lane_power));
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t advance(uint64_t state, const uint8_t *bytes, size_t count) {
    while (count >= 3 * LONG_LANE) {
        state = three_lanes(state, bytes, LONG_LANE, 0xA51B6135u, 0x170076FAu);
        bytes += 3 * LONG_LANE;
        count -= 3 * LONG_LANE;
    }
    while (count >= 3 * SHORT_LANE) {
        state = three_lanes(state, bytes, SHORT_LANE, 0xB9E02B86u, 0x0D3B6092u);
        bytes += 3 * SHORT_LANE;
        count -= 3 * SHORT_LANE;
    }
    while (count >= 8) {
        state = _mm_crc32_u64(state, load64(bytes));
        bytes += 8;
        count -= 8;
    }
    while (count > 0) {
        state = _mm_crc32_u8((uint32_t)state, *bytes);
        bytes += 1;
        count -= 1;
    }
    return state;
}

__attribute__((target("sse4.2,pclmul"))) uint32_t weir_crc32c_sse42(uint32_t crc, const uint8_t *bytes, size_t count) {
    return ~(uint32_t)advance((uint32_t)~crc, bytes, count);
}

// Folding with 512-bit registers.

#define AVX512 __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.2")))

AVX512 static __m512i lanes(uint32_t first_half, uint32_t second_half) {
    return _mm512_set_epi64(
        second_half, first_half, second_half, first_half, second_half, first_half, second_half, first_half);
}

AVX512 static __m512i folded(__m512i value, __m512i powers, __m512i onto) {
    // 0x96 is the exclusive or of all three.
    return _mm512_ternarylogic_epi64(
        _mm512_clmulepi64_epi128(value, powers, 0x00), _mm512_clmulepi64_epi128(value, powers, 0x11), onto, 0x96);
}

AVX512 uint32_t weir_crc32c_avx512(uint32_t crc, const uint8_t *bytes, size_t count) {
    if (count < 256) {
        return weir_crc32c_sse42(crc, bytes, count);
    }
    __m512i a = _mm512_xor_si512(
        _mm512_loadu_si512(bytes), _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)~crc)));
    __m512i b = _mm512_loadu_si512(bytes + 64);
    __m512i c = _mm512_loadu_si512(bytes + 128);
    __m512i d = _mm512_loadu_si512(bytes + 192);
    bytes += 256;
    count -= 256;

    const __m512i over256 = lanes(0xDCB17AA4u, 0xB9E02B86u);
    while (count >= 256) {
        a = folded(a, over256, _mm512_loadu_si512(bytes));
        b = folded(b, over256, _mm512_loadu_si512(bytes + 64));
        c = folded(c, over256, _mm512_loadu_si512(bytes + 128));
        d = folded(d, over256, _mm512_loadu_si512(bytes + 192));
        bytes += 256;
        count -= 256;
    }
    const __m512i over64 = lanes(0x740EEF02u, 0x9E4ADDF8u);
    b = folded(a, over64, b);
    c = folded(b, over64, c);
    d = folded(c, over64, d);
    while (count >= 64) {
        d = folded(d, over64, _mm512_loadu_si512(bytes));
        bytes += 64;
        count -= 64;
    }

    // The four 128-bit lanes move over 48, 32, 16 and 0 bytes.
    const __m512i to_last = _mm512_set_epi64(
        0, 0, 0x493C7D27u, 0xF20C0DFEu, 0xBA4FC28Eu, 0x3DA6D0CBu, 0xDDC0152Bu, 0x1C291D04u);
    __m512i moved_lanes = folded(d, to_last, _mm512_setzero_si512());
    __m128i last = _mm_xor_si128(
        _mm_xor_si128(_mm512_extracti32x4_epi32(moved_lanes, 0), _mm512_extracti32x4_epi32(moved_lanes, 1)),
        _mm_xor_si128(_mm512_extracti32x4_epi32(moved_lanes, 2), _mm512_extracti32x4_epi32(d, 3)));

    // The crc32 instruction over the last 16 bytes takes the remainder.
    uint64_t state = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(last));
    state = _mm_crc32_u64(state, (uint64_t)_mm_extract_epi64(last, 1));
    return ~(uint32_t)advance(state, bytes, count);
}

#endif
