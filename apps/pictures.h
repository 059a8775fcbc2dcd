#pragma once
// Small images in HTML pages.

#include <string>
#include <vector>

#include "weft/core/tensor.h"

namespace weft::apps {

/// An image element with the picture in it, enlarged without smoothing. image: uint8 [channels, rows, columns], of one
/// channel (grey) or three (red, green, blue).
std::string picture(const Tensor& image, const std::string& text);

/// Rows of pictures, each with its name in front: originals beside what became of them.
struct PictureRow {
  std::string name;
  Tensor images;  ///< uint8 [n, channels, rows, columns]
};
std::string picture_table(const std::vector<PictureRow>& rows);

}  // namespace weft::apps
