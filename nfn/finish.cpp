#include "weft/nfn/finish.h"

#include <algorithm>

#include "weft/core/isa.h"
#include "weft/nfn/layer_kernels.h"

namespace weft {

WEFT_ISA_TABLE(schedule::Kernels, layer_kernels)

void check_finish(const char* who, const LayerFinish& finish, const Space& out) {
  if (!(finish.dropout >= 0 && finish.dropout < 1))
    throw UsageError("[{}] dropout {}; allowed: 0 <= rate < 1", who, finish.dropout);
  if (!finish.activation) return;
  if (*finish.activation == UnaryOp::Abs)
    throw UsageError("[{}] activation abs changes the type; apply it as an op of its own", who);
  for (std::size_t i = 0; i < out.tensors().size(); ++i)
    require(action_of(*finish.activation), traits(*finish.activation).name, out.tensors()[i].name,
            out.type(static_cast<int>(i)));
}

namespace schedule {

template <>
const KernelsOf<float>& kernels() {
  return WEFT_FOR_ISA(layer_kernels).f32;
}
template <>
const KernelsOf<double>& kernels() {
  return WEFT_FOR_ISA(layer_kernels).f64;
}

template <class T>
Finish<T>::Finish(const LayerFinish& finish) {
  if (!finish.activation) return;
  activation = weft::activation<T>(*finish.activation);
  kernel = &weft::kernel(*finish.activation, dtype_of<T>);
  parameter = traits(*finish.activation).default_parameter;
  from_output = traits(*finish.activation).from_output;
}

template <class T>
void Finish<T>::forward(T* pre, T* y, std::int64_t rows, std::int64_t n, const T* mask) const {
  if (activation && pre != y && !from_output) {
    std::copy_n(pre, rows * n, y);
    activation(y, rows * n);
  } else if (activation) {
    activation(pre, rows * n);
  }
  if (mask) kernels<T>().scale_rows(activation && !from_output ? y : pre, mask, rows, n, y);
}

template <class T>
void Finish<T>::vjp(const T* saved, const T* gy, T* gz, std::int64_t rows, std::int64_t n, const T* mask) const {
  if (kernel) {
    // Pieces below the kernel's own grain: it must not start threads inside ours.
    for (std::int64_t i = 0; i < rows * n; i += pointwise_grain) {
      const std::int64_t piece = std::min(pointwise_grain, rows * n - i);
      kernel->vjp(saved + i, saved + i, gy + i, gz + i, false, piece, parameter);
    }
    gy = gz;
  }
  if (mask) kernels<T>().scale_rows(gy, mask, rows, n, gz);
}

template <class T>
const T* draw_mask(const LayerFinish& finish, std::string_view name, std::int64_t batch, std::int64_t e, Arena& arena) {
  const Tensor mask = Tensor::empty(arena, {batch, e}, dtype_of<T>);
  fill_uniform(mask, finish.key.at(name));
  for (T& x : mask.span<T>()) x = x < static_cast<T>(finish.dropout) ? T(0) : static_cast<T>(1 / (1 - finish.dropout));
  return mask.data<T>();
}

#define WEFT_INSTANTIATE(T)  \
  template struct Finish<T>; \
  template const T* draw_mask(const LayerFinish&, std::string_view, std::int64_t, std::int64_t, Arena&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace schedule
}  // namespace weft
