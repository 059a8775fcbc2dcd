#include "weft/networks/population/population_model.h"

#include <cmath>

namespace weft {

void PopulationModel::draw_start(std::size_t tensor, const TrainingRecipe& recipe, RandomKey key, std::int64_t network,
                                 const Tensor& to) const {
  const SpaceTensor& of = space().tensors()[tensor];
  if (of.axes.size() < 2) return;
  const RandomKey own = key.at(static_cast<std::uint64_t>(network)).at(of.name);
  fill_normal(to, own, 0, recipe.init_std);
  const std::span<float> numbers = to.span<float>();
  for (std::size_t i = 0; i < numbers.size(); ++i)
    for (std::uint64_t again = 0; std::abs(static_cast<double>(numbers[i])) > recipe.init_cut; ++again)
      numbers[i] = static_cast<float>(recipe.init_std * normal(own.at("cut").at(i), again));
}

}  // namespace weft
