// Gaussian Fourier features as an op of their own.

#include "weft/core/loop.h"
#include "weft/nfn/layer_kernels.h"
#include "weft/nfn/linear/fourier_bodies.h"
#include "weft/nfn/linear/linear.h"
#include "weft/nfn/schedule.h"

namespace weft {

Var fourier_features(const Var& x, const Var& frequencies, bool sines) {
  constexpr const char* who = "fourier_features";
  if (x.shape().rank() < 2 || x.shape()[1] != 1)
    throw ShapeError("[{}] shape {}; allowed: [batch, 1, ...]", who, x.shape().str());
  if (frequencies.shape().rank() != 1 || frequencies.dtype() != x.dtype())
    throw ShapeError("[{}] frequencies of shape {} ({}); allowed: [m] of {}", who, frequencies.shape().str(),
                     name(frequencies.dtype()), name(x.dtype()));
  require(sines ? Action::pointwise_odd : Action::pointwise_any, who, x.name(), x.type());
  const std::int64_t batch = x.shape()[0], m = frequencies.shape()[0], channels = sines ? m : 2 * m,
                     n = batch ? x.value().numel() / batch : 0;
  Shape shape{batch, channels};
  for (int i = 2; i < x.shape().rank(); ++i) shape.push_back(x.shape()[i]);
  Tape& tape = x.tape();
  const Tensor y = tape.empty(shape, x.dtype());
  with_float(x.dtype(), who, [&](auto t) {
    using T = decltype(t);
    if (Backend* backend = tape.backend())
      return loop(
          backend, y.numel(), 1,
          FourierFeatures<T>{x.value().address<T>(), frequencies.value().address<T>(), y.address<T>(), n, m, channels});
    const T *from = x.value().data<T>(), *f = frequencies.value().data<T>();
    parallel_blocks(batch, 1, [&, to = y.data<T>()](std::int64_t net, std::int64_t) {
      schedule::kernels<T>().fourier(from + net * n, n, f, m, sines, to + net * channels * n);
    });
  });
  return tape.record(who, y, x.type(), {x, frequencies}, [batch, m, n, channels, sines](Backward& back) {
    if (!back.wants(0)) return;
    const GradSlot slot = back.grad(0);
    with_float(slot.tensor.dtype(), who, [&](auto t) {
      using T = decltype(t);
      if (Backend* backend = slot.tensor.backend())
        return loop(
            backend, batch * n, 1,
            FourierFeaturesVjp<T>{back.input(0).address<T>(), back.input(1).address<T>(), back.cotangent().address<T>(),
                                  slot.tensor.address<T>(), n, m, channels, slot.beta != 0});
      const T *from = back.input(0).data<T>(), *f = back.input(1).data<T>(), *gy = back.cotangent().data<T>();
      T *gx = slot.tensor.data<T>(), *memory = schedule::numbers<T>(back.arena(), 2 * m * n * threads());
      parallel_workers(batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
        T *features = memory + worker * 2 * m * n, *to = gx + net * n;
        const T* g = gy + net * channels * n;
        schedule::kernels<T>().fourier(from + net * n, n, f, m, false, features);
        constexpr int lanes = SerialTeam::lanes;
        for (std::int64_t first = 0; first < n; first += lanes) {
          const std::int64_t count = std::min<std::int64_t>(lanes, n - first);
          const auto sum = pairwise_sum<SideBySide<T, lanes>>(m, [&](std::int64_t k) {
            const T *sine = features + k * n + first, *cosine = features + (m + k) * n + first,
                    *of_sine = g + k * n + first, *of_cosine = g + (m + k) * n + first, frequency = two_pi<T> * f[k];
            SideBySide<T, lanes> slope{};
            for (std::int64_t i = 0; i < count; ++i) slope.x[i] = of_sine[i] * cosine[i];
            for (std::int64_t i = 0; i < count && !sines; ++i) slope.x[i] -= of_cosine[i] * sine[i];
            for (T& s : slope.x) s *= frequency;
            return slope;
          });
          schedule::add_to<T>({to + first, static_cast<T>(slot.beta)}, sum.x, count);
        }
      });
    });
  });
}

}  // namespace weft
