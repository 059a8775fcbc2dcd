#include "weft/apps/pictures.h"

#include <fmt/format.h>

#include "weft/apps/plot.h"

namespace weft::apps {
namespace {

constexpr std::int64_t enlarged = 3;

void put(std::string& to, std::uint32_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) to += static_cast<char>(number >> (8 * i) & 255);
}

/// A bitmap, which every browser shows and nobody needs a library to write: header, then rows from the bottom up of
/// blue, green, red, each row padded to whole words.
std::string bitmap(const Tensor& image) {
  const std::int64_t channels = image.dim(0), rows = image.dim(1), columns = image.dim(2);
  constexpr std::uint32_t header = 14 + 40;
  const auto stride = static_cast<std::uint32_t>((3 * columns + 3) / 4 * 4);
  const std::uint32_t size = stride * static_cast<std::uint32_t>(rows);
  std::string out = "BM";
  put(out, header + size, 4);
  put(out, 0, 4);
  put(out, header, 4);
  put(out, 40, 4);
  put(out, static_cast<std::uint32_t>(columns), 4);
  put(out, static_cast<std::uint32_t>(rows), 4);
  put(out, 1, 2);   // planes
  put(out, 24, 2);  // bits of a pixel
  put(out, 0, 4);   // not compressed
  put(out, size, 4);
  for (int unused = 0; unused < 4; ++unused) put(out, 0, 4);
  const std::uint8_t* pixels = image.data<std::uint8_t>();
  for (std::int64_t r = rows; r-- > 0;) {
    for (std::int64_t c = 0; c < columns; ++c)
      for (std::int64_t colour = 3; colour-- > 0;) {
        const std::int64_t channel = channels == 3 ? colour : 0;
        out += static_cast<char>(pixels[(channel * rows + r) * columns + c]);
      }
    out.append(stride - static_cast<std::size_t>(3 * columns), '\0');
  }
  return out;
}

std::string base64(const std::string& bytes) {
  constexpr const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

}  // namespace

std::string picture(const Tensor& image, const std::string& text) {
  return fmt::format(
      "<img alt=\"{0}\" title=\"{0}\" width=\"{1}\" height=\"{2}\" style=\"image-rendering: pixelated\" "
      "src=\"data:image/bmp;base64,{3}\">",
      escaped(text), enlarged * image.dim(2), enlarged * image.dim(1), base64(bitmap(image)));
}

std::string picture_table(const std::vector<PictureRow>& rows) {
  std::string out = "<table class=\"pictures\">\n";
  for (const PictureRow& row : rows) {
    out += "<tr><td>" + escaped(row.name) + "</td>";
    for (std::int64_t i = 0; i < row.images.dim(0); ++i)
      out += "<td>" + picture(row.images[i], fmt::format("{} {}", row.name, i)) + "</td>";
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

}  // namespace weft::apps
