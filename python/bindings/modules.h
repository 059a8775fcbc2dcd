#pragma once
// How layers are called from Python.

#include <memory>
#include <type_traits>

#include "steps.h"
#include <nanobind/stl/shared_ptr.h>

#include "weft/nn/module.h"

namespace weft::python {

/// y of a layer on a variable or on features, without the GIL. The step's nodes may point into the layer, so the tape
/// keeps it.
template <class Layer, class X, class... Given>
auto called(const std::shared_ptr<Layer>& layer, const X& x, const Given&... given) {
  StepTape& tape = x.tape();
  const TapeUse use(tape);
  tape.keep(layer);
  const auto in = x.get();
  const auto y = [&] {
    const nb::gil_scoped_release free;
    return (*layer)(in, given...);
  }();
  if constexpr (std::is_same_v<decltype(y), const Var>)
    return StepVar{y, x.owner};
  else
    return StepFeatures(y, x.owner);
}

}  // namespace weft::python
