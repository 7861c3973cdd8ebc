/* cpu.c -- what the CPU has: CPUID for the instructions, XGETBV for the registers that the operating system saves.
 * A virtual machine may offer the first without the second, so both are asked, in this order. */

#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

enum { XCR0_SSE_AVX = 0x6, XCR0_AVX512 = 0xe6 };

static uint64_t xgetbv0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* EBX of leaf 7, or 0 where the registers of `xcr0` are not saved by the operating system. */
static unsigned leaf7(uint64_t xcr0) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX) || !(c & bit_FMA)) return 0;
    if ((xgetbv0() & xcr0) != xcr0) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    return b;
}

bool nnc_cpu_has_avx2(void) {
    return leaf7(XCR0_SSE_AVX) & bit_AVX2;
}

bool nnc_cpu_has_avx512(void) {
    const unsigned all = bit_AVX2 | bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    return (leaf7(XCR0_AVX512) & all) == all;
}

#else

bool nnc_cpu_has_avx2(void) {
    return false;
}

bool nnc_cpu_has_avx512(void) {
    return false;
}

#endif
