// Training: any model on any loss, and readers on the networks of a zoo.

#include "arrays.h"
#include "modules.h"
#include "training_use.h"
#include "zoos.h"
#include <nanobind/stl/unique_ptr.h>

#include "weft/tasks/fit.h"
#include "weft/tasks/model_file.h"

namespace weft::python {
namespace {

/// A training, with what of Python it calls.
struct ModelTrainer {
  nb::object model, loss, rate;
  std::map<std::string, nb::callable> metrics;
  nb::object tape;  ///< the trainer's own, as the loss sees it
  std::unique_ptr<Trainer> trainer;

  ~ModelTrainer() {
    if (tape.is_valid()) nb::cast<StepTape&>(tape).end();
  }

  const nb::object& shown(Tape& on) {
    if (!tape.is_valid()) tape = nb::cast(new StepTape(on), nb::rv_policy::take_ownership);
    return tape;
  }
  Var call_loss(Tape& on, const Tensor& items) {
    const nb::gil_scoped_acquire gil;
    const nb::object found = loss(shown(on), array_of(items.clone()));
    StepVar* y = nullptr;
    if (!nb::try_cast(found, y) || y == nullptr)
      throw UsageError("[trainer] the loss gave a {}; allowed: a Var on the tape that it was given",
                       nb::cast<std::string>(nb::handle(found.type()).attr("__name__")));
    if (&y->tape() != &nb::cast<StepTape&>(tape))
      throw AutogradError(
          "[trainer] the loss gave a variable of another tape; allowed: one on the tape that it was given");
    return y->get();
  }
  std::vector<double> call_metrics(Tape& on) {
    const nb::gil_scoped_acquire gil;
    std::vector<double> out;
    for (const auto& [name, metric] : metrics) {
      const nb::object found = metric(shown(on));
      StepVar* y = nullptr;
      if (double number = 0; nb::try_cast(found, number))
        out.push_back(number);
      else if (nb::try_cast(found, y) && y != nullptr && y->get().shape().numel() == 1)
        out.push_back(y->get().value().to(DType::f64).data<double>()[0]);
      else
        throw UsageError("[trainer] metric '{}' gave a {}; allowed: a number, or a Var of one number on the tape", name,
                         nb::cast<std::string>(nb::handle(found.type()).attr("__name__")));
    }
    return out;
  }
  double call_rate(std::int64_t step) {
    const nb::gil_scoped_acquire gil;
    const nb::object found = rate(step);
    double number = 0;
    if (!nb::try_cast(found, number))
      throw UsageError("[trainer] the learning rate is a {}; allowed: a number",
                       nb::cast<std::string>(nb::handle(found.type()).attr("__name__")));
    return number;
  }

  static int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    if (!nb::inst_ready(self)) return 0;
    const auto& t = *nb::inst_ptr<ModelTrainer>(self);
    for (const nb::object* held : {&t.model, &t.loss, &t.rate, &t.tape}) Py_VISIT(held->ptr());
    for (const auto& [name, metric] : t.metrics) Py_VISIT(metric.ptr());
    return 0;
  }
  static int clear(PyObject* self) {
    auto& t = *nb::inst_ptr<ModelTrainer>(self);
    t.loss.reset();
    t.rate.reset();
    t.metrics.clear();
    return 0;
  }
};
PyType_Slot trainer_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(&ModelTrainer::traverse)},
                               {Py_tp_clear, reinterpret_cast<void*>(&ModelTrainer::clear)},
                               {0, nullptr}};

/// An epoch of a log, with the names of its metrics.
struct NamedEpoch : Trainer::Epoch {
  std::map<std::string, double> named;
  NamedEpoch(const Trainer& trainer, const Trainer::Epoch& epoch) : Trainer::Epoch(epoch) {
    for (std::size_t i = 0; i < metrics.size(); ++i) named[trainer.metrics()[i]] = metrics[i];
  }
};
std::vector<NamedEpoch> log_of(const Trainer& trainer) {
  std::vector<NamedEpoch> out;
  for (const Trainer::Epoch& epoch : trainer.log()) out.emplace_back(trainer, epoch);
  return out;
}

const Module& model_of(const ModelTrainer& t) { return nb::cast<const Module&>(t.model); }

NamedEpoch run_epoch(ModelTrainer& t) {
  const TrainingUse use(model_of(t));
  const nb::gil_scoped_release free;
  return {*t.trainer, t.trainer->run_epoch([](std::int64_t, std::int64_t) { check_signals(); })};
}

