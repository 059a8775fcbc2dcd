#pragma once
// How the kernels' sources start their loops: on a device, or, compiled as C++, emulated on the host.

#if defined(__CUDACC__)
#include "weft/cuda/launch.cuh"
#else
#include "weft/cuda/emulated.h"
#endif
