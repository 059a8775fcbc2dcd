// The class of the image that an implicit network stores: the column "class" of its zoo.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "weft/io/text.h"
#include "weft/nn/losses.h"
#include "weft/tasks/task.h"

namespace weft {
namespace {

/// Null where the zoo does not have it.
const HyperParameter* column(const Zoo& zoo) {
  const std::vector<HyperParameter>& all = zoo.description().hyper_parameters;
  const auto found = std::ranges::find(all, "class", &HyperParameter::name);
  return found == all.end() ? nullptr : &*found;
}

std::int32_t class_of(const HyperParameter& column, std::int64_t network) {
  const std::string& text = column.values[static_cast<std::size_t>(network)];
  std::int32_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    throw FormatError("[task] the class of network {} is {}; allowed: whole numbers from 0", network, in_quotes(text));
  return value;
}

std::int64_t classes(const Zoo& zoo) {
  const HyperParameter* found = column(zoo);
  if (!found)
    throw UsageError(
        "[task] class: the zoo has no column 'class'; zoos of implicit networks have one, the class of the image that "
        "each stores; give such a zoo, or another task");
  std::int64_t largest = 1;  // of one class alone there is nothing to tell apart
  for (std::int64_t n = 0; n < zoo.description().networks; ++n)
    largest = std::max<std::int64_t>(largest, class_of(*found, n));
  return largest + 1;
}

/// The first of equal scores.
double likeliest(std::span<const double> scores) {
  return static_cast<double>(std::ranges::max_element(scores) - scores.begin());
}

/// The share of networks whose class it is.
double share_right(std::span<const double> outputs, std::span<const double> truth) {
  if (truth.empty()) return NAN;
  const std::size_t scores = outputs.size() / truth.size();
  double right = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) right += likeliest(outputs.subspan(i * scores, scores)) == truth[i];
  return right / static_cast<double>(truth.size());
}

}  // namespace

extern const Task image_class_task{.name = "class",
                                   .text = "class of the image that an implicit network stores",
                                   .classes = true,
                                   .outputs = classes,
                                   .target =
                                       [](const Zoo& zoo, const ZooRow& row) {
                                         const HyperParameter* found = column(zoo);
                                         return found ? class_of(*found, row.network)
                                                      : std::numeric_limits<double>::quiet_NaN();
                                       },
                                   .loss = cross_entropy,
                                   .prediction = likeliest,
                                   .output =
                                       [](double target, std::span<double> outputs) {
                                         for (std::size_t c = 0; c < outputs.size(); ++c)
                                           outputs[c] = static_cast<double>(c) == target;
                                       },
                                   .metric = {.name = "accuracy", .text = "accuracy", .of = share_right},
                                   .usual = [](const Zoo& zoo) { return column(zoo) != nullptr; }};

}  // namespace weft
