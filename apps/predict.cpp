// weft predict: what a model says of one network, or of every network of a zoo.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weft/apps/command.h"
#include "weft/apps/network_option.h"
#include "weft/apps/run_folder.h"
#include "weft/apps/trained_on.h"
#include "weft/io/csv.h"
#include "weft/tasks/model_file.h"

namespace weft::apps {
namespace {

struct PredictOptions {
  std::string model, network, zoo;
  NetworkOptions reading;
};

/// "generalisation_gap"
std::string column(const Task& task) {
  std::string name = task.name;
  std::ranges::replace(name, '-', '_');
  return name;
}
std::string predicted_column(const Task& task) { return "predicted_" + column(task); }

int predict_network(const Reader& model, const Task& task, const PredictOptions& o, const Common& common) {
  const NetworkFile network = load_network(o.network, reading_as(model.space(), o.reading), common);
  double predicted = 0;
  try {
    predicted = task.prediction(predict_outputs(model, model.prepare(network.weights)));
  } catch (const NumericError& error) {
    throw NumericError("[predict] '{}': {}", o.network, error.what());
  }
  if (common.json)
    fmt::print("{}\n",
               Json{{"network", utf8_text(o.network)}, {predicted_column(task), to_json(task, predicted)}}.dump(1));
  else
    fmt::print("{}: predicted {} {:.{}f}\n", o.network, task.name, predicted, task.classes ? 0 : 4);
  return exit_ok;
}

int predict_zoo(const Reader& model, const TrainedOn& trained_on, const PredictOptions& o, const Common& common) {
  const Task& task = weft::task(trained_on.task);
  const Zoo zoo = open_zoo(o.zoo);
  if (!(zoo.space() == model.space()))
    throw FormatError("[predict] the zoo's networks are '{}', the model reads '{}'", zoo.space().str(),
                      model.space().str());
  std::vector<std::int64_t> ids;
  for (const ZooRow& row : zoo.rows()) ids.push_back(row.id);
  const std::vector<double> outputs = predict_outputs(model, model.prepare(zoo.weights(ids)), ids);
  const auto one = static_cast<std::size_t>(model.outputs());
  // Of the training networks a prediction says little.
  const bool parts_known = trained_on.split && trained_on.zoo_is(zoo).value_or(false);
  const auto split = static_cast<std::size_t>(trained_on.split.value_or(0));
  Json json = Json::array();
  CsvWriter csv;
  csv.add("id").add("network").add("epoch").add(column(task)).add(predicted_column(task)).add("part").end_row();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const ZooRow& row = zoo.rows()[i];
    const std::string part = parts_known ? name(row.splits[split]) : "unknown";
    const double target = task.target(zoo, row), predicted = task.prediction(std::span(outputs).subspan(i * one, one));
    csv.add(row.id).add(row.network).add(row.epoch);
    std::isfinite(target) ? csv.add(target) : csv.add("");  // not measured
    csv.add(predicted).add(part).end_row();
    json.push_back({{"id", row.id},
                    {"network", row.network},
                    {"epoch", row.epoch},
                    {column(task), to_json(task, target)},
                    {predicted_column(task), to_json(task, predicted)},
                    {"part", part}});
  }
  fmt::print("{}", common.json ? json.dump(1) + "\n" : csv.text());
  return exit_ok;
}

}  // namespace

void add_predict(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb =
      add_verb(app, common, "predict", "Predict what a model has learnt of a network, or of every network of a zoo",
               "  weft predict --model run --network net.safetensors\n"
               "  weft predict --model run --zoo zoo > predictions.csv",
               Runs::on_devices);
  auto o = std::make_shared<PredictOptions>();
  verb.add_option("model,--model", o->model, "a model, or the folder that weft train wrote")
      ->required()
      ->type_name("PATH");
  CLI::Option* network =
      verb.add_option("--network", o->network, "a network: safetensors, PyTorch, numpy, or a folder with one")
          ->type_name("FILE");
  verb.add_option("--zoo", o->zoo, "folder of a zoo")->type_name("DIR")->excludes(network);
  add_network_options(verb, o->reading, false);
  verb.callback([o, &common, &run] {
    if (o->network.empty() && o->zoo.empty()) throw CLI::RequiredError("--network or --zoo");
    run = [o, &common] {
      const std::filesystem::path path = model_path(o->model);
      const LoadedModel loaded = load_model(path, DType::f32, common.backend);
      const TrainedOn trained_on = TrainedOn::read(path, loaded.metadata);
      if (task(trained_on.task).image)
        throw UsageError("[predict] '{}' edits networks; weft edit --model {} --network FILE does it", o->model,
                         o->model);
      check_outputs(task(trained_on.task), loaded.model->outputs());
      if (!o->network.empty()) return predict_network(*loaded.model, task(trained_on.task), *o, common);
      return predict_zoo(*loaded.model, trained_on, *o, common);
    };
  });
}

}  // namespace weft::apps