void bind_trainers(nb::module_& m) {
  nb::class_<NamedEpoch>(m, "Epoch", "What an epoch of training came to.")
      .def_ro("epoch", &NamedEpoch::epoch, "1 for the first.")
      .def_ro("train_loss", &NamedEpoch::train_loss)
      .def_ro("metrics", &NamedEpoch::named, "By their names.")
      .def("__repr__", [](const NamedEpoch& e) {
        std::string text = fmt::format("<weft.Epoch {}: loss {:.6g}", e.epoch, e.train_loss);
        for (const auto& [name, value] : e.named) text += fmt::format(", {} {:.6g}", name, value);
        return text + ">";
      });
  nb::class_<ModelTrainer>(m, "Trainer",
                           "Trains any model on any loss: epochs over items in random orders.\n\n"
                           "    trainer = weft.Trainer(model, loss, items=n, batch=16, epochs=50)\n"
                           "    while not trainer.done:\n"
                           "        print(trainer.run_epoch())\n"
                           "    trainer.take_best()",
                           nb::type_slots(trainer_slots))
      .def(
          "__init__",
          [](ModelTrainer* self, const Module& model, nb::callable loss, std::int64_t items, std::int64_t batch,
             std::int64_t micro_batch, std::int64_t epochs, std::int64_t patience, const UpdateRule& rule,
             const std::variant<double, nb::callable>& learning_rate, std::uint64_t seed,
             const std::map<std::string, nb::callable>& metrics, const std::string& best, bool highest) {
            TrainerConfig config{.batch = batch,
                                 .micro_batch = micro_batch,
                                 .epochs = epochs,
                                 .patience = patience,
                                 .rule = rule,
                                 .seed = seed};
            new (self) ModelTrainer{nb::find(model), loss, {}, metrics, {}, nullptr};
            if (const auto* function = std::get_if<nb::callable>(&learning_rate)) {
              self->rate = *function;
              config.learning_rate = [self](std::int64_t step) { return self->call_rate(step); };
            } else {
              config.learning_rate = [rate = std::get<double>(learning_rate)](std::int64_t) { return rate; };
            }
            Training training{.items = items, .best = best, .highest = highest};
            training.loss = [self](Tape& tape, const Tensor& some) { return self->call_loss(tape, some); };
            for (const auto& [name, metric] : metrics) training.metrics.push_back(name);
            if (!metrics.empty()) training.judge = [self](Tape& tape) { return self->call_metrics(tape); };
            try {
              self->trainer = std::make_unique<Trainer>(model, config, training);
            } catch (...) {
              self->~ModelTrainer();  // Python does not destroy what was not made
              throw;
            }
          },
          "model"_a, "loss"_a, "items"_a, "batch"_a = 8, "micro_batch"_a = 0, "epochs"_a = 100, "patience"_a = 0,
          "rule"_a = UpdateRule::adam(), "learning_rate"_a = 1e-3, "seed"_a = 0,
          "metrics"_a = std::map<std::string, nb::callable>{}, "best"_a = "train_loss", "highest"_a = false,
          nb::sig(
              "def __init__(self, model: Module, loss: collections.abc.Callable[[Tape, "
              "numpy.typing.NDArray[numpy.int32]], Var], items: int, batch: int = 8, micro_batch: int = 0, epochs: "
              "int = 100, patience: int = 0, rule: UpdateRule = ..., learning_rate: float | "
              "collections.abc.Callable[[int], float] = 0.001, seed: int = 0, metrics: collections.abc.Mapping[str, "
              "collections.abc.Callable[[Tape], Var | float]] = {}, best: str = 'train_loss', highest: bool = "
              "False) -> None"),
          "loss(tape, numbers) is the mean loss over the items of these numbers, int32 [n]; learning_rate a number,\n"
          "or a function of the step. metrics are asked after each epoch, on a tape that records nothing; the best\n"
          "epoch has the lowest, or highest, of the one that `best` names. Raises UsageError for settings out of\n"
          "their range.")
      .def_prop_ro("done",
                   [](const ModelTrainer& t) {
                     TrainingUse::refuse_other_threads(model_of(t));
                     return t.trainer->done();
                   })
      .def("run_epoch", &run_epoch,
           "Trains on every item once. Ctrl-C ends it after a step. Raises NumericError when the loss is no number,\n"
           "UsageError while the model is in training already.")
      .def_prop_ro("log",
                   [](const ModelTrainer& t) {
                     TrainingUse::refuse_other_threads(model_of(t));
                     return log_of(*t.trainer);
                   })
      .def_prop_ro(
          "best_epoch",
          [](const ModelTrainer& t) {
            TrainingUse::refuse_other_threads(model_of(t));
            return t.trainer->best_epoch();
          },
          "0 before the first.")
      .def(
          "take_best",
          [](ModelTrainer& t) {
            const TrainingUse use(model_of(t));
            t.trainer->take_best();
          },
          "The parameters of the best epoch become the model's.")
      .def(
          "save",
          [](const ModelTrainer& t, const std::filesystem::path& path) {
            TrainingUse::refuse_other_threads(model_of(t));
            t.trainer->save(path);
          },
          "path"_a, "All that continues this training with the same bits, complete or not at all. Raises DiskError.")
      .def(
          "resume",
          [](ModelTrainer& t, const std::filesystem::path& path) {
            const TrainingUse use(model_of(t));
            t.trainer->resume(path);
          },
          "path"_a, "From a saved state. Raises DiskError, FormatError; nothing is changed then.");
}

