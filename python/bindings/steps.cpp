// Tapes, variables and features.

#include "steps.h"

#include <algorithm>
#include <list>

#include "arrays.h"
#include <fmt/format.h>

#include "weft/ops/operators.h"
#include "weft/ops/pointwise.h"

namespace weft::python {

Tape& StepTape::tape() const {
  if (!tape_) throw AutogradError("[tape] the training that this tape was of is gone; allowed: its use in the loss");
  return *tape_;
}

void StepTape::reset() {
  tape().reset();
  kept_.clear();
}

void StepTape::keep(const std::shared_ptr<const void>& thing) {
  const auto same = [&](const auto& kept) { return kept.get() == thing.get(); };
  if (std::ranges::none_of(kept_, same)) kept_.push_back(thing);
}

TapeUse::TapeUse(StepTape& tape) : tape_(tape) {
  if (tape_.used_.test_and_set())
    throw AutogradError("[tape] another thread is using this tape; allowed: one thread at a time, or a tape for each");
}

StepFeatures::StepFeatures(const Features& x, nb::object owner)
    : space(&lasting(x.space())), vars(x.vars().begin(), x.vars().end()), owner(std::move(owner)) {}

const Space& lasting(const Space& space) {
  static auto* spaces = new std::list<Space>;  // guarded by the GIL; never freed, for tapes may end last
  const auto found = std::ranges::find(*spaces, space);
  return found != spaces->end() ? *found : spaces->emplace_back(space);
}

namespace {

/// A result of variables, or of features, that lie on the tape of the first.
template <class F>
StepVar on_var(const StepVar& x, const F& f) {
  const TapeUse use(x.tape());
  return {f(x.get()), x.owner};
}
template <class F>
StepFeatures on_features(const StepFeatures& x, const F& f) {
  const TapeUse use(x.tape());
  return {f(x.get()), x.owner};
}

nb::object value_of(const StepVar& x) { return array_of(x.get().value().clone()); }

void bind_tapes(nb::module_& m) {
  nb::class_<StepTape>(m, "Tape",
                       "The record of one step: what was computed, for the backward pass.\n\n"
                       "reset() ends the step and keeps its memory, so that the next one of the same shapes allocates\n"
                       "nothing. A tape is for one thread at a time.")
      .def(nb::init<>())
      .def(
          "constant",
          [](StepTape& tape, nb::handle value) {
            const TapeUse use(tape);
            return StepVar{tape.tape().constant(tensor_of(value, "constant", "value")), nb::find(tape)};
          },
          "value"_a, nb::sig("def constant(self, value: typing.Any) -> Var"), "An array as a plain variable.")
      .def(
          "leaf",
          [](StepTape& tape, nb::handle value) {
            const TapeUse use(tape);
            return StepVar{tape.tape().leaf(tensor_of(value, "leaf", "value")), nb::find(tape)};
          },
          "value"_a, nb::sig("def leaf(self, value: typing.Any) -> Var"), "The same, whose gradient is wanted.")
      .def(
          "backward",
          [](StepTape& tape, const StepVar& y, bool add) {
            const TapeUse use(tape);
            Tape& on = tape.tape();
            const Var scalar = y.get();
            const nb::gil_scoped_release free;
            on.backward(scalar, add ? Gradients::add : Gradients::replace);
          },
          "y"_a, "add"_a = false,
          "Differentiates a scalar; parameters' gradients are replaced or, with `add`, added up over several passes.\n"
          "Raises AutogradError on a second call, or for what is no scalar.")
      .def(
          "backward",
          [](StepTape& tape, const std::vector<StepVar>& outputs, const std::vector<nb::object>& cotangents, bool add) {
            const TapeUse use(tape);
            Tape& on = tape.tape();
            std::vector<Var> ys;
            std::vector<Tensor> all;
            for (const StepVar& y : outputs) ys.push_back(y.get());
            for (const nb::object& c : cotangents) all.push_back(tensor_of(c, "backward", "cotangent"));
            const nb::gil_scoped_release free;
            on.backward(ys, all, add ? Gradients::add : Gradients::replace);
          },
          "outputs"_a, "cotangents"_a, "add"_a = false,
          nb::sig("def backward(self, outputs: collections.abc.Sequence[Var], cotangents: "
                  "collections.abc.Sequence[typing.Any], add: bool = False) -> None"),
          "Differentiates the sum of the products of each output with its cotangent, an array of its shape.")
      .def(
          "grad",
          [](StepTape& tape, const StepVar& x) {
            const TapeUse use(tape);
            return array_of(tape.tape().grad(x.get()).value().clone());
          },
          "x"_a, nb::sig("def grad(self, x: Var) -> numpy.typing.NDArray[typing.Any]"),
          "The gradient of a leaf, a new array.")
      .def(
          "reset",
          [](StepTape& tape) {
            const TapeUse use(tape);
            tape.reset();
          },
          "Ends the step: its variables are invalid, and raise AutogradError.");

  nb::class_<StepVar> var(m, "Var", "A variable of one step: numbers, and what acts on each axis.");
  var.attr("__array_ufunc__") = nb::none();  // else an array plus a variable is an array of variables
  var.def_prop_ro(
         "shape", [](const StepVar& x) { return tuple_of(x.get().shape()); },
         nb::sig("def shape(self) -> tuple[int, ...]"))
      .def_prop_ro("dtype", [](const StepVar& x) { return std::string(weft::name(x.get().dtype())); })
      .def_prop_ro(
          "type", [](const StepVar& x) { return x.get().type().str(); }, "What acts on its axes, in words.")
      .def_prop_ro("name", [](const StepVar& x) { return std::string(x.get().name()); })
      .def_prop_ro("requires_grad", [](const StepVar& x) { return x.get().requires_grad(); })
      .def("numpy", &value_of, nb::sig("def numpy(self) -> numpy.typing.NDArray[typing.Any]"), "A copy of its numbers.")
      .def(
          "item",
          [](const StepVar& x) {
            const Tensor& t = x.get().value();
            if (t.numel() != 1) throw ShapeError("[item] {}; allowed: one number", t.shape().str());
            return with_float(t.dtype(), "item", [&]<class T>(T) { return static_cast<double>(*t.data<T>()); });
          },
          "Its one number.")
      .def(
          "__add__", [](const StepVar& a, const StepVar& b) { return on_var(a, [&](auto x) { return x + b.get(); }); },
          nb::is_operator())
      .def(
          "__sub__", [](const StepVar& a, const StepVar& b) { return on_var(a, [&](auto x) { return x - b.get(); }); },
          nb::is_operator())
      .def(
          "__mul__", [](const StepVar& a, const StepVar& b) { return on_var(a, [&](auto x) { return x * b.get(); }); },
          nb::is_operator())
      .def(
          "__truediv__",
          [](const StepVar& a, const StepVar& b) { return on_var(a, [&](auto x) { return x / b.get(); }); },
          nb::is_operator())
      .def(
          "__add__", [](const StepVar& a, double c) { return on_var(a, [&](auto x) { return x + c; }); },
          nb::is_operator())
      .def(
          "__radd__", [](const StepVar& a, double c) { return on_var(a, [&](auto x) { return c + x; }); },
          nb::is_operator())
      .def(
          "__sub__", [](const StepVar& a, double c) { return on_var(a, [&](auto x) { return x - c; }); },
          nb::is_operator())
      .def(
          "__rsub__", [](const StepVar& a, double c) { return on_var(a, [&](auto x) { return c - x; }); },
          nb::is_operator())
      .def(
          "__mul__", [](const StepVar& a, double c) { return on_var(a, [&](auto x) { return x * c; }); },
          nb::is_operator())
      .def(
          "__rmul__", [](const StepVar& a, double c) { return on_var(a, [&](auto x) { return c * x; }); },
          nb::is_operator())
      .def(
          "__truediv__", [](const StepVar& a, double c) { return on_var(a, [&](auto x) { return x / c; }); },
          nb::is_operator())
      .def("__neg__", [](const StepVar& a) { return on_var(a, [](auto x) { return -x; }); })
      .def("__repr__", [](const StepVar& x) -> std::string {
        try {
          return fmt::format("<weft.Var {}{} {}>", x.get().name(), x.get().shape().str(), name(x.get().dtype()));
        } catch (const AutogradError&) {
          return "<weft.Var of a step that ended>";
        }
      });
}

/// Constants, leaves: of arrays of one space.
template <class Make>
StepFeatures made(StepTape& tape, const Space& space, nb::handle arrays, const char* who, const Make& make) {
  const TapeUse use(tape);
  const Space& lasts = lasting(space);
  const std::vector<Tensor> tensors = features_of(arrays, lasts, who);
  return {make(tape.tape(), lasts, std::span<const Tensor>(tensors)), nb::find(tape)};
}

void bind_features(nb::module_& m) {
  const char* arrays =
      "def {}(tape: Tape, space: Space, arrays: collections.abc.Mapping[str, typing.Any] | "
      "collections.abc.Sequence[typing.Any]) -> Features";
  static const std::string constant = fmt::format(fmt::runtime(arrays), "constant"),
                           leaf = fmt::format(fmt::runtime(arrays), "leaf");
  nb::class_<StepFeatures> features(
      m, "Features",
      "The tensors of a space on a tape, [batch, channels * taps, axes...], as one value: what\n"
      "layers take and return. x['W1'] is one of them; iteration gives their names.");
  features.attr("__array_ufunc__") = nb::none();
  features
      .def_static(
          "constant",
          [](StepTape& tape, const Space& space, nb::handle given) {
            return made(tape, space, given, "features",
                        [](Tape& t, const Space& s, auto w) { return Features::constant(t, s, w); });
          },
          "tape"_a, "space"_a, "arrays"_a, nb::sig(constant.c_str()),
          "Of arrays as weft.act takes them, which are not copied: leave them alone until the step ends.")
      .def_static(
          "leaf",
          [](StepTape& tape, const Space& space, nb::handle given) {
            return made(tape, space, given, "features",
                        [](Tape& t, const Space& s, auto w) { return Features::leaf(t, s, w); });
          },
          "tape"_a, "space"_a, "arrays"_a, nb::sig(leaf.c_str()), "The same, whose gradients are wanted.")
      .def_static(
          "normal",
          [](StepTape& tape, const Space& space, std::int64_t batch, std::int64_t channels, const SeedOrKey& seed,
             std::string_view dtype, double deviation) {
            const TapeUse use(tape);
            return StepFeatures(Features::normal(tape.tape(), lasting(space), batch, channels, key_of(seed, "features"),
                                                 float_type(dtype, "features"), deviation),
                                nb::find(tape));
          },
          "tape"_a, "space"_a, "batch"_a, "channels"_a = 1, "seed"_a = 0, "dtype"_a = "float32", "deviation"_a = 1.0,
          nb::sig("def normal(tape: Tape, space: Space, batch: int, channels: int = 1, seed: int | RandomKey = "
                  "0, dtype: str = 'float32', deviation: float = 1.0) -> Features"),
          "Random numbers of mean 0. A seed n stands for RandomKey(n, 'features').")
      .def_prop_ro("space", [](const StepFeatures& x) { return *x.space; })
      .def_prop_ro("batch", [](const StepFeatures& x) { return x.get().batch(); })
      .def_prop_ro(
          "channels", [](const StepFeatures& x) { return x.get().channels(); }, "Without taps.")
      .def(
          "__getitem__",
          [](const StepFeatures& x, std::string_view tensor) {
            return StepVar{x.vars[static_cast<std::size_t>(x.space->tensor(tensor))], x.owner};
          },
          "tensor"_a, "Raises UsageError for a name that is none.")
      .def("__len__", [](const StepFeatures& x) { return x.vars.size(); })
      .def(
          "__iter__",
          [](const StepFeatures& x) {
            nb::list names;
            for (const SpaceTensor& t : x.space->tensors()) names.append(t.name);
            return nb::iter(names);
          },
          nb::sig("def __iter__(self) -> collections.abc.Iterator[str]"))
      .def(
          "numpy",
          [](const StepFeatures& x) {
            std::vector<Tensor> values;
            for (const Var& v : x.get().vars()) values.push_back(v.value().clone());
            return named_arrays(*x.space, values);
          },
          nb::sig("def numpy(self) -> dict[str, numpy.typing.NDArray[typing.Any]]"), "Copies, by the tensors' names.")
      .def(
          "__add__",
          [](const StepFeatures& a, const StepFeatures& b) {
            return on_features(a, [&](auto x) { return x + b.get(); });
          },
          nb::is_operator())
      .def(
          "__sub__",
          [](const StepFeatures& a, const StepFeatures& b) {
            return on_features(a, [&](auto x) { return x - b.get(); });
          },
          nb::is_operator())
      .def(
          "__mul__", [](const StepFeatures& a, double c) { return on_features(a, [&](auto x) { return x * c; }); },
          nb::is_operator())
      .def(
          "__rmul__", [](const StepFeatures& a, double c) { return on_features(a, [&](auto x) { return c * x; }); },
          nb::is_operator())
      .def("__neg__", [](const StepFeatures& a) { return on_features(a, [](auto x) { return -x; }); })
      .def("__repr__", [](const StepFeatures& x) { return "<weft.Features of " + x.space->str() + ">"; });
}

/// The functions of pointwise operations, of variables and of features, and operators of Python.
void bind_operations(nb::module_& m) {
#define WEFT_FUNCTION(Op, function)                                                                 \
  m.def(                                                                                            \
      #function,                                                                                    \
      [](const StepVar& x, std::optional<double> p) {                                               \
        return on_var(x, [&](auto v) { return unary(UnaryOp::Op, v, p); });                         \
      },                                                                                            \
      "x"_a, "p"_a = nb::none(), "Pointwise. Raises TypeError where the group does not allow it."); \
  m.def(                                                                                            \
      #function,                                                                                    \
      [](const StepFeatures& x, std::optional<double> p) {                                          \
        return on_features(x, [&](auto v) { return unary(UnaryOp::Op, v, p); });                    \
      },                                                                                            \
      "x"_a, "p"_a = nb::none());
  WEFT_UNARY_OPS(WEFT_FUNCTION)
#undef WEFT_FUNCTION
#define WEFT_FUNCTION(Op, function)                                                      \
  m.def(                                                                                 \
      #function,                                                                         \
      [](const StepVar& a, const StepVar& b) {                                           \
        return on_var(a, [&](auto v) { return binary(BinaryOp::Op, v, b.get()); });      \
      },                                                                                 \
      "a"_a, "b"_a, "Pointwise, of one shape. Raises ShapeError, TypeError.");           \
  m.def(                                                                                 \
      #function,                                                                         \
      [](const StepFeatures& a, const StepFeatures& b) {                                 \
        return on_features(a, [&](auto v) { return binary(BinaryOp::Op, v, b.get()); }); \
      },                                                                                 \
      "a"_a, "b"_a);
  WEFT_BINARY_OPS(WEFT_FUNCTION)
#undef WEFT_FUNCTION
}

}  // namespace

void bind_steps(nb::module_& m) {
  bind_tapes(m);
  bind_features(m);
  bind_operations(m);
}

}  // namespace weft::python
