// Numbers of a stream, from the bodies that core/random.cpp runs.

#include "weft/cuda/launch.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {
namespace {

template <template <class> class Distribution, class T>
void fill_random(const char* op, void* y, std::int64_t n, std::uint64_t seed, std::uint64_t purpose,
                 const std::uint64_t* counter, double a, double b) {
  const Random<Distribution<T>, T> body{static_cast<T*>(y), n, {seed, purpose}, counter, Distribution<T>(a, b)};
  launch_range(op, body, body.plan());
}

template <class T>
void fill_uniform(void* y, std::int64_t n, std::uint64_t seed, std::uint64_t purpose, const std::uint64_t* counter,
                  double low, double high) {
  fill_random<Uniform, T>("fill_uniform", y, n, seed, purpose, counter, low, high);
}
template <class T>
void fill_normal(void* y, std::int64_t n, std::uint64_t seed, std::uint64_t purpose, const std::uint64_t* counter,
                 double mean, double deviation) {
  fill_random<Normal, T>("fill_normal", y, n, seed, purpose, counter, mean, deviation);
}

}  // namespace

const RandomKernels random_kernels = {{fill_uniform<float>, fill_uniform<double>},
                                      {fill_normal<float>, fill_normal<double>}};

}  // namespace weft::cuda::inline WEFT_ISA
