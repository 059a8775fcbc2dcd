#include "weft/nfn/magep/cost.h"

#include <numeric>

namespace weft::magep {
namespace {

double product_flops(std::initializer_list<std::int64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), 2.,
                         [](double x, std::int64_t n) { return x * static_cast<double>(n); });
}

/// Suffixes, and the vector of layer L with its mix into `rows` numbers.
double ends(const Sizes& z, std::int64_t rows) {
  double sum = product_flops({rows, EndVector(z).size});
  for (int t = 0; t + 1 < z.L(); ++t) sum += product_flops({z.d, z.nL(), z.width(t), z.width(t + 1)});
  return sum;
}

double hidden_layer(const Sizes& z, int i) {
  const std::int64_t n = z.width(i), prefixes = z.d * z.n0();
  const std::int64_t stack = 3 * prefixes + (i > 1 ? 2 : 1) * z.d, rows = i == 1 ? z.e * (z.n0() + 1) : z.e;
  const double chain = i > 1 ? product_flops({z.d, z.n0() + 1, n, z.width(i - 1)}) : 0;
  return chain + product_flops({prefixes, n, z.n0() + 1}) + product_flops({rows, n, stack});
}

/// W^(i) for 1 < i < L, and for i = L too when n_L = 1.
double inner_weight(const Sizes& z, int i) {
  const std::int64_t n = z.width(i), k = z.width(i - 1), rows = z.n0() + 1;
  if (z.nL() == 1)
    return 2 * product_flops({z.e, z.d, n, k}) + product_flops({z.d, rows, n}) + product_flops({2, z.e, z.d, n});
  return product_flops({z.d, rows, k, z.nL()}) + product_flops({z.d, rows, n, k}) + 3 * product_flops({z.e, z.d, n, k});
}

double last_weight(const Sizes& z) {
  const std::int64_t n = z.width(z.L() - 1), rows = z.n0() + 1, left = z.e * z.nL() * z.d;
  return product_flops({z.d, rows, n, z.nL()}) + product_flops({left, z.nL(), n}) +
         product_flops({rows, left, z.nL()}) + product_flops({rows, left, n});
}

}  // namespace

double equivariant_flops(const Sizes& z) {
  double sum = ends(z, z.e * z.nL());
  for (int i = 1; i < z.L(); ++i) sum += hidden_layer(z, i) + (i > 1 ? inner_weight(z, i) : 0);
  sum += z.nL() == 1 ? inner_weight(z, z.L()) : last_weight(z);
  return sum * static_cast<double>(z.batch);
}

double invariant_flops(const Sizes& z) { return ends(z, z.e) * static_cast<double>(z.batch); }

}  // namespace weft::magep
