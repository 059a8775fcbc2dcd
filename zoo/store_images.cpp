#include "weft/zoo/store_format.h"

namespace weft::zoo_format {
namespace {

constexpr const char* images_name = "images";

bool fits(const Shape& shape, const ZooDescription& description) {
  return shape.rank() == 4 && shape[0] == description.networks / description.views && shape.numel() > 0;
}

std::string allowed(const ZooDescription& description) {
  return fmt::format("[{}, channels, rows, columns]", description.networks / description.views);
}

}  // namespace

void write_images(const std::filesystem::path& path, const ZooDescription& description, const Tensor& images) {
  if (images.dtype() != DType::u8) throw DtypeError("[zoo] images are {}; allowed: uint8", name(images.dtype()));
  if (!fits(images.shape(), description))
    throw ShapeError("[zoo] images have shape {}; allowed: {}", images.shape().str(), allowed(description));
  save_safetensors(path, std::array{NamedTensor{images_name, images}});
}

Tensor read_images(const std::filesystem::path& path, const ZooDescription& description) {
  const SafeTensors file = SafeTensors::open(path);
  if (file.names() != std::vector<std::string>{images_name})
    fail(path, "tensors {}; allowed: '{}' alone", file.listing(), images_name);
  if (file.dtype(images_name) != DType::u8)
    fail(path, "tensor '{}' is {}; allowed: uint8", images_name, name(file.dtype(images_name)));
  if (!fits(file.shape(images_name), description))
    fail(path, "tensor '{}' has shape {}; allowed: {}, as in {}", images_name, file.shape(images_name).str(),
         allowed(description), description_file);
  return file.tensor(images_name);
}

}  // namespace weft::zoo_format
