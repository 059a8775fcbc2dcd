#include "weft/nfn/models/inr_space.h"

#include "weft/core/error.h"
#include "weft/nfn/magep/tables.h"

namespace weft {

bool is_sine_network(const Space& space) {
  try {
    sine_widths(space);
    return true;
  } catch (const UsageError&) {
    return false;
  }
}

std::vector<std::int64_t> sine_widths(const Space& space) {
  std::vector<std::int64_t> widths = magep::dense_widths("sine_networks", space);
  for (const Factor& factor : space.factors())
    if (factor.kind->moves() && factor.kind->scales != Scales::sign)
      throw UsageError("[sine_networks] factor '{}' is of kind {}; allowed: sign_monomial neurons", factor.name,
                       factor.kind->name);
  return widths;
}

Setting frequencies_setting(std::int64_t usual) {
  return {.name = "frequencies",
          .text = "of the Fourier features of weights; twice as many features",
          .usual = usual,
          .low = 1,
          .high = 4096,
          .why = "every weight becomes that many numbers"};
}
Setting dropout_setting(double usual) {
  return {.name = "dropout",
          .text = "rate, of channels and of the dense layers",
          .usual = usual,
          .low = 0,
          .high = 0.9,
          .why = "little would be left"};
}

}  // namespace weft
