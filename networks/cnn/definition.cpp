#include "weft/networks/cnn/definition.h"

#include "weft/nfn/forward.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"

namespace weft {
namespace {

class Cnn final : public NetworkDefinition {
 public:
  explicit Cnn(const CnnArchitecture& a) : a_(a), space_(a.space()) {}

  const Space& space() const override { return space_; }
  ArchitectureFacts facts() const override { return {"cnn", traits(a_.activation).name, {}}; }
  std::int64_t outputs() const override { return a_.widths.back(); }
  ItemFormat items() const override { return {{a_.widths.front(), a_.image_rows, a_.image_columns}}; }

  /// Behind each activation, of the positions that the next convolution reads.
  std::vector<DropoutSite> sites() const override {
    std::vector<DropoutSite> sites;
    std::int64_t rows = a_.image_rows, columns = a_.image_columns;
    for (std::size_t i = 0; i < a_.kernels.size(); ++i) {
      rows = (rows - a_.kernels[i]) / a_.stride + 1;
      columns = (columns - a_.kernels[i]) / a_.stride + 1;
      sites.push_back({rows, columns, a_.widths[i + 1]});
    }
    for (std::size_t i = sites.size(); i-- > 1;) {
      sites[i - 1].rows = (sites[i].rows - 1) * a_.stride + a_.kernels[i];
      sites[i - 1].columns = (sites[i].columns - 1) * a_.stride + a_.kernels[i];
    }
    return sites;
  }

  Var forward(std::span<const Var> weights, const Var& images, const SiteDropout& drop) const override {
    std::vector<PatchShape> layers;
    for (const std::int64_t side : a_.kernels) layers.push_back({side, side, a_.stride, 0});
    return cnn_forward(weights, layers, images, a_.activation,
                       [&](std::size_t layer, const Var& x) { return drop(layer, x); });
  }

 private:
  CnnArchitecture a_;
  Space space_;
};

}  // namespace

std::shared_ptr<const NetworkDefinition> cnn_definition(const CnnArchitecture& architecture) {
  return std::make_shared<Cnn>(architecture);
}

}  // namespace weft
