// How an element acts: on arrays, and on a network of a file.

#include "arrays.h"
#include "bindings.h"

#include "weft/ops/act.h"
#include "weft/zoo/network_file.h"

namespace weft::python {

void bind_acting(nb::module_& m) {
  m.def(
      "act",
      [](const Element& g, const NetworkFile& n) {
        if (!(g.space() == n.space))
          throw UsageError("[act] an element of '{}' and a network of '{}'; allowed: one space", g.space().str(),
                           n.space.str());
        if (n.source) n.source->require_known();
        NetworkFile out = n;
        out.weights = act(g, n.weights);
        return out;
      },
      "element"_a, "network"_a, nb::call_guard<LongCall>(),
      "The network moved by the element; saved, it has the names and types of its file.");
  m.def(
      "act",
      [](const Element& g, nb::handle tensors) {
        const std::vector<Tensor> given = features_of(tensors, g.space(), "act");
        std::vector<Tensor> moved;
        {
          const LongCall call;
          moved = act(g, given);
        }
        return arrays_like(tensors, g.space(), moved);
      },
      "element"_a, "tensors"_a,
      nb::sig("def act(element: Element, tensors: collections.abc.Mapping[str, typing.Any] | "
              "collections.abc.Sequence[typing.Any]) -> typing.Any"),
      "The networks moved by the element: vector axes by g, covector axes by its inverse's transpose.\n\n"
      "tensors: arrays by the names of the space's tensors, or in their order; float32 or float64, each [axes...],\n"
      "[taps, axes...] or [batch, channels * taps, axes...]. Returns new NumPy arrays of the same shapes, a dict for\n"
      "a mapping and else a list. Raises ShapeError, DtypeError, UsageError.");
}

}  // namespace weft::python
