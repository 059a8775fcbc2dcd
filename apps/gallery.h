#pragma once
// Images of a zoo's implicit networks, for its report.

#include "weft/apps/report_page.h"

namespace weft::apps {

/// Of ten test networks of a split: what they store and show, what an editor makes of them, what it should make.
class Gallery {
 public:
  Gallery(const Zoo& zoo, int split);

  ReportPictures stored() const;
  /// Throws what check_outputs() throws.
  ReportPictures edited(const Reader& model, const Task& task) const;

 private:
  /// uint8 [networks, channels, rows, columns] of numbers in [0, 1], pixel by pixel.
  Tensor as_images(std::span<const double> numbers) const;

  const Zoo& zoo_;
  std::vector<std::int64_t> ids_;
  std::vector<Tensor> weights_;
  Tensor shown_;  ///< by the networks as they are
};

}  // namespace weft::apps
