// OpenBLAS's C interface. Nothing here branches.
#ifndef HCQD_COPENBLAS_SHIM_H
#define HCQD_COPENBLAS_SHIM_H

#include <cblas.h>

#endif
