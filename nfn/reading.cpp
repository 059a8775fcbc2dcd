#include <algorithm>

#include "weft/core/isa.h"
#include "weft/nfn/layer_kernels.h"
#include "weft/nfn/reading_schedule.h"
#include "weft/ops/view.h"

namespace weft {

WEFT_ISA_TABLE(schedule::Kernels, layer_kernels)

void check_input(const char* who, const LayerInput& input, const Space& in) {
  if (!(input.dropout >= 0 && input.dropout < 1))
    throw UsageError("[{}] dropout {}; allowed: 0 <= rate < 1", who, input.dropout);
  if (!input.activation) return;
  if (*input.activation == UnaryOp::Abs)
    throw UsageError("[{}] activation abs changes the type; apply it as an op of its own", who);
  for (std::size_t i = 0; i < in.tensors().size(); ++i)
    require(action_of(*input.activation), traits(*input.activation).name, in.tensors()[i].name,
            in.type(static_cast<int>(i)));
}

std::span<const Var> read_features(const LayerInput& input, const Space& in, std::span<const Var> features) {
  const std::span<Var> read = features[0].tape().variables(features.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    const SpaceTensor& tensor = in.tensors()[i];
    read[i] = features[i];
    if (input.activation) read[i] = unary(*input.activation, read[i]);
    if (tensor.axes.size() > 1) read[i] = channel_dropout(read[i], input.dropout, input.key.at(tensor.name));
  }
  return read;
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
Reading<T>::Reading(const LayerInput& input) : drops(input.dropout > 0) {
  if (!input.activation) return;
  activation = weft::activation<T>(*input.activation);
  kernel = &weft::kernel(*input.activation, dtype_of<T>);
  parameter = traits(*input.activation).parameter.usual;
  from_output = traits(*input.activation).from_output;
}

template <class T>
void Reading<T>::forward(const T* x, T* y, std::int64_t rows, std::int64_t n, const T* mask) const {
  std::copy_n(x, rows * n, y);
  if (activation) activation(y, rows * n);
  if (mask) kernels<T>().scale_rows(y, mask, rows, n, y);
}

template <class T>
void Reading<T>::vjp(const T* x, T* gy, std::int64_t rows, std::int64_t n, const T* mask, const Grad<T>& to,
                     T* scratch) const {
  if (mask) kernels<T>().scale_rows(gy, mask, rows, n, gy);
  if (!kernel) return add_to(to, gy, rows * n);
  for (std::int64_t r = 0; r < rows; ++r) {
    const T *in = x + r * n, *out = in;
    if (from_output) {
      std::copy_n(in, n, scratch);
      activation(scratch, n);
      out = scratch;
    }
    // Pieces below the kernel's own grain: it must not start threads inside ours.
    for (std::int64_t i = 0; i < n; i += pointwise_grain)
      kernel->vjp(in + i, out + i, gy + r * n + i, to.data + r * n + i, to.beta != T(0),
                  std::min(pointwise_grain, n - i), parameter);
  }
}

template <class T>
const T* draw_mask(const LayerInput& input, const SpaceTensor& tensor, std::int64_t batch, std::int64_t channels,
                   Arena& arena) {
  if (input.dropout == 0 || tensor.axes.size() < 2) return nullptr;
  const Tensor mask = Tensor::empty(arena, {batch, channels}, dtype_of<T>);
  fill_uniform(mask, input.key.at(tensor.name));
  for (T& x : mask.span<T>()) x = x < static_cast<T>(input.dropout) ? T(0) : static_cast<T>(1 / (1 - input.dropout));
  return mask.data<T>();
}

#define WEFT_INSTANTIATE(T)   \
  template struct Reading<T>; \
  template const T* draw_mask(const LayerInput&, const SpaceTensor&, std::int64_t, std::int64_t, Arena&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace schedule
}  // namespace weft
