// Lists of typed terms, and layers that are derived from two spaces.

#include "arrays.h"
#include "bindings.h"
#include <fmt/format.h>

#include "weft/groups/derive.h"
#include "weft/groups/term.h"

namespace weft::python {
namespace {

/// A learned tensor of a list.
struct ListParameter {
  TermParameter parameter;
};

DeriveOptions options_of(bool means, bool constant, const std::map<std::string, AlongFixed>& fixed) {
  return {.means = means, .constant = constant, .fixed = fixed};
}

void bind_lists(nb::module_& m) {
  nb::class_<ListParameter>(m, "TermParameter", "A learned tensor of a list of terms.")
      .def_prop_ro("name", [](const ListParameter& p) { return p.parameter.name; })
      .def(
          "shape",
          [](const ListParameter& p, std::int64_t e, std::int64_t d) { return tuple_of(p.parameter.shape(e, d)); },
          "e"_a, "d"_a, nb::sig("def shape(self, e: int, d: int) -> tuple[int, ...]"), "In a layer of d -> e channels.")
      .def("__repr__", [](const ListParameter& p) { return p.parameter.name; });

  nb::class_<TermList>(m, "TermList",
                       "A layer as formulas, one a line, parsed against two spaces and proved equivariant:\n\n"
                       "    TermList(space, space, 'W1[j,k] += phi1[q,k] W1[j,q]\\nb1[j] += phi1[q] W1[j,q]')")
      .def(nb::init<const Space&, const Space&, std::string_view, bool>(), "in_space"_a, "out_space"_a, "text"_a,
           "decide_only"_a = false,
           "Raises ParseError for what is no term and, unless decide_only, TypeError for the first term that is not\n"
           "equivariant, with its index and the reason.")
      .def_prop_ro("in_space", [](const TermList& l) { return l.in(); })
      .def_prop_ro("out_space", [](const TermList& l) { return l.out(); })
      .def_prop_ro(
          "text", [](const TermList& l) { return l.text(); }, "One statement a line; TermList reads it again.")
      .def_prop_ro(
          "parameters",
          [](const TermList& l) {
            std::vector<ListParameter> out;
            for (const TermParameter& p : l.parameters()) out.push_back({p});
            return out;
          },
          "Its learned tensors, in order of first use.")
      .def("__len__", [](const TermList& l) { return l.terms().size(); })
      .def("__str__", [](const TermList& l) { return l.text(); })
      .def(
          "proof",
          [](const TermList& l, std::optional<int> term) {
            if (term) return l.proof(*term);
            std::string all;
            for (int i = 0; i < std::ssize(l.terms()); ++i) all += l.proof(i);
            return all;
          },
          "term"_a = nb::none(), "One line for each index of a term, or of all: its factor, its places, the rule.")
      .def("refusal", &TermList::refusal, "term"_a, "Why the term is not equivariant, or None.")
      .def("parameter_count", &TermList::parameter_count, "e"_a, "d"_a);
}

}  // namespace

void bind_terms(nb::module_& m) {
  bind_lists(m);
  nb::class_<AlongFixed>(m, "AlongFixed", "What a derived layer does along a fixed axis that input and output have.")
      .def_static("mixed", &AlongFixed::mixed, "phi maps all places to all.")
      .def_static("diagonal", &AlongFixed::diagonal, "phi has one number for each place.")
      .def_static("low_rank", &AlongFixed::low_rank, "rank"_a,
                  "phi psi maps all places to all, through `rank` numbers.")
      .def_static("alone", &AlongFixed::alone, "phi does not see the places.");
  m.def(
      "derive_linear",
      [](const Space& in, const Space& out, bool means, bool constant, const std::map<std::string, AlongFixed>& fixed) {
        const LongCall call;
        return derive_linear(in, out, options_of(means, constant, fixed));
      },
      "in_space"_a, "out_space"_a, "means"_a = false, "constant"_a = true,
      "fixed"_a = std::map<std::string, AlongFixed>{},
      nb::sig("def derive_linear(in_space: Space, out_space: Space, means: bool = False, constant: bool = True, "
              "fixed: collections.abc.Mapping[str, AlongFixed] = {}) -> str"),
      "The text of the complete linear layer that respects both groups, which TermList and LinearLayer read.\n\n"
      "means: sums written as mean(...); constant: with terms of degree 0; fixed: by the names of fixed factors.\n"
      "Raises UsageError.");
  nb::class_<DerivedQuadratic>(m, "DerivedQuadratic", "All products of two features that respect both groups.")
      .def_ro("terms", &DerivedQuadratic::terms, "Contractions of two features, fewest multiplications first.")
      .def_ro("products", &DerivedQuadratic::products, "Those that are an invariant times a feature.")
      .def_ro("left_out", &DerivedQuadratic::left_out, "Dearest terms beyond the limit.");
  m.def(
      "derive_quadratic",
      [](const Space& in, const Space& out, bool means, bool constant, const std::map<std::string, AlongFixed>& fixed,
         std::int64_t limit) {
        const LongCall call;
        return derive_quadratic(in, out, options_of(means, constant, fixed), limit);
      },
      "in_space"_a, "out_space"_a, "means"_a = false, "constant"_a = true,
      "fixed"_a = std::map<std::string, AlongFixed>{}, "limit"_a = 1000,
      nb::sig("def derive_quadratic(in_space: Space, out_space: Space, means: bool = False, constant: bool = True, "
              "fixed: collections.abc.Mapping[str, AlongFixed] = {}, limit: int = 1000) -> DerivedQuadratic"),
      "Every legal term of degree 2, at most `limit` of them. Raises UsageError.");
}

}  // namespace weft::python
