#include "weft/core/error.h"
#include "weft/networks/files/folds/folds.h"

namespace weft {

std::string fold_zero(FoldedNumbers& net, const FoldText&, const std::string& of) {
  bool any = false;
  for (const int t : net.named(of)) {
    any = any || !net.block(t).zero();
    net.fill(t, 0);
  }
  return any ? fmt::format("{} to 0", of) : "";
}

std::string fold_move(FoldedNumbers& net, const FoldText& fold, const std::string& of) {
  const std::vector<int> moved = net.named(of);
  for (const std::string& name : fold.through)
    for (const int weight : net.named(name))
      if (net.bias_of(weight) < 0) return "";
  std::string into;
  bool any = false;
  for (std::size_t i = 0; i < moved.size(); ++i) {
    const Block b = net.block(moved[i]);
    if (b.zero()) continue;
    any = true;
    for (const std::string& name : fold.through)
      for (const int weight : net.named(name)) {
        const int bias = net.bias_of(weight);
        net.add(bias, net.product(weight, b, net.layout(bias)));
      }
    for (const std::string& name : fold.into) {
      // Part by part where both have as many.
      const std::vector<int> to = net.named(name);
      if (to.size() != moved.size())
        throw UsageError("[fold] '{}': '{}' has {} parts, '{}' {}", fold.str(), of, moved.size(), name, to.size());
      net.add(to[i], b);
    }
    net.fill(moved[i], 0);
  }
  if (!any) return "";
  for (const auto* names : {&fold.through, &fold.into})
    for (const std::string& name : *names)
      into += (into.empty() ? "" : ", ") + (names == &fold.through ? "the bias of " + name : name);
  return fmt::format("{} into {}", of, into);
}

}  // namespace weft
