#include "weft/nfn/models/magep_model.h"

#include <algorithm>

#include "weft/groups/derive.h"
#include "weft/nfn/magep/tables.h"

namespace weft {
namespace {

UnaryOp act_of(const Space& space) {
  const auto& factors = space.factors();
  const bool signs = std::any_of(factors.begin(), factors.end(), [](const Factor& f) { return f.kind->has_signs(); });
  return signs ? UnaryOp::Tanh : UnaryOp::Relu;
}

}  // namespace

MagepModel::MagepModel(const Settings& settings, const Space& space, std::int64_t outputs)
    : Reader("magep", settings, space, outputs),
      folded_(space.without_taps()),
      act_(act_of(space)),
      lift_(*this, "lift", space, folded_, derive_linear(space, folded_), 1, settings.whole("channels")),
      invariant_(*this, "I", folded_, settings.whole("channels"), settings.whole("channels")),
      readout_(*this, "head",
               {settings.whole("channels"), settings.whole("hidden"), settings.whole("hidden"), outputs}) {
  for (std::int64_t i = 0; i < settings.whole("equivariant_layers"); ++i)
    equivariant_.emplace_back(*this, "E" + std::to_string(i + 1), folded_, settings.whole("channels"),
                              settings.whole("channels"), settings.flag("train_psi"));
}

std::vector<FixedAxis> MagepModel::fixed_axes() const { return fixed_axes_of(space_); }

Var MagepModel::forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const {
  const LayerInput activated{.activation = act_};
  Features x = lift_(Features::constant(tape, space_, prepared));
  for (const MagepEquivariant& layer : equivariant_) x = layer(x, activated);
  return readout_(invariant_(x, activated));
}

extern const ModelKind magep_model{
    .name = "magep",
    .text = "MAGEP-NFN: polynomial layers that respect permutations and scales or signs of hidden neurons",
    .reads_text = "dense and convolutional networks",
    .reads = magep::is_chain,
    .settings = {channels_setting(20),
                 equivariant_layers_setting(2),
                 hidden_setting(500),
                 {.name = "train_psi", .text = "train the psi of MAGEP's equivariant layers, too", .usual = false}},
    .training = {},
    .make = [](const ModelKind&, const Settings& settings, const Space& space, std::int64_t outputs)
        -> std::unique_ptr<Reader> { return std::make_unique<MagepModel>(settings, space, outputs); }};

}  // namespace weft
