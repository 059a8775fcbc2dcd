#include "weft/networks/files/folds/folds.h"

namespace weft {

std::string fold_mean(FoldedNumbers& net, const FoldText& fold, const std::string& of) {
  const int factor = net.files().space.find_factor(fold.over);
  bool any = false;
  for (const int t : net.named(of)) {
    AxisPlaces axis = net.over(t, factor);
    axis.from = fold.from;
    axis.to = fold.to.value_or(-1);
    const Block mean = net.without_mean(axis);
    any = any || !mean.zero();
    for (const std::string& name : fold.into) net.add(net.one(name), mean);
  }
  if (!any) return "";
  return fmt::format("mean of {} over {}{}", of, fold.over, fold.into.empty() ? " to 0" : " into " + fold.into[0]);
}

std::string fold_centred_stream(FoldedNumbers& net, const FoldText&, const std::string& of) {
  const Space& space = net.files().space;
  const int stream = space.find_factor(of);
  bool any = false;
  for (std::size_t t = 0; t < space.tensors().size(); ++t)
    for (const SpaceAxis& axis : space.tensors()[t].axes) {
      // What norms scale, and what reads them, has their factors too.
      bool written = axis.factor == stream;
      for (const FactorDegree& c : axis.characters) written = written && c.factor == stream;
      if (written) any = !net.without_mean(net.over(static_cast<int>(t), stream)).zero() || any;
    }
  return any ? fmt::format("what is written into {} to mean 0", of) : "";
}

}  // namespace weft
