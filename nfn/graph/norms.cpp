#include "weft/nfn/graph/norms.h"

#include "weft/groups/rules.h"
#include "weft/nfn/graph/run.h"

namespace weft::graph {
namespace {

using schedule::Grad;
using schedule::gradient_address;

/// Of a tensor whose first axis, the channels, is dropped; throws where that is no free one.
Type without_channels(const char* who, const Var& x) {
  if (x.type().free() < 1)
    throw ShapeError("[{}] a tensor of type {}; allowed: channels first, which no group moves", who, x.type().str());
  Type type(x.type().free() - 1);
  for (int i = 0; i < x.type().size(); ++i) type.push_back(x.type()[i]);
  return type;
}

/// Blocks of the bodies that sum over the channels.
template <class Body>
std::int64_t blocks(std::int64_t n) {
  return (n + Body::block - 1) / Body::block;
}

}  // namespace

Var channel_norm(const Var& x) {
  constexpr const char* who = "channel_norm";
  Type type = without_channels(who, x);
  require(Action::absolute, who, x.name(), x.type());
  for (int i = 0; i < type.size(); ++i) type[i] = type[i].without_signs();
  const Shape shape = x.shape().sub(1, x.shape().rank());
  const std::int64_t channels = x.shape()[0], n = shape.numel();
  Tape& tape = x.tape();
  const Tensor y = tape.empty(shape, x.dtype());
  with_float(x.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    using Body = ChannelNorm<T>;
    run(tape.backend(), blocks<Body>(n), channels * Body::block,
        Body{x.value().address<T>(), y.address<T>(), channels, n});
  });
  return tape.record(who, y, type, {x}, [channels, n](Backward& back) {
    with_float(back.cotangent().dtype(), who, [&](auto tag) {
      using T = decltype(tag);
      const Grad<T> to = gradient_address<T>(back, 0);
      run(back.arena().backend(), channels, n,
          ChannelNormVjp<T>{back.input(0).address<T>(), back.output().address<T>(), back.cotangent().address<T>(),
                            to.data, channels, n, to.beta != T(0)});
    });
  });
}

Var scale_channels(const Var& s, const Var& x) {
  constexpr const char* who = "scale_channels";
  Type type = without_channels(who, x);
  const Shape shape = x.shape().sub(1, x.shape().rank());
  if (s.shape() != shape || s.type().free() != type.free())
    throw ShapeError("[{}] scales of shape {} and type {}; allowed: {} and {}, as one channel", who, s.shape().str(),
                     s.type().str(), shape.str(), type.str());
  if (s.dtype() != x.dtype()) throw DtypeError("[{}] dtypes {} and {} differ", who, name(s.dtype()), name(x.dtype()));
  type = x.type();
  for (int i = 0; i < type.size(); ++i) type[i] = multiplied(who, s.name(), s.type(), i, x.name(), x.type(), i);
  const std::int64_t channels = x.shape()[0], n = shape.numel();
  Tape& tape = x.tape();
  const Tensor y = tape.empty(x.shape(), x.dtype());
  with_float(x.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    run(tape.backend(), channels, n,
        ScaleChannels<T>{x.value().address<T>(), s.value().address<T>(), y.address<T>(), n, false});
  });
  return tape.record(who, y, type, {s, x}, [channels, n](Backward& back) {
    with_float(back.cotangent().dtype(), who, [&](auto tag) {
      using T = decltype(tag);
      using Dots = ChannelDots<T>;
      Backend* const backend = back.arena().backend();
      const T* gy = back.cotangent().address<T>();
      if (const Grad<T> to = gradient_address<T>(back, 0); to.data)
        run(backend, blocks<Dots>(n), channels * Dots::block,
            Dots{gy, back.input(1).address<T>(), to.data, channels, n, to.beta != T(0)});
      if (const Grad<T> to = gradient_address<T>(back, 1); to.data)
        run(backend, channels, n, ScaleChannels<T>{gy, back.input(0).address<T>(), to.data, n, to.beta != T(0)});
    });
  });
}

Var reciprocal(const Var& x) {
  constexpr const char* who = "reciprocal";
  Type type = x.type();
  for (int i = 0; i < type.size(); ++i) {
    const std::optional<Axis> raised = type[i].raised(-2);
    if (!raised) require(Action::pointwise_any, who, x.name(), x.type(), i);
    type[i] = *raised;
  }
  Tape& tape = x.tape();
  const Tensor y = tape.empty(x.shape(), x.dtype());
  constexpr std::int64_t grain = 8192;
  with_float(x.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    loop(tape.backend(), y.numel(), grain, Reciprocal<T>{x.value().address<T>(), y.address<T>()});
  });
  return tape.record(who, y, type, {x}, [](Backward& back) {
    with_float(back.cotangent().dtype(), who, [&](auto tag) {
      using T = decltype(tag);
      const Grad<T> to = gradient_address<T>(back, 0);
      const Tensor& out = back.output();
      loop(out.backend(), out.numel(), grain,
           ReciprocalVjp<T>{out.address<T>(), back.cotangent().address<T>(), to.data, to.beta != T(0)});
    });
  });
}

}  // namespace weft::graph
