/* cpu.c -- what the CPU supports: CPUID for the instructions, XGETBV for the registers that the operating system saves.
 * A virtual machine may offer the first without the second, so both are checked, in this order. */

#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

#include "os.h"

enum { XCR0_SSE_AVX = 0x6, XCR0_AVX512 = 0xe6, XCR0_AMX = 0x60000, LEAF7_AMX_BF16 = 1 << 22, LEAF7_AMX_TILE = 1 << 24 };

static uint64_t xgetbv0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* EBX and EDX of leaf 7, or 0 if the operating system does not save the registers of `xcr0`. */
struct leaf7 {
    unsigned b, d;
};

static struct leaf7 leaf7(uint64_t xcr0) {
    const struct leaf7 none = {0};
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX) || !(c & bit_FMA)) return none;
    if ((xgetbv0() & xcr0) != xcr0) return none;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return none;
    return (struct leaf7){b, d};
}

bool nnc_cpu_has_avx2(void) {
    return leaf7(XCR0_SSE_AVX).b & bit_AVX2;
}

bool nnc_cpu_has_avx512(void) {
    const unsigned all = bit_AVX2 | bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    return (leaf7(XCR0_AVX512).b & all) == all;
}

#ifdef NNC_EMULATE_AMX

bool nnc_cpu_has_amx(void) {
    return nnc_cpu_has_avx2();
}

bool nnc_cpu_allows_amx(void) {
    return true;
}

#else

bool nnc_cpu_has_amx(void) {
    const unsigned all = LEAF7_AMX_BF16 | LEAF7_AMX_TILE;
    return (leaf7(XCR0_SSE_AVX | XCR0_AMX).d & all) == all && nnc_cpu_has_avx2();
}

bool nnc_cpu_allows_amx(void) {
    return nnc_request_amx();
}

#endif

#else

bool nnc_cpu_has_avx2(void) {
    return false;
}

bool nnc_cpu_has_avx512(void) {
    return false;
}

bool nnc_cpu_has_amx(void) {
    return false;
}

bool nnc_cpu_allows_amx(void) {
    return false;
}

#endif
