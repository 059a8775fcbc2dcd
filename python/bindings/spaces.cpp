// Spaces: weight spaces and the groups that act on them, as data.

#include "arrays.h"
#include "bindings.h"
#include <fmt/format.h>

#include "weft/groups/space.h"

namespace weft::python {
namespace {

/// A factor of a space, which knows how many copies of it there are.
struct SpaceFactor {
  Space space;
  int number;
  const Factor& factor() const { return space.factors()[static_cast<std::size_t>(number)]; }
};

/// A tensor of a space.
struct TensorOfSpace {
  Space space;
  int number;
  const SpaceTensor& tensor() const { return space.tensors()[static_cast<std::size_t>(number)]; }
  std::vector<std::string> axes() const {
    std::vector<std::string> out;
    for (const SpaceAxis& axis : tensor().axes) out.push_back(space.str(axis));
    return out;
  }
};

FactorKind kind_of(std::string_view name) {
  for (const FactorKind kind : all_kinds)
    if (name == kind->name) return kind;
  std::string names;
  for (const FactorKind kind : all_kinds) names += (names.empty() ? "" : ", ") + std::string(kind->name);
  throw UsageError("[space] no kind of factors is called '{}'; allowed: {}", name, names);
}

void bind_parts_of_spaces(nb::module_& m) {
  nb::class_<SpaceFactor>(m, "Factor", "A factor of a space's group.")
      .def_prop_ro("name", [](const SpaceFactor& f) { return f.factor().name; })
      .def_prop_ro(
          "kind", [](const SpaceFactor& f) { return std::string(f.factor().kind->name); },
          "'permutation', 'positive_monomial', 'GL', ...")
      .def_prop_ro("size", [](const SpaceFactor& f) { return f.factor().size; })
      .def_prop_ro(
          "per", [](const SpaceFactor& f) { return f.factor().per; },
          "The factor that carries one copy at each of its places; empty for none.")
      .def_prop_ro(
          "along", [](const SpaceFactor& f) { return f.factor().along; },
          "The factor whose places this one scales; empty for none.")
      .def_prop_ro("copies", [](const SpaceFactor& f) { return f.space.copies(f.number); })
      .def_prop_ro(
          "dimension", [](const SpaceFactor& f) { return f.space.dimension(f.number); },
          "Of all its copies, as a Lie group.")
      .def("__repr__", [](const SpaceFactor& f) { return fmt::format("{}: {}", f.factor().name, f.factor().str()); });

  nb::class_<TensorOfSpace>(m, "SpaceTensor", "A tensor of a space: a name, and an axis for each factor that acts.")
      .def_prop_ro("name", [](const TensorOfSpace& t) { return t.tensor().name; })
      .def_prop_ro("axes", &TensorOfSpace::axes, "As the space's text has them: ['h2', 'h1*'].")
      .def_prop_ro(
          "taps", [](const TensorOfSpace& t) { return std::pair(t.tensor().tap_rows, t.tensor().tap_columns); },
          "Rows and columns of a convolution's kernel, which are folded into the channels; (1, 1) without.")
      .def_prop_ro(
          "shape", [](const TensorOfSpace& t) { return tuple_of(t.space.axes_shape(t.number)); },
          nb::sig("def shape(self) -> tuple[int, ...]"), "Sizes of the axes, without batch and channels.")
      .def("__repr__", [](const TensorOfSpace& t) {
        std::string axes;
        for (const std::string& axis : t.axes()) axes += (axes.empty() ? "" : ", ") + axis;
        return fmt::format("{}[{}]", t.tensor().name, axes);
      });
}

}  // namespace

void bind_spaces(nb::module_& m) {
  bind_parts_of_spaces(m);
  nb::class_<Space> space(m, "Space",
                          "A weight space: named tensors whose axes are acted on by named factors of a group.\n\n"
                          "    Space('in: fixed(2); h: positive_monomial(16); out: fixed(1)  "
                          "W1[h, in*] b1[h] W2[out, h*] b2[out]')\n\n"
                          "It is a value: equal texts are equal spaces. The text form is docs/spec, 7.1.");
  space
      .def(
          "__init__", [](Space* self, std::string_view text) { new (self) Space(Space::parse(text)); }, "text"_a,
          "Reads the text form. Raises ParseError, naming line, column and what was expected.")
      .def("__str__", [](const Space& s) { return s.str(); })
      .def("__repr__",
           [](const Space& s) { return fmt::format("weft.Space({})", nb::repr(nb::str(s.str().c_str())).c_str()); })
      .def(
          "__eq__", [](const Space& a, const Space& b) { return a == b; }, nb::is_operator(),
          nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__hash__", [](const Space& s) { return nb::hash(nb::str(s.str().c_str())); })
      .def(
          "__reduce__", [](const Space& s) { return nb::make_tuple(nb::type<Space>(), nb::make_tuple(s.str())); },
          nb::sig("def __reduce__(self) -> tuple[type[Space], tuple[str]]"))
      .def_prop_ro("factors",
                   [](const Space& s) {
                     std::vector<SpaceFactor> out;
                     for (int f = 0; f < std::ssize(s.factors()); ++f) out.push_back({s, f});
                     return out;
                   })
      .def_prop_ro("tensors",
                   [](const Space& s) {
                     std::vector<TensorOfSpace> out;
                     for (int t = 0; t < std::ssize(s.tensors()); ++t) out.push_back({s, t});
                     return out;
                   })
      .def_prop_ro(
          "shapes",
          [](const Space& s) {
            nb::dict out;
            for (int t = 0; t < std::ssize(s.tensors()); ++t)
              out[s.tensors()[static_cast<std::size_t>(t)].name.c_str()] = tuple_of(s.axes_shape(t));
            return out;
          },
          nb::sig("def shapes(self) -> dict[str, tuple[int, ...]]"),
          "By the tensors' names: sizes of their axes, without batch and channels.")
      .def_prop_ro("parameters", &Space::parameters, "How many numbers one network has.")
      .def_prop_ro(
          "dimension", [](const Space& s) { return s.dimension(); }, "Of the group, as a Lie group.")
      .def(
          "feature_shape",
          [](const Space& s, std::string_view tensor, std::int64_t batch, std::int64_t channels) {
            return tuple_of(s.feature_shape(s.tensor(tensor), batch, channels));
          },
          "tensor"_a, "batch"_a = 1, "channels"_a = 1,
          nb::sig("def feature_shape(self, tensor: str, batch: int = 1, channels: int = 1) -> tuple[int, ...]"),
          "(batch, channels * taps, *axes). Raises UsageError for a name that is none.")
      .def(
          "with_kind",
          [](const Space& s, std::string_view from, std::string_view to) {
            return s.with_kind(kind_of(from), kind_of(to));
          },
          "from_kind"_a, "to_kind"_a, "The same tensors, acted on by other groups.")
      .def("without_taps", &Space::without_taps, "The same with 1x1 taps.");

  m.def(
      "mlp_space",
      [](const std::vector<std::int64_t>& widths, std::string_view hidden) {
        return mlp_space(widths, kind_of(hidden));
      },
      "widths"_a, "hidden"_a = "positive_monomial",
      "The space of a dense network of these widths, two layers or more: W1[h1, in*] b1[h1] W2[h2, h1*] ...");
  m.def(
      "cnn_space",
      [](const std::vector<std::int64_t>& widths, const std::vector<std::pair<std::int64_t, std::int64_t>>& taps,
         std::string_view hidden) {
        std::vector<std::array<std::int64_t, 2>> kernels;
        for (const auto& [rows, columns] : taps) kernels.push_back({rows, columns});
        return cnn_space(widths, kernels, kind_of(hidden));
      },
      "widths"_a, "taps"_a, "hidden"_a = "positive_monomial",
      "The same with a kernel of (rows, columns) taps for each layer, (1, 1) for dense ones.");
  m.def("attention_space", &attention_space, "D"_a, "h"_a, "Dk"_a, "Dv"_a,
        "Attention alone: WQ[h, m, q] WK[h, m, q*] WV[h, m, v] WO[h, v*, m].");
}

}  // namespace weft::python
