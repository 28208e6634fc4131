// The loops of the engine in C: one source built for baseline, AVX2 and AVX-512, one function table.
#ifndef HCQD_CKERNELS_H
#define HCQD_CKERNELS_H

/// The widest instruction set this CPU can run: 0 baseline, 1 AVX2 with FMA, 2 AVX-512 (F, BW, DQ, VL).
int hcq_cpu_level(void);

#endif
