// Fills, conversions and copies between strides.

#include "weft/cuda/launch.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {
namespace {

template <class T>
void fill(void* y, std::int64_t n, double value) {
  const Fill<T> body{static_cast<T*>(y), static_cast<T>(value)};
  launch_range("fill", body, body.plan(n));
}

template <class From, class To>
void convert(void* y, const void* x, std::int64_t n) {
  const Convert<From, To> body{static_cast<const From*>(x), static_cast<To*>(y)};
  launch_range("convert", body, body.plan(n));
}

template <class T>
void copy_strided(void* y, const void* x, const CopyShape& shape) {
  const std::int64_t n = shape.numel();
  T* to = static_cast<T*>(y);
  const T* from = static_cast<const T*>(x);
  if (n <= std::int64_t{0xffffffff})
    launch_range("copy", StridedCopy<T, std::uint32_t>{to, from, shape}, singles(n));
  else
    launch_range("copy", StridedCopy<T, std::int64_t>{to, from, shape}, singles(n));
}

#define WEFT_CONVERT(From) \
  { convert<From, float>, convert<From, double>, convert<From, std::int32_t>, convert<From, std::uint8_t> }

}  // namespace

const MoveKernels move_kernels = {
    {fill<float>, fill<double>, fill<std::int32_t>, fill<std::uint8_t>},
    {WEFT_CONVERT(float), WEFT_CONVERT(double), WEFT_CONVERT(std::int32_t), WEFT_CONVERT(std::uint8_t)},
    {copy_strided<std::uint32_t>, copy_strided<std::uint64_t>, copy_strided<std::uint32_t>,
     copy_strided<std::uint8_t>}};

}  // namespace weft::cuda::inline WEFT_ISA
