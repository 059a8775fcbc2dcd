// Whether two attention modules are one function: moved by an element, and off by a little; and the assignment problem.

#include <fmt/format.h>

#include "weft/bench/harness.h"
#include "weft/core/random.h"
#include "weft/ops/act.h"
#include "weft/symmetry/assignment.h"
#include "weft/symmetry/attention.h"

namespace weft::bench {
namespace {

void attention_case(Harness& harness, std::int64_t h, std::int64_t D, std::int64_t Dk) {
  const std::string name = fmt::format("equivalence attention h={} D={} Dk=Dv={}", h, D, Dk);
  if (!harness.wants(name + " same") && !harness.wants(name + " different")) return;
  const Space space = attention_space(D, h, Dk, Dk);
  const Element g = Element::random(space, RandomKey(1, "bench"));
  Tensor a[4], b[4];
  for (int i = 0; i < 4; ++i) {
    const Tensor feature = Tensor::zeros(space.feature_shape(i, 1, 1), DType::f64);
    fill_normal(feature, RandomKey(2, "bench").at(static_cast<std::uint64_t>(i)));
    a[i] = feature[0][0];
    b[i] = act(g, i, feature)[0][0];
  }
  const AttentionModule one{a[0], a[1], a[2], a[3]}, same{b[0], b[1], b[2], b[3]},
      other{b[0].clone(), b[1], b[2], b[3]};
  other.q.data<double>()[0] += 1e-3;
  harness.measure(name + " same", {}, [&] { compare_attention(one, same); });
  harness.measure(name + " different", {}, [&] { compare_attention(one, other); });
}

void assignment_case(Harness& harness, std::int64_t n) {
  const std::string name = fmt::format("equivalence assignment {0}x{0}", n);
  if (!harness.wants(name)) return;
  const Tensor cost = Tensor::zeros({n, n}, DType::f64);
  fill_uniform(cost, RandomKey(3, "bench"));
  harness.measure(name, {}, [&] { assign(cost.span<double>(), n, n); });
}

}  // namespace

void equivalence_cases(Harness& harness) {
  attention_case(harness, 4, 32, 8);
  attention_case(harness, 32, 1024, 32);
  assignment_case(harness, 100);
  assignment_case(harness, 1000);
}

}  // namespace weft::bench
