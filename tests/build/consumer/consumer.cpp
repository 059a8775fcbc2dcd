// A typed product, large enough for the CBLAS, and a refusal.

#include <cstdio>
#include <string_view>

#include "weft/io.h"
#include "weft/weft.h"
#include "weft/zoo.h"

int main() {
  using namespace weft;
  const Space space = Space::parse("in: fixed(256); h: positive_monomial(512) W[h, in*] x[in]");
  Arena arena;
  Tape tape(arena);
  const Tensor ones = Tensor::zeros({64, 256, 512}, DType::f32), weights = Tensor::zeros({64, 256, 512}, DType::f32);
  ones.fill(1);
  weights.fill(0.5);
  const Var y = contract("bik,bjk->bij", tape.constant(ones), tape.constant(weights));
  if (y.value().data<float>()[0] != 256.f) return 1;
  try {
    tanh(tape.constant(Tensor::zeros({1, 1, 512, 256}, DType::f32), space.type(space.tensor("W")), "W"));
  } catch (const TypeError& error) {
    std::puts(error.what());
    return std::string_view(error.what()).starts_with("[tanh] tensor 'W'") ? 0 : 1;
  }
  return 1;
}
