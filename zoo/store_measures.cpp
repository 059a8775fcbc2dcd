#include <cmath>

#include "weft/zoo/store_format.h"

namespace weft::zoo_format {
namespace {

using Limits = std::numeric_limits<double>;

// A diverged network's loss may be anything.
constexpr Measure loss(std::string_view meaning) {
  return {"loss", meaning, &ZooResult::loss, -Limits::infinity(), Limits::infinity(), true, "any number"};
}

constexpr Measure of_classifiers[] = {
    {"accuracy", "share of the test items classified correctly", &ZooResult::accuracy, 0, 1, false, "0 to 1"},
    loss("mean loss over the test items"),
    {"train_accuracy", "share of the training items classified correctly; nan: not measured",
     &ZooResult::train_accuracy, 0, 1, true, "0 to 1"},
};

constexpr Measure of_implicit_networks[] = {
    {"psnr", "of the rendered image in dB, peak 2", &ZooResult::psnr, Limits::lowest(), Limits::max(), false,
     "finite numbers"},
    loss("mean squared error of the rendered pixels, of [-1, 1]"),
};

}  // namespace

std::span<const Measure> measures(const ZooDescription& description) {
  if (description.views > 0) return of_implicit_networks;
  return of_classifiers;
}

std::string out_of_range(const ZooDescription& description, const ZooResult& row) {
  for (const Measure& m : measures(description)) {
    const double value = row.*m.value;
    if (std::isnan(value) ? !m.may_be_nan : value < m.lowest || value > m.highest)
      return fmt::format("{} {}; allowed: {}", m.name, value, m.allowed);
  }
  return {};
}

}  // namespace weft::zoo_format
