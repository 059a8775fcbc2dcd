#include <algorithm>

#include "weft/core/error.h"
#include "weft/networks/files/folded_text.h"
#include "weft/networks/files/folds/folds.h"

namespace weft {

std::string fold_norm(FoldedNumbers& net, const FoldText& fold, const std::string& of) {
  const bool centred = fold.kind == FoldText::Kind::layer_norm;
  const int gain = net.one(of + ".weight"), bias = centred ? net.one(of + ".bias") : -1;
  const FileSpace& files = net.files();
  const int file = files.windows[static_cast<std::size_t>(gain)].file;
  const std::vector<AxisPlaces> readers =
      net.readers(factor_of_norm(fold, files.text.tensors[static_cast<std::size_t>(file)]));
  if (readers.empty()) throw UsageError("[fold] '{}': no tensor reads the norm", fold.str());
  const bool biased =
      std::all_of(readers.begin(), readers.end(), [&](const AxisPlaces& r) { return net.bias_of(r.tensor) >= 0; });
  const Block g = net.block(gain), b = bias < 0 ? net.layout(gain) : net.block(bias);
  // Of the norm's bias, once it is folded.
  const double left = biased ? 0 : 1;
  const bool folded = g.all(1) && (bias < 0 || b.all(left));
  bool centres = false;
  for (const AxisPlaces& reader : readers) {
    const int own = net.bias_of(reader.tensor);
    if (own < 0 && bias >= 0) {
      if (folded) continue;
      const Block added = net.sums(reader, b);
      net.scale(reader, g);
      net.without_mean(reader);
      net.add_along(reader, added, 1 / static_cast<double>(g.numbers.size()));
      continue;
    }
    Block added;
    if (bias >= 0 && !b.zero()) added = net.product(reader, b, net.layout(own));
    if (!g.all(1)) net.scale(reader, g);
    const bool had_mean = centred && !net.without_mean(reader).zero();
    // Of a folded norm's ones a reader of mean 0 takes nothing.
    if (!added.numbers.empty() && (had_mean || !folded)) net.add(own, added);
    centres = centres || had_mean;
  }
  net.fill(gain, 1);
  if (bias >= 0) net.fill(bias, left);
  if (folded && !centres) return "";
  return fmt::format("{} of norm {} into what reads it", bias < 0 ? "weight" : "weight and bias", of);
}

}  // namespace weft
