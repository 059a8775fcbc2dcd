// Writes a tensor and reads it back, with weft::safetensors alone.

#include <cstdio>
#include <filesystem>

#include "weft/io/safetensors.h"

int main() {
  using namespace weft;
  const std::filesystem::path path = "consumer.safetensors";
  const Tensor x = Tensor::zeros({2, 3}, DType::f32);
  x.fill(7);
  const NamedTensor tensors[] = {{"x", x}};
  save_safetensors(path, tensors, {{"written by", "a consumer"}});
  const SafeTensors file = SafeTensors::open(path);
  std::puts(file.shape("x").str().c_str());
  const bool good = file.tensor("x").data<float>()[5] == 7 && file.metadata().at("written by") == "a consumer";
  std::filesystem::remove(path);
  return good ? 0 : 1;
}
