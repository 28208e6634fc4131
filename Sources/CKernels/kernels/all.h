// Every kernel file, in the order in which they need each other. Included once per level.
//
// A new kernel is a line in kernels.def and a function `HCQ_FUNCTION(name)` in a file listed here; helpers are `static
// inline`. HCQ_WIDTH is the number of floats in a register of the level: 4, 8 or 16.
#define HCQ_FUNCTION(name) HCQ_LEVEL(hcq_##name)

#include "math.h"

#include "elementwise.h"
#include "normalisation.h"
#include "convolution.h"
#include "deformable.h"
#include "picture.h"
#include "gemm.h"
#include "tower.h"
#include "winograd.h"
