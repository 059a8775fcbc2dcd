// Elements of a space's group.

#include "arrays.h"
#include "bindings.h"
#include <nanobind/operators.h>

#include "weft/groups/element.h"
#include "weft/tasks/moves.h"
#include "weft/zoo/element_file.h"

namespace weft::python {
namespace {

nb::dict part_of(const Element& g, const std::string& name) {
  const int f = g.space().find_factor(name);
  if (f < 0) throw UsageError("[element] the space has no factor '{}'", name);
  const ElementPart& p = g.part(f);
  nb::dict out;
  const auto add = [&](const char* key, const auto& numbers, const Shape& shape) {
    if (!numbers.empty()) out[key] = array_of(Tensor::from(std::span(numbers), shape));
  };
  add("order", p.order, {p.copies, p.size});
  add("scale", p.scale, {p.copies, p.size});
  add("matrix", p.matrix, {p.copies, p.size, p.size});
  add("inverse", p.inverse, {p.copies, p.size, p.size});
  add("re", p.re, {p.copies, p.size / 2});
  add("im", p.im, {p.copies, p.size / 2});
  return out;
}

template <class T>
std::vector<T> numbers(nb::handle array, std::string_view name) {
  const Tensor t = tensor_of(array, "element", name);
  if (t.dtype() != dtype_of<T>)
    throw DtypeError("[element] '{}' is {}; allowed: {}", name, weft::name(t.dtype()), weft::name(dtype_of<T>));
  const std::span<T> all = t.span<T>();
  return {all.begin(), all.end()};
}

/// The identity, with what the parts say. Sizes are the constructor's to check.
Element element_of(const Space& space, nb::handle parts) {
  const Element identity = Element::identity(space);
  std::vector<ElementPart> all(identity.parts().begin(), identity.parts().end());
  for (const auto& [name, part] : items_of(parts, "element", "parts")) {
    const int f = space.find_factor(name);
    if (f < 0) throw UsageError("[element] the space has no factor '{}'", name);
    ElementPart& p = all[static_cast<std::size_t>(f)];
    for (const auto& [field, array] : items_of(part, "element", name)) {
      const std::string called = name + "." + field;
      if (field == "order")
        p.order = numbers<std::int32_t>(array, called);
      else if (field == "scale")
        p.scale = numbers<double>(array, called);
      else if (field == "matrix")
        p.matrix = numbers<double>(array, called);
      else if (field == "inverse")
        p.inverse = numbers<double>(array, called);
      else if (field == "re")
        p.re = numbers<double>(array, called);
      else if (field == "im")
        p.im = numbers<double>(array, called);
      else
        throw UsageError("[element] '{}'; allowed: order, scale, matrix and inverse, re and im", called);
    }
  }
  return {space, std::move(all)};
}

nb::dict parts_of(const Element& g) {
  nb::dict out;
  for (const Factor& f : g.space().factors()) out[f.name.c_str()] = part_of(g, f.name);
  return out;
}

}  // namespace

void bind_elements(nb::module_& m) {
  nb::class_<RandomKey>(m, "RandomKey",
                        "A seed and a purpose name one endless stream of numbers, which depends on nothing else.")
      .def(nb::init<std::uint64_t, std::string_view>(), "seed"_a, "purpose"_a)
      .def_ro("seed", &RandomKey::seed)
      .def("at", nb::overload_cast<std::uint64_t>(&RandomKey::at, nb::const_), "index"_a, "A stream of its own.")
      .def("at", nb::overload_cast<std::string_view>(&RandomKey::at, nb::const_), "name"_a);

  nb::class_<Element>(m, "Element",
                      "One element of a space's group: an order, scales or a small matrix for each factor.\n\n"
                      "It is a value. `weft.act(element, tensors)` moves networks by it.")
      .def(
          "__init__",
          [](Element* self, const Space& space, nb::handle parts) { new (self) Element(element_of(space, parts)); },
          "space"_a, "parts"_a,
          nb::sig("def __init__(self, space: Space, parts: collections.abc.Mapping[str, collections.abc.Mapping[str, "
                  "object]]) -> None"),
          "Of parts by the factors' names, as part() gives them: order int32, all else float64. What is left out is\n"
          "the identity. Raises UsageError, ShapeError for parts that do not fit or have no inverse.")
      .def_static("identity", &Element::identity, "space"_a)
      .def_static(
          "random",
          [](const Space& space, const SeedOrKey& seed, double low, double high, double condition, bool signs,
             bool avoid) {
            return Element::random(space, key_of(seed, "element"),
                                   {.scale_low = low,
                                    .scale_high = high,
                                    .condition = condition,
                                    .signs = signs,
                                    .avoid_identity = avoid});
          },
          "space"_a, "seed"_a = 0, "scale_low"_a = ElementRange{}.scale_low, "scale_high"_a = ElementRange{}.scale_high,
          "condition"_a = ElementRange{}.condition, "signs"_a = true, "avoid_identity"_a = true,
          "Uniform permutations, scales of [scale_low, scale_high], GL matrices with singular values over\n"
          "[1, condition]. A seed n stands for RandomKey(n, 'element').")
      .def_static("load", &load_element, "path"_a, "space"_a, nb::call_guard<nb::gil_scoped_release>(),
                  "From a file as save() writes it. Raises DiskError, FormatError.")
      .def(
          "save", [](const Element& g, const std::filesystem::path& path) { save_element(path, g); }, "path"_a,
          nb::call_guard<nb::gil_scoped_release>(), "As a safetensors file, complete or not at all. Raises DiskError.")
      .def_prop_ro("space", [](const Element& g) { return g.space(); })
      .def("part", &part_of, "factor"_a,
           nb::sig("def part(self, factor: str) -> dict[str, numpy.typing.NDArray[numpy.generic]]"),
           "What it does along one factor, as arrays: order and scale [copies, size], matrix and inverse\n"
           "[copies, size, size], re and im [copies, size / 2]; those that the factor's kind has. (g x)[i] =\n"
           "scale[i] x[order[i]]. They are copies. Raises UsageError for a name that is none.")
      .def_prop_ro("parts", &parts_of,
                   nb::sig("def parts(self) -> dict[str, dict[str, numpy.typing.NDArray[numpy.generic]]]"),
                   "All parts, by the factors' names.")
      .def(
          "__reduce__",
          [](const Element& g) { return nb::make_tuple(nb::type<Element>(), nb::make_tuple(g.space(), parts_of(g))); },
          nb::sig("def __reduce__(self) -> tuple[type[Element], tuple[Space, dict[str, dict[str, "
                  "numpy.typing.NDArray[numpy.generic]]]]]"))
      .def("then", &Element::then, "next"_a,
           "First this element, then `next`: the group's product. Raises UsageError for another space.")
      .def("inverse", &Element::inverse)
      .def("dual", &Element::dual, "Acts on gradients as this one acts on weights.")
      .def("__repr__", [](const Element& g) {
        return "<weft.Element of " + nb::cast<std::string>(nb::repr(nb::str(g.space().str().c_str()))) + ">";
      });

  m.def("random_element", &random_element, "space"_a, "number"_a, "strength"_a, "seed"_a = 0,
        "The element by which networks are moved for tests, keyed by (seed, number, strength): uniform permutations,\n"
        "scales of [1, 10^strength], random signs from strength 1 on. `weft act` takes that of number 0.");
}

}  // namespace weft::python
