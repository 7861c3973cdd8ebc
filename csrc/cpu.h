/* cpu.h -- what the CPU has; dispatch.c decides what to do with it. */
#ifndef NNC_CPU_H
#define NNC_CPU_H

#include <stdbool.h>

bool nnc_cpu_has_avx2(void);   /* AVX2 and FMA, and the operating system saves the registers */
bool nnc_cpu_has_avx512(void); /* AVX-512 F, BW, DQ, VL likewise, and AVX2 */

/* AMX's tiles of bfloat16, and the operating system saves them; where the build emulates them, AVX2 and FMA. */
bool nnc_cpu_has_amx(void);
/* Asks the operating system for their use in this process: Linux grants it only when it is asked. */
bool nnc_cpu_allows_amx(void);

#endif
