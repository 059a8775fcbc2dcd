#include "weft/nn/losses.h"

#include <cmath>
#include <vector>

#include "weft/core/loop.h"
#include "weft/groups/rules.h"
#include "weft/nn/loss_bodies.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// Items that a thread of the CPU takes at once.
constexpr std::int64_t item_grain = 4096;

void check(const char* who, const Var& x, const Tensor& target) {
  require(Action::mix, who, x.name(), x.type());
  if (!(x.shape() == target.shape()))
    throw ShapeError("[{}] prediction of shape {}, target of shape {}", who, x.shape().str(), target.shape().str());
  if (x.dtype() != target.dtype())
    throw DtypeError("[{}] prediction is {}, target {}", who, name(x.dtype()), name(target.dtype()));
  target.require_on(x.value().backend(), who, "target");
}

/// The formulas of `Loss` (nn/loss_bodies.h) on every item.
template <class Loss>
Var per_item(const Var& x, const Tensor& given) {
  check(Loss::name, x, given);
  const Tensor target = x.tape().copy(given);
  const Tensor y = x.tape().empty(x.shape(), x.dtype());
  with_float(x.dtype(), Loss::name, [&](auto tag) {
    using T = decltype(tag);
    loop(y.backend(), y.numel(), item_grain,
         ItemLoss<Loss, T>{x.value().address<T>(), target.address<T>(), y.address<T>()});
  });
  return x.tape().record(Loss::name, y, x.type(), {x}, [target](Backward& b) {
    const GradSlot g = b.grad(0);
    with_float(target.dtype(), Loss::name, [&](auto tag) {
      using T = decltype(tag);
      loop(target.backend(), target.numel(), item_grain,
           ItemLossVjp<Loss, T>{b.input(0).address<T>(), target.address<T>(), b.cotangent().address<T>(),
                                g.tensor.address<T>(), g.beta != 0});
    });
  });
}

void check_labels(const Tensor& label, std::int64_t classes) {
  const std::span<const std::int32_t> labels = label.span<std::int32_t>();
  for (std::size_t r = 0; r < labels.size(); ++r)
    if (labels[r] < 0 || labels[r] >= classes)
      throw UsageError("[cross_entropy] label {} of item {}; allowed: 0..{}", labels[r], r, classes - 1);
}

}  // namespace

Var binary_cross_entropy(const Var& p, const Tensor& target) { return per_item<BinaryCrossEntropy>(p, target); }

Var binary_cross_entropy_with_logits(const Var& z, const Tensor& target) {
  return per_item<BinaryCrossEntropyWithLogits>(z, target);
}

Var squared_error(const Var& x, const Tensor& target) { return per_item<SquaredError>(x, target); }

Var cross_entropy(const Var& z, const Tensor& given) {
  const Shape& s = z.shape();
  if (s.rank() == 0 || !(s.sub(0, s.rank() - 1) == given.shape()))
    throw ShapeError("[cross_entropy] scores of shape {}, labels of shape {}; allowed: [..., classes] and [...]",
                     s.str(), given.shape().str());
  const std::int64_t classes = s[s.rank() - 1], rows = given.numel();
  Backend* device = z.value().backend();
  given.require_on(device, "cross_entropy", "label");
  if (!device) check_labels(given, classes);
  require(Action::mix, "cross_entropy", z.name(), z.type());
  Tape& tape = z.tape();
  const Tensor label = tape.copy(given);
  const Tensor y = tape.empty(label.shape(), z.dtype()), logp = tape.empty(s, z.dtype());
  const RowShape rows_of{rows, classes, 1};
  kernel(RowOp::LogSoftmax, z.dtype(), device).forward(rows_of, z.value().raw(), logp.raw());
  with_float(z.dtype(), "cross_entropy", [&](auto tag) {
    using T = decltype(tag);
    loop(device, rows, item_grain,
         CrossEntropy<T>{logp.address<T>(), label.address<std::int32_t>(), y.address<T>(), classes});
  });
  return tape.record("cross_entropy", y, Type::plain(y.rank()), {z}, [label, logp, rows, classes](Backward& b) {
    const GradSlot g = b.grad(0);
    with_float(logp.dtype(), "cross_entropy", [&](auto tag) {
      using T = decltype(tag);
      team_loop(logp.backend(), b.host(), rows, 1 + item_grain / (classes + 1),
                CrossEntropyVjp<T>{logp.address<T>(), label.address<std::int32_t>(), b.cotangent().address<T>(),
                                   g.tensor.address<T>(), classes, g.beta != 0});
    });
  });
}

Var mean_all(const Var& x) { return mean(reshape(x, {x.value().numel()}), 0); }

}  // namespace weft
