// Numbers of a stream, from the bodies that core/random.cpp runs.

#include "weft/cuda/launch.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {
namespace {

template <bool normal, class T>
void fill_random(void* y, std::int64_t n, std::uint64_t seed, std::uint64_t purpose, const std::uint64_t* counter,
                 double low, double scale) {
  const Random<normal, T> body{static_cast<T*>(y),   n, {seed, purpose}, counter, static_cast<T>(low),
                               static_cast<T>(scale)};
  launch_range(normal ? "fill_normal" : "fill_uniform", body, body.plan());
}

}  // namespace

const RandomKernels random_kernels = {{fill_random<false, float>, fill_random<false, double>},
                                      {fill_random<true, float>, fill_random<true, double>}};

}  // namespace weft::cuda::inline WEFT_ISA
