// The pointwise operations of the lists: a new one needs no line here.

#include "weft/cuda/launch.h"
#include "weft/cuda/tables.h"

namespace weft::cuda::inline WEFT_ISA {
namespace {

template <class Op, class T>
void unary_forward(const void* x, void* y, std::int64_t n, double p) {
  const UnaryForward<Op, T> body{static_cast<const T*>(x), static_cast<T*>(y), static_cast<T>(p)};
  launch_range(Op::name, body, body.plan(n));
}

template <class Op, class T>
void unary_vjp(const void* x, const void* y, const void* gy, void* gx, bool accumulate, std::int64_t n, double p) {
  const UnaryVjp<Op, T> body{
      static_cast<const T*>(x), static_cast<const T*>(y), static_cast<const T*>(gy), static_cast<T*>(gx), accumulate,
      static_cast<T>(p)};
  launch_range(Op::name, body, body.plan(n));
}

template <class Op, class T>
void binary_forward(const void* a, const void* b, void* y, std::int64_t n) {
  const BinaryForward<Op, T> body{static_cast<const T*>(a), static_cast<const T*>(b), static_cast<T*>(y)};
  launch_range(Op::name, body, body.plan(n));
}

/// Either gradient may be null: not wanted.
template <class Op, class T, int input>
void binary_vjp_of(const void* a, const void* b, const void* y, const void* gy, void* g, bool accumulate,
                   std::int64_t n) {
  if (!g) return;
  const BinaryVjp<Op, T, input> body{static_cast<const T*>(a),  static_cast<const T*>(b), static_cast<const T*>(y),
                                     static_cast<const T*>(gy), static_cast<T*>(g),       accumulate};
  launch_range(Op::name, body, body.plan(n));
}

template <class Op, class T>
void binary_vjp(const void* a, const void* b, const void* y, const void* gy, void* ga, bool accumulate_a, void* gb,
                bool accumulate_b, std::int64_t n) {
  binary_vjp_of<Op, T, 0>(a, b, y, gy, ga, accumulate_a, n);
  binary_vjp_of<Op, T, 1>(a, b, y, gy, gb, accumulate_b, n);
}

}  // namespace

#define WEFT_UNARY(Op, function) \
  {{unary_forward<Op, float>, unary_vjp<Op, float>}, {unary_forward<Op, double>, unary_vjp<Op, double>}},
#define WEFT_BINARY(Op, function) \
  {{binary_forward<Op, float>, binary_vjp<Op, float>}, {binary_forward<Op, double>, binary_vjp<Op, double>}},
#define WEFT_ACTIVATE_FLOAT(Op, function) \
  [](float* y, std::int64_t n) { unary_forward<Op, float>(y, y, n, parameter_of<Op>().usual); },
#define WEFT_ACTIVATE_DOUBLE(Op, function) \
  [](double* y, std::int64_t n) { unary_forward<Op, double>(y, y, n, parameter_of<Op>().usual); },

const PointwiseKernels pointwise_kernels = {{WEFT_UNARY_OPS(WEFT_UNARY)},
                                            {WEFT_BINARY_OPS(WEFT_BINARY)},
                                            {WEFT_UNARY_OPS(WEFT_ACTIVATE_FLOAT)},
                                            {WEFT_UNARY_OPS(WEFT_ACTIVATE_DOUBLE)}};

}  // namespace weft::cuda::inline WEFT_ISA
