#include "weft/networks/transformer/definition.h"

#include "weft/nfn/forward.h"
#include "weft/ops/contract.h"
#include "weft/ops/operators.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

class Transformer final : public NetworkDefinition {
 public:
  explicit Transformer(const TransformerArchitecture& a) : a_(a), space_(a.space()), positions_(a.positions()) {}

  const Space& space() const override { return space_; }
  ArchitectureFacts facts() const override { return {"transformer", "relu", {}}; }
  std::int64_t outputs() const override { return a_.classes; }
  ItemFormat items() const override { return {a_.item(), a_.patch > 0 ? a_.crop : 0}; }
  /// Behind the embedding, and behind attention and the MLP of each block.
  std::vector<DropoutSite> sites() const override {
    return std::vector<DropoutSite>(static_cast<std::size_t>(1 + 2 * a_.shape.blocks), {a_.tokens(), 1, a_.shape.D});
  }

  Var forward(std::span<const Var> weights, const Var& items, const SiteDropout& drop) const override {
    const std::int64_t B = items.shape()[0], n = items.shape()[1], D = a_.shape.D;
    Var x = items;
    if (a_.patch > 0) {
      const PatchShape cut{.rows = a_.patch, .columns = a_.patch, .stride = a_.patch, .padding = 0};
      const Var cuts = patches(reshape(items, {B * n, a_.channels, a_.image_rows, a_.image_columns}), cut);
      x = contract("bnte,bem+bm->bntm", reshape(cuts, {B, n, a_.tokens(), a_.patch_values()}),
                   reshape(weights[0], {B, a_.patch_values(), D}), reshape(weights[1], {B, D}));
      weights = weights.subspan(2);
    }
    const std::int64_t T = x.shape()[2];
    const auto dropped = [&](std::size_t site, const Var& y) {
      return reshape(drop(site, reshape(y, {B, n, T, D})), {B * n, 1, T, D});
    };
    x = dropped(0, reshape(x, {B * n, 1, T, D}) + positions(x.tape(), B * n, T, x.value().dtype()));
    // Attention mixes the tokens of one item only: every item has a copy of its network for itself.
    const Var y = transformer_forward(repeated_weights(weights, n), x, a_.residual,
                                      [&](std::size_t place, const Var& out) { return dropped(1 + place, out); });
    return reshape(y, {B, n, a_.classes});
  }

 private:
  /// [items, 1, T, D], of the first T tokens.
  Var positions(Tape& tape, std::int64_t items, std::int64_t T, DType dtype) const {
    const Tensor ones = tape.empty({items, 1}, dtype), first = tape.empty({1, T * a_.shape.D}, dtype);
    ones.fill(1);
    first.copy_from(positions_.slice(0, T).reshape(first.shape()));
    return reshape(contract("no,ox->nx", tape.constant(ones), tape.constant(first)), {items, 1, T, a_.shape.D});
  }

  TransformerArchitecture a_;
  Space space_;
  Tensor positions_;
};

}  // namespace

std::shared_ptr<const NetworkDefinition> transformer_definition(const TransformerArchitecture& architecture) {
  return std::make_shared<Transformer>(architecture);
}

}  // namespace weft
