// Batched products: weft, and the CBLAS once per item in a parallel loop. bench/compare.py reads this list from the
// report.

#include <cblas.h>
#include <fmt/format.h>

#include "weft/bench/harness.h"
#include "weft/core/gemm.h"
#include "weft/core/parallel.h"
#include "weft/core/random.h"
#include "weft/core/tensor.h"

namespace weft::bench {
namespace {

struct Product {
  GemmShape shape;
  bool transposed_a, transposed_b;
};

constexpr Product products[] = {
    {{8, 20, 256, 20}, false, false},      // channel mix of `cnn`
    {{32, 128, 1024, 128}, false, false},  // channel mix of `inr`
    {{160, 16, 16, 16}, false, false},     // thin chain
    {{8, 20, 20, 256}, false, true},       // gradient of a mix's weights
    {{32, 128, 128, 1024}, false, true},   //
    {{32, 128, 1024, 128}, true, false},   // gradient of a mix's input
    {{320, 20, 1, 20}, false, false},      // mix of scalars
    {{1, 512, 512, 512}, false, false},    //
    {{1, 1024, 1024, 1024}, false, false},
};

void product_case(Harness& harness, const Product& p) {
  const auto [batch, m, n, k] = p.shape;
  const std::string name =
      fmt::format("{}x[{},{}]{}x[{},{}]{}", batch, m, k, p.transposed_a ? "T" : "", k, n, p.transposed_b ? "T" : "");
  if (!harness.wants("gemm weft " + name) && !harness.wants("gemm cblas " + name)) return;
  const RandomKey key(1, "bench");
  Tensor a = Tensor::zeros({batch, m * k}, DType::f32), b = Tensor::zeros({batch, k * n}, DType::f32),
         c = Tensor::zeros({batch, m * n}, DType::f32);
  fill_normal(a, key.at("a"));
  fill_normal(b, key.at("b"));
  const float *pa = a.data<float>(), *pb = b.data<float>();
  float* pc = c.data<float>();
  const Work work{2. * static_cast<double>(batch * m * n * k),
                  4. * static_cast<double>(batch * (m * k + k * n + m * n))};
  harness.measure("gemm weft " + name, work, [&, m = m, n = n, k = k] {
    gemm<float>(p.shape, {pa, m * k, p.transposed_a ? 1 : k, p.transposed_a ? m : 1},
                {pb, k * n, p.transposed_b ? 1 : n, p.transposed_b ? k : 1}, 0.f, pc, m * n, n);
  });
  harness.measure("gemm cblas " + name, work, [&, batch = batch, m = m, n = n, k = k] {
    auto item = [&](std::int64_t i) {
      cblas_sgemm(CblasRowMajor, p.transposed_a ? CblasTrans : CblasNoTrans, p.transposed_b ? CblasTrans : CblasNoTrans,
                  static_cast<blasint>(m), static_cast<blasint>(n), static_cast<blasint>(k), 1.f, pa + i * m * k,
                  static_cast<blasint>(p.transposed_a ? m : k), pb + i * k * n,
                  static_cast<blasint>(p.transposed_b ? k : n), 0.f, pc + i * m * n, static_cast<blasint>(n));
    };
    if (batch == 1) return item(0);  // its own threads
    parallel_blocks(batch, 1, [&](std::int64_t i, std::int64_t) { item(i); });
  });
}

}  // namespace

void gemm_cases(Harness& harness) {
  for (const Product& p : products) product_case(harness, p);
}

}  // namespace weft::bench