std::vector<Tensor> tensors_of(const std::vector<nb::object>& arrays, std::string_view who) {
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < arrays.size(); ++i) out.push_back(tensor_of(arrays[i], who, fmt::format("array {}", i)));
  return out;
}
nb::list arrays_of(const std::vector<Tensor>& tensors) {
  nb::list out;
  for (const Tensor& t : tensors) out.append(array_of(t));
  return out;
}

Settings settings_of(std::string_view kind, const std::map<std::string, SettingValue>& given) {
  Settings settings = model_settings(kind);
  for (const auto& [name, value] : given) settings.set(name, value);
  return settings;
}

void bind_readers(nb::module_& m) {
  nb::class_<Reader, Module>(m, "Reader",
                             "A model that reads the weights of a network and says numbers about it.\n\n"
                             "make_reader() makes one: 'magep', 'statnn', 'ridge', 'transformer-nfn', ...")
      .def_prop_ro("space", [](const Reader& r) { return r.space(); })
      .def_prop_ro("outputs", &Reader::outputs, "Numbers that it says of a network.")
      .def_prop_ro("settings",
                   [](const Reader& r) {
                     std::map<std::string, SettingValue> out;
                     for (const Setting& s : r.settings().list()) out[s.name] = r.settings().value(s.name);
                     return out;
                   })
      .def(
          "standardise",
          [](Reader& r, nb::handle weights) {
            const std::vector<Tensor> given = features_of(weights, r.space(), "standardise");
            const TrainingUse use(r);
            std::vector<Tensor> prepared;
            {
              const nb::gil_scoped_release free;
              prepared = r.standardise(given);
            }
            return arrays_of(prepared);
          },
          "weights"_a,
          nb::sig("def standardise(self, weights: collections.abc.Mapping[str, typing.Any]) -> "
                  "list[numpy.typing.NDArray[typing.Any]]"),
          "Takes from the training networks, [n, taps, axes...], what inputs are scaled with, before any prepare();\n"
          "returns them prepared.")
      .def(
          "prepare",
          [](const Reader& r, nb::handle weights) {
            const std::vector<Tensor> given = features_of(weights, r.space(), "prepare");
            std::vector<Tensor> prepared;
            {
              const LongCall call;
              prepared = r.prepare(given);
            }
            return arrays_of(prepared);
          },
          "weights"_a,
          nb::sig("def prepare(self, weights: collections.abc.Mapping[str, typing.Any]) -> "
                  "list[numpy.typing.NDArray[typing.Any]]"),
          "What forward() reads of n networks.")
      .def(
          "forward",
          [](const std::shared_ptr<Reader>& r, StepTape& tape, const std::vector<nb::object>& prepared) {
            const std::vector<Tensor> read = tensors_of(prepared, "forward");
            const TapeUse use(tape);
            tape.keep(r);
            Tape& on = tape.tape();
            Var y;
            {
              const nb::gil_scoped_release free;
              y = r->forward(on, read);
            }
            return StepVar{y, nb::find(tape)};
          },
          "tape"_a, "prepared"_a,
          nb::sig("def forward(self, tape: Tape, prepared: collections.abc.Sequence[typing.Any]) -> Var"),
          "prepared arrays of n networks -> [n, outputs].")
      .def(
          "predict",
          [](const Reader& r, nb::handle weights) {
            const std::vector<Tensor> given = features_of(weights, r.space(), "predict");
            const std::int64_t n = given[0].dim(0);
            std::vector<double> found;
            {
              const LongCall call;
              found = predict_outputs(r, r.prepare(given));
            }
            return array_of(Tensor::from(std::span<const double>(found), {n, r.outputs()}));
          },
          "weights"_a,
          nb::sig("def predict(self, weights: collections.abc.Mapping[str, typing.Any]) -> "
                  "numpy.typing.NDArray[numpy.float64]"),
          "What it says of n networks, [n, outputs]. Raises NumericError.")
      .def(
          "__reduce__",
          [](const Reader& r) -> nb::object {
            throw UsageError(
                "[reader] '{}' is neither pickled nor copied; save_model() it, and weft.load_model() it there",
                r.kind());
          },
          nb::sig("def __reduce__(self) -> typing.NoReturn"))
      .def(
          "save_model", [](const Reader& r, const std::filesystem::path& path) { save_model(path, r); }, "path"_a,
          "With its settings and space; load_model() reads it.");
  m.def(
      "make_reader",
      [](std::string_view kind, const Space& space, const std::map<std::string, SettingValue>& settings,
         std::string_view dtype, const SeedOrKey& seed, std::int64_t outputs) {
        return make_reader(kind, settings_of(kind, settings), space, float_type(dtype, "reader"),
                           key_of(seed, "reader"), nullptr, outputs);
      },
      "kind"_a, "space"_a, "settings"_a = std::map<std::string, SettingValue>{}, "dtype"_a = "float32", "seed"_a = 0,
      "outputs"_a = 1,
      nb::sig("def make_reader(kind: str, space: Space, settings: collections.abc.Mapping[str, bool | int | float | "
              "str] = {}, dtype: str = 'float32', seed: int | RandomKey = 0, outputs: int = 1) -> Reader"),
      "Builds a model by name and draws its start values. Raises UsageError for an unknown kind or setting, TypeError\n"
      "where the space does not suit it. A seed n stands for RandomKey(n, 'reader').");
  m.def(
      "load_model",
      [](const std::filesystem::path& path, std::string_view dtype) {
        return std::move(load_model(path, float_type(dtype, "model")).model);
      },
      "path"_a, "dtype"_a = "float32", "A saved Reader. Raises DiskError, FormatError.");

  nb::class_<Examples>(m, "Examples", "Networks as a reader reads them, with what it should say of each.")
      .def(
          "__init__",
          [](Examples* self, const std::vector<nb::object>& prepared, nb::handle target) {
            new (self) Examples{tensors_of(prepared, "examples"), tensor_of(target, "examples", "target")};
          },
          "prepared"_a, "target"_a,
          nb::sig("def __init__(self, prepared: collections.abc.Sequence[typing.Any], target: typing.Any) -> None"),
          "target: float [n], or int32 [n] of classes.")
      .def("__len__", &Examples::count);
  m.def(
      "targets_of",
      [](std::string_view name, const OpenZoo& zoo, const std::vector<std::int64_t>& ids) {
        return array_of(targets_of(task(name), zoo, ids));
      },
      "task"_a, "zoo"_a, "ids"_a,
      nb::sig("def targets_of(task: str, zoo: Zoo, ids: collections.abc.Sequence[int]) -> "
              "numpy.typing.NDArray[typing.Any]"),
      "What a task ('accuracy', ...) asks of some rows. Raises UsageError.");
}

