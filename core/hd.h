#pragma once
// WEFT_HD marks a body that CPU loops and CUDA kernels share.
// WEFT_ISA names the namespace of everything that is compiled once per instruction set (see core/isa.h).

#if defined(__CUDACC__)
#define WEFT_HD __host__ __device__ inline
#else
#define WEFT_HD inline
#endif

#ifndef WEFT_ISA
#define WEFT_ISA portable
#endif
