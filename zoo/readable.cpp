#include "weft/zoo/readable.h"

#include <cmath>

namespace weft {

std::function<bool(const ZooRow&)> readable_rows(const Zoo& zoo) {
  std::vector<Tensor> scratch;
  for (int t = 0; t < static_cast<int>(zoo.space().tensors().size()); ++t)
    scratch.push_back(Tensor::zeros(zoo.space().feature_shape(t, 1, 1), DType::f32));
  return [zoo, scratch](const ZooRow& row) {
    if (row.diverged) return false;
    zoo.gather({&row.id, 1}, scratch);
    for (const Tensor& t : scratch)
      for (const float w : t.span<float>())
        if (std::abs(w) > largest_weight) return false;
    return true;
  };
}

}  // namespace weft
