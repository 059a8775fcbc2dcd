// Layers of neural functional networks.

#include "modules.h"

#include "weft/nfn/linear/linear.h"
#include "weft/nfn/magep/equivariant.h"
#include "weft/nfn/magep/invariant.h"
#include "weft/nfn/pooling.h"
#include "weft/nfn/transformer/equivariant.h"
#include "weft/nfn/transformer/invariant.h"

namespace weft::python {
namespace {

LayerInput input_of(const std::optional<std::string>& activation, double dropout, const SeedOrKey& seed) {
  LayerInput input{.dropout = dropout, .key = key_of(seed, "dropout")};
  if (!activation) return input;
  for (int op = 0; op < static_cast<int>(UnaryOp::count); ++op)
    if (*activation == traits(static_cast<UnaryOp>(op)).name) input.activation = static_cast<UnaryOp>(op);
  if (!input.activation) throw UsageError("[layer] activation '{}'; allowed: the pointwise operations", *activation);
  return input;
}

}  // namespace

void bind_layers(nb::module_& m) {
  nb::class_<ListLayer, Module>(m, "ListLayer", "A layer from d to e channels that a list of terms defines.")
      .def_prop_ro("list", [](const ListLayer& l) { return l.list(); })
      .def_prop_ro("d", &ListLayer::d, "Channels in.")
      .def_prop_ro("e", &ListLayer::e, "Channels out.");
  nb::class_<EquivariantLayer, ListLayer>(m, "EquivariantLayer", "From features to features.")
      .def(
          "__call__",
          [](const std::shared_ptr<EquivariantLayer>& layer, const StepFeatures& x,
             const std::optional<std::string>& activation, double dropout,
             const SeedOrKey& seed) { return called(layer, x, input_of(activation, dropout, seed)); },
          "x"_a, "activation"_a = nb::none(), "dropout"_a = 0.0, "seed"_a = 0,
          "x: [batch, d taps, axes...] -> [batch, e taps, axes...]. The activation ('relu') and the dropout of whole\n"
          "channels are applied to x as it is read. Raises ShapeError, DtypeError, TypeError, UsageError.");
  nb::class_<InvariantLayer, ListLayer>(m, "InvariantLayer", "From features to plain numbers.")
      .def(
          "__call__",
          [](const std::shared_ptr<InvariantLayer>& layer, const StepFeatures& x,
             const std::optional<std::string>& activation, double dropout,
             const SeedOrKey& seed) { return called(layer, x, input_of(activation, dropout, seed)); },
          "x"_a, "activation"_a = nb::none(), "dropout"_a = 0.0, "seed"_a = 0,
          "x: [batch, d taps, axes...] -> [batch, e]. As of an EquivariantLayer.");

  nb::class_<TermLayer, EquivariantLayer>(m, "TermLayer", "Any list of terms, on an interpreter.")
      .def(nb::init<const Module&, std::string_view, const Space&, const Space&, const std::string&, std::int64_t,
                    std::int64_t, bool>(),
           "parent"_a, "name"_a, "in_space"_a, "out_space"_a, "terms"_a, "d"_a, "e"_a, "train_psi"_a = true,
           "Raises what TermList raises.");
  nb::class_<LinearLayer, EquivariantLayer>(
      m, "LinearLayer", "Terms of degree 1 and 0, as derive_linear writes them, with fast schedules.")
      .def(
          "__init__",
          [](LinearLayer* self, const Module& parent, std::string_view name, const Space& in, const Space& out,
             const std::string& terms, std::int64_t d,
             std::int64_t e) { new (self) LinearLayer(parent, name, in, out, terms, d, e); },
          "parent"_a, "name"_a, "in_space"_a, "out_space"_a, "terms"_a, "d"_a, "e"_a, "Raises what TermList raises.");
  nb::class_<MagepEquivariant, EquivariantLayer>(m, "MagepEquivariant", "MAGEP-NFN's equivariant layer.")
      .def(nb::init<const Module&, std::string_view, const Space&, std::int64_t, std::int64_t, bool>(), "parent"_a,
           "name"_a, "space"_a, "d"_a, "e"_a, "train_psi"_a = true,
           "Raises UsageError for a space that is not that of a dense network W1 b1 ... without taps.");
  nb::class_<MagepInvariant, InvariantLayer>(m, "MagepInvariant", "MAGEP-NFN's invariant layer.")
      .def(nb::init<const Module&, std::string_view, const Space&, std::int64_t, std::int64_t, bool>(), "parent"_a,
           "name"_a, "space"_a, "d"_a, "e"_a, "train_psi"_a = true, "Raises UsageError, as MagepEquivariant.");
  nb::class_<TransformerEquivariant, EquivariantLayer>(m, "TransformerEquivariant", "Transformer-NFN's layer.")
      .def(nb::init<const Module&, std::string_view, const Space&, std::int64_t, std::int64_t, bool>(), "parent"_a,
           "name"_a, "space"_a, "d"_a, "e"_a, "train"_a = true);
  nb::class_<TransformerInvariant, InvariantLayer>(m, "TransformerInvariant", "Transformer-NFN's invariant layer.")
      .def(nb::init<const Module&, std::string_view, const Space&, std::int64_t, std::int64_t>(), "parent"_a, "name"_a,
           "space"_a, "d"_a, "e"_a);

  m.def(
      "mean_pool",
      [](const StepFeatures& x) {
        const TapeUse use(x.tape());
        return StepVar{mean_pool(x.get()), x.owner};
      },
      "x"_a, "The mean over each axis that moves: [batch, numbers]. Raises TypeError where the group has scales.");
  m.def("pooled_size", &pooled_size, "space"_a, "channels"_a, "Numbers that mean_pool gives for a network.");
  nb::class_<NormalisingPool, Module>(m, "NormalisingPool", "The pool that scales and signs leave alone.")
      .def(nb::init<const Module&, std::string_view, const Space&, std::int64_t>(), "parent"_a, "name"_a, "space"_a,
           "channels"_a)
      .def(
          "__call__",
          [](const std::shared_ptr<NormalisingPool>& pool, const StepFeatures& x) { return called(pool, x); }, "x"_a,
          "x: features -> [batch, numbers], as many as mean_pool's.");
  nb::class_<LearnedScale, Module>(m, "LearnedScale", "One learned factor for each tensor.")
      .def(nb::init<const Module&, std::string_view, const Space&, double>(), "parent"_a, "name"_a, "space"_a,
           "initial"_a = 0.01)
      .def(
          "__call__",
          [](const std::shared_ptr<LearnedScale>& scale, const StepFeatures& x) { return called(scale, x); }, "x"_a);
}

}  // namespace weft::python