void bind_fit(nb::module_& m) {
  m.def(
      "fit",
      [](Reader& model, const Examples& train, const Examples& validation, std::string_view task_name,
         double learning_rate, std::int64_t batch, std::int64_t epochs, std::int64_t patience, std::int64_t warmup,
         std::uint64_t seed) {
        const TrainingUse use(model);
        const nb::gil_scoped_release free;
        Fit fit(model,
                {.learning_rate = learning_rate,
                 .batch = batch,
                 .epochs = epochs,
                 .patience = patience,
                 .warmup = warmup,
                 .seed = seed},
                train, validation, task(task_name));
        while (!fit.done()) fit.run_epoch([](std::int64_t, std::int64_t) { check_signals(); });
        fit.take_best();
        return log_of(fit);
      },
      "model"_a, "train"_a, "validation"_a, "task"_a = "accuracy", "learning_rate"_a = FitConfig{}.learning_rate,
      "batch"_a = FitConfig{}.batch, "epochs"_a = FitConfig{}.epochs, "patience"_a = FitConfig{}.patience,
      "warmup"_a = FitConfig{}.warmup, "seed"_a = 0,
      "Trains a reader with Adam and leaves it the parameters of its best epoch; returns the log, whose metrics are\n"
      "the validation loss and the task's metric. Ctrl-C ends it after a step. Raises UsageError, DtypeError.");
}

}  // namespace

void bind_training(nb::module_& m) {
  bind_trainers(m);
  bind_readers(m);
  bind_fit(m);
}

}  // namespace weft::python
