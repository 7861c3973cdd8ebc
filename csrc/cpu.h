/* cpu.h -- what the CPU supports; dispatch.c selects the kernels. */
#ifndef NNC_CPU_H
#define NNC_CPU_H

#include <stdbool.h>

bool nnc_cpu_has_avx2(void);   /* AVX2 and FMA, and the operating system saves the registers */
bool nnc_cpu_has_avx512(void); /* the same for AVX-512 F, BW, DQ, VL, and AVX2 */

/* AMX's bfloat16 tiles, and the operating system saves them; in a build that emulates them, AVX2 and FMA. */
bool nnc_cpu_has_amx(void);
/* Requests permission from the operating system to use them in this process: Linux grants it only on request. */
bool nnc_cpu_allows_amx(void);

#endif
