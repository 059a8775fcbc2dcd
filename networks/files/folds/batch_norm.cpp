#include <charconv>
#include <cmath>

#include "weft/core/error.h"
#include "weft/networks/files/folds/folds.h"

namespace weft {

std::string fold_batch_norm(FoldedNumbers& net, const FoldText& fold, const std::string& of) {
  const int weight = net.one(fold.into[0]), own = net.bias_of(weight);
  const int gain = net.one(of + ".weight"), bias = net.one(of + ".bias"), mean = net.one(of + ".running_mean"),
            variance = net.one(of + ".running_var");
  if (bias < 0 || mean < 0 || variance < 0)
    throw UsageError("[fold] '{}': the norm has weight, bias, running_mean and running_var", fold.str());
  double eps = 0;
  std::from_chars(fold.eps.data(), fold.eps.data() + fold.eps.size(), eps);
  const Block g = net.block(gain), m = net.block(mean), v = net.block(variance);
  // With it the norm does nothing: 1 / sqrt(variance + eps) = 1.
  net.fill(variance, 1 - eps);
  if (g.all(1) && m.zero() && v.numbers == net.block(variance).numbers && (own < 0 || net.block(bias).zero()))
    return "";
  Block by = g, shift = net.block(bias);
  for (std::size_t i = 0; i < by.numbers.size(); ++i) {
    by.numbers[i] /= std::sqrt(v.numbers[i] + eps);
    shift.numbers[i] -= m.numbers[i] * by.numbers[i];
  }
  net.scale_rows(weight, by);
  if (own >= 0) net.scale_rows(own, by);
  net.fill(gain, 1);
  net.fill(mean, 0);
  net.fill(bias, 0);
  net.add(own >= 0 ? own : bias, shift);
  return fmt::format("batch norm {} into {}", of, fold.into[0]);
}

}  // namespace weft
