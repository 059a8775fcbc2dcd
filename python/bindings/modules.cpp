// Modules: models, their parameters and their optimisers.

#include "modules.h"

#include "arrays.h"
#include "training_use.h"

#include "weft/nn/layers.h"
#include "weft/nn/losses.h"
#include "weft/nn/metrics.h"
#include "weft/nn/optim.h"

namespace weft::python {
namespace {

/// The optimiser of a model, which it keeps.
struct ModelOptimiser {
  Module model;
  Optimiser optimiser;
  ModelOptimiser(const Module& m, const UpdateRule& rule) : model(m), optimiser(model.parameters(), rule) {}
};

nb::dict parameters(const Module& m) {
  nb::dict out;
  const Parameters& all = m.parameters();
  for (int i = 0; i < all.count(); ++i) out[all.name(i).c_str()] = array_of(all.value(i));
  return out;
}

nb::dict gradients(const Module& m) {
  nb::dict out;
  const Parameters& p = m.parameters();
  const Tensor all = p.all_grads();
  for (int i = 0; i < p.count(); ++i)
    if (p.trainable(i))
      out[p.name(i).c_str()] = array_of(all.slice(p.offset(i), p.offset(i) + p.shape(i).numel()).reshape(p.shape(i)));
  return out;
}

// A class and its base are one address to Python.
static_assert(std::is_polymorphic_v<Module>);

void bind_models(nb::module_& m) {
  nb::class_<Init>(m, "Init", "How a parameter starts.")
      .def_static("zeros", &Init::zeros)
      .def_static("ones", &Init::ones)
      .def_static("constant", &Init::constant, "value"_a)
      .def_static("normal", &Init::normal, "deviation"_a)
      .def_static("uniform", &Init::uniform, "bound"_a)
      .def_static("xavier_normal", &Init::xavier_normal, "fan_in"_a, "fan_out"_a)
      .def_static("fan_in_uniform", &Init::fan_in_uniform, "fan_in"_a);

  nb::class_<Module>(
      m, "Module",
      "A model, or a part of one, which registers itself and what it learns under a name in its parent:\n\n"
      "    model = weft.Module('predictor')\n"
      "    layer = weft.LinearLayer(model, 'lift', space, space, weft.derive_linear(space, space), 1, 8)\n"
      "    model.init(seed=0)\n\n"
      "Parts share the model's parameters, and keep them.")
      .def(nb::init<std::string>(), "kind"_a = "model", "A model of its own.")
      .def(nb::init<const Module&, std::string_view>(), "parent"_a, "name"_a,
           "The part `name` of a model. Raises UsageError for a name that it has.")
      .def(
          "init",
          [](const Module& m, const SeedOrKey& seed, std::string_view dtype) {
            const TrainingUse use(m);
            m.init(key_of(seed, "init"), float_type(dtype, "init"));
          },
          "seed"_a = 0, "dtype"_a = "float32",
          "Takes the model's memory and draws its start values, each parameter from its own stream. A seed n stands\n"
          "for RandomKey(n, 'init').")
      .def(
          "add_parameter",
          [](const Module& m, std::string_view name, const std::vector<std::int64_t>& shape, const Init& init,
             bool trainable) { return m.add_parameter(name, Shape(shape), init, trainable); },
          "name"_a, "shape"_a, "init"_a, "trainable"_a = true, "Declares a learned tensor; its number is for on().")
      .def(
          "on",
          [](const Module& m, StepTape& tape, int parameter) {
            const TapeUse use(tape);
            return StepVar{m.on(tape.tape(), parameter), nb::find(tape)};
          },
          "tape"_a, "parameter"_a, "The parameter as a variable of this step.")
      .def_prop_ro("parameters", &parameters,
                   nb::sig("def parameters(self) -> dict[str, numpy.typing.NDArray[typing.Any]]"),
                   "Of the whole model, by name: arrays on its memory. Who writes to them calls changed().")
      .def_prop_ro("gradients", &gradients,
                   nb::sig("def gradients(self) -> dict[str, numpy.typing.NDArray[typing.Any]]"),
                   "Those that the last backward pass left, as copies, by name.")
      .def_prop_ro(
          "flat_parameters",
          [](const Module& m) {
            const Tensor all = m.parameters().flat_values();
            if (!all.defined())
              throw UsageError("[parameters] '{}' has no memory yet; init() the model once all are declared", m.kind());
            return array_of(all);
          },
          nb::sig("def flat_parameters(self) -> numpy.typing.NDArray[typing.Any]"),
          "All that is trained, one behind the other, with zeros between: what `parameters` has views of.")
      .def_prop_ro(
          "flat_gradients", [](const Module& m) { return array_of(m.parameters().all_grads()); },
          nb::sig("def flat_gradients(self) -> numpy.typing.NDArray[typing.Any]"),
          "`gradients` as the numbers of flat_parameters lie.")
      .def(
          "take_flat_gradients", [](const Module& m) { return array_of(m.parameters().take_grads()); },
          nb::sig("def take_flat_gradients(self) -> numpy.typing.NDArray[typing.Any]"),
          "The same, used up by it: nothing is copied where that can be, and the next backward pass writes elsewhere.")
      .def(
          "changed", [](const Module& m) { m.parameters().changed(); },
          "Says that parameters were written to: a step that saved them will refuse its backward pass.")
      .def_prop_ro("trained_numbers", [](const Module& m) { return m.parameters().trained_numbers(); })
      .def("flops", &Module::flops, "batch"_a, "Of a forward pass of `batch` networks or rows, as far as parts say.")
      .def(
          "__reduce__",
          [](const Module& m) -> nb::object {
            throw UsageError(
                "[module] '{}' is neither pickled nor copied; save() it, and load() it into a model of the "
                "same parts",
                m.kind());
          },
          nb::sig("def __reduce__(self) -> typing.NoReturn"))
      .def("__str__", &Module::str)
      .def("proof", &Module::proof, "The lists of terms behind its parts, with their proofs.")
      .def(
          "save",
          [](const Module& m, const std::filesystem::path& path, std::string_view config,
             const std::map<std::string, std::string>& metadata) { m.save(path, config, metadata); },
          "path"_a, "config"_a = "{}", "metadata"_a = std::map<std::string, std::string>{},
          nb::call_guard<nb::gil_scoped_release>(),
          nb::sig(
              "def save(self, path: str | os.PathLike[str], config: str = '{}', metadata: collections.abc.Mapping[str, "
              "str] = {}) -> "
              "None"),
          "Every parameter by its name, complete or not at all. Raises DiskError.")
      .def(
          "load",
          [](const Module& m, const std::filesystem::path& path, std::string_view dtype) {
            const TrainingUse use(m);
            const nb::gil_scoped_release free;
            m.load(path, float_type(dtype, "load"));
          },
          "path"_a, "dtype"_a = "float32",
          "Into a model of the same parts. Raises DiskError, FormatError; nothing is changed then.");
}

void bind_plain_layers(nb::module_& m) {
  nb::class_<Linear, Module>(m, "Linear", "y = act(x W^T + b): [batch, fan_in] -> [batch, fan_out].")
      .def(nb::init<const Module&, std::string_view, std::int64_t, std::int64_t>(), "parent"_a, "name"_a, "fan_in"_a,
           "fan_out"_a)
      .def(
          "__call__", [](const std::shared_ptr<Linear>& layer, const StepVar& x) { return called(layer, x); }, "x"_a);
  nb::class_<Mlp, Module>(m, "Mlp", "Linear layers with ReLU, and with `norm` layer norms, between them.")
      .def(nb::init<const Module&, std::string_view, const std::vector<std::int64_t>&, bool>(), "parent"_a, "name"_a,
           "sizes"_a, "norm"_a = false, "sizes: fan_in, hidden..., fan_out.")
      .def(
          "__call__", [](const std::shared_ptr<Mlp>& layer, const StepVar& x) { return called(layer, x); }, "x"_a);
  nb::class_<LayerNormLayer, Module>(m, "LayerNormLayer", "Over the last axis of [batch, n], with gain and shift.")
      .def(nb::init<const Module&, std::string_view, std::int64_t>(), "parent"_a, "name"_a, "n"_a)
      .def(
          "__call__", [](const std::shared_ptr<LayerNormLayer>& layer, const StepVar& x) { return called(layer, x); },
          "x"_a);
}

using Loss = Var (*)(const Var&, const Tensor&);
void bind_loss(nb::module_& m, const char* name, Loss loss, const char* text) {
  static const std::string of = "(x: Var, target: typing.Any) -> Var";
  const std::string signature = "def " + std::string(name) + of;
  m.def(
      name,
      [loss, who = std::string(name)](const StepVar& x, nb::handle target) {
        const Tensor t = tensor_of(target, who, "target");
        const TapeUse use(x.tape());
        return StepVar{loss(x.get(), t), x.owner};
      },
      "x"_a, "target"_a, nb::sig(signature.c_str()), text);
}

void bind_training_steps(nb::module_& m) {
  bind_loss(m, "squared_error", &squared_error, "(x - target)^2, number by number.");
  bind_loss(m, "binary_cross_entropy", &binary_cross_entropy, "Of probabilities x in [0, 1].");
  bind_loss(m, "binary_cross_entropy_with_logits", &binary_cross_entropy_with_logits, "Of logits x.");
  bind_loss(m, "cross_entropy", &cross_entropy,
            "-log softmax(x)[target] per row; target: int32. Raises UsageError for a label out of range.");
  m.def(
      "mean_all",
      [](const StepVar& x) {
        const TapeUse use(x.tape());
        return StepVar{mean_all(x.get()), x.owner};
      },
      "x"_a, "The mean of all numbers, a scalar that backward() takes.");
  m.def(
      "kendall_tau_b",
      [](nb::handle a, nb::handle b) {
        const Tensor of_a = tensor_of(a, "kendall_tau_b", "a"), of_b = tensor_of(b, "kendall_tau_b", "b");
        return kendall_tau_b(of_a, of_b);
      },
      "a"_a, "b"_a, "Kendall's tau-b of two float arrays. Raises ShapeError, NumericError.");

  nb::class_<UpdateRule>(m, "UpdateRule", "The rule of an optimiser, and its constants.")
      .def_static("sgd", &UpdateRule::sgd, "momentum"_a = 0, "weight_decay"_a = 0)
      .def_static("adam", &UpdateRule::adam, "weight_decay"_a = 0)
      .def_static("adamw", &UpdateRule::adamw, "weight_decay"_a = 0.01)
      .def_static("rmsprop", &UpdateRule::rmsprop, "weight_decay"_a = 0)
      .def_rw("weight_decay", &UpdateRule::weight_decay)
      .def_rw("momentum", &UpdateRule::momentum)
      .def_rw("beta1", &UpdateRule::beta1)
      .def_rw("beta2", &UpdateRule::beta2)
      .def_rw("alpha", &UpdateRule::alpha)
      .def_rw("epsilon", &UpdateRule::epsilon);
  nb::class_<ModelOptimiser>(m, "Optimiser", "Trains the parameters of a model in one fused pass a step.")
      .def(nb::init<const Module&, const UpdateRule&>(), "model"_a, "rule"_a)
      .def(
          "step", [](ModelOptimiser& o, double rate) { o.optimiser.step(rate); }, "learning_rate"_a,
          nb::call_guard<nb::gil_scoped_release>(),
          "Along the gradients of the last backward pass, which it uses up. Raises UsageError without one,\n"
          "NumericError for a gradient that is not finite.")
      .def_prop_ro("steps", [](const ModelOptimiser& o) { return o.optimiser.steps(); });
}

}  // namespace

void bind_modules(nb::module_& m) {
  bind_models(m);
  bind_plain_layers(m);
  bind_training_steps(m);
}

}  // namespace weft::python
