#include "weft/apps/eval.h"

#include <cmath>

#include <fmt/format.h>

#include "weft/apps/interrupt.h"
#include "weft/apps/numbers.h"
#include "weft/tasks/model_file.h"
#include "weft/tasks/moves.h"

namespace weft::apps {
namespace {

/// Of too few networks it is no number.
double score_of(const Metric& metric, std::span<const double> outputs, std::span<const double> truth) {
  return truth.size() < metric.least ? NAN : metric.of(outputs, truth);
}

}  // namespace

Judged judge(const Reader& model, const Task& task, const Zoo& zoo, const JudgedOn& on, int strongest,
             std::uint64_t seed) {
  Judged judged{.on = on, .task = task.name, .seed = seed};
  judged.ids = checkpoints(zoo, task, on.split, ZooPart::test, on.checkpoint, true);
  std::vector<std::int64_t> networks;
  for (const std::int64_t id : judged.ids) {
    const ZooRow& row = zoo.row(id);
    judged.truth.push_back(task.target(zoo, row));
    networks.push_back(row.network);
  }
  const Metric& metric = task.metric;
  judged.ceiling = metric.ceiling && judged.truth.size() >= metric.least ? metric.ceiling(judged.truth) : NAN;
  // Bounds of accuracies.
  if (&task == tasks().front())
    for (double accuracy : {0.2, 0.4, 0.6, 0.8}) judged.above.push_back({accuracy, 0, {}});
  std::vector<double> images;
  if (task.image) {
    const Tensor wide = targets_of(task, zoo, judged.ids).to(DType::f64);
    images.assign(wide.span<double>().begin(), wide.span<double>().end());
  }
  const std::vector<double>& truth_of_all = task.image ? images : judged.truth;
  const std::vector<Tensor> weights = zoo.weights(judged.ids);
  auto add = [&](std::string column, std::span<const Tensor> of) {
    check_interrupt();
    const std::vector<double> outputs = predict_outputs(model, model.prepare(of), judged.ids);
    judged.columns.push_back(std::move(column));
    judged.score.push_back(score_of(metric, outputs, truth_of_all));
    for (Judged::Above& above : judged.above) {
      std::vector<double> some, truth;
      for (std::size_t i = 0; i < outputs.size(); ++i)
        if (judged.truth[i] > above.accuracy) {
          some.push_back(outputs[i]);
          truth.push_back(judged.truth[i]);
        }
      above.networks = std::ssize(truth);
      above.tau.push_back(score_of(metric, some, truth));
    }
    std::vector<double>& predicted = judged.predicted.emplace_back();
    const auto one = static_cast<std::size_t>(model.outputs());
    for (std::size_t i = 0; i < outputs.size(); i += one) {
      const auto own = std::span(outputs).subspan(i, one);
      predicted.push_back(task.image ? metric.of(own, std::span(images).subspan(i, one)) : task.prediction(own));
    }
  };
  add("as they are", weights);
  for (const Move& move : moves_of(zoo.space(), zoo.description().architecture, strongest))
    add(move.name, move.apply(weights, networks, seed));
  return judged;
}

int eval(const EvalOptions& o, const Common& common) {
  const std::filesystem::path path = model_path(o.model);
  const std::filesystem::path out =
      o.out.path.empty() ? path.parent_path() / eval_file : std::filesystem::path(o.out.path);
  const Zoo zoo = open_zoo(zoo_folder(o.zoo, path));
  const LoadedModel loaded = load_model(path, DType::f32, common.backend);
  if (!(zoo.space() == loaded.model->space()))
    throw FormatError("[eval] the zoo's networks are '{}', the model reads '{}'", zoo.space().str(),
                      loaded.model->space().str());
  const TrainedOn trained_on = TrainedOn::read(path, loaded.metadata);
  const Task& learnt = task(trained_on.task);
  check_outputs(learnt, loaded.model->outputs(), zoo);
  const JudgedOn on = judged_on(trained_on, zoo, o.split, o.checkpoint, o.allow_trained_on);
  check_output_file({out.string(), o.out.force}, {path, path.parent_path() / run_file});
  const Judged judged = judge(*loaded.model, learnt, zoo, on, o.strongest, common.seed);
  const Json json = to_json(judged);
  write_json(out, json);
  if (common.json)
    fmt::print("{}\n", json.dump(1));
  else if (!common.quiet)
    fmt::print(
        "{} test networks of split {}, checkpoint {}\n{}", judged.ids.size(), on.split, on.checkpoint,
        score_tables({{.task = learnt.name, .model = loaded.model->kind(), .split = on.split, .judged = judged}}));
  return exit_ok;
}

void add_eval(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb =
      add_verb(app, common, "eval", "Judge a model on test networks, as they are and moved by group elements",
               "  weft eval --model run", Runs::on_devices);
  auto o = std::make_shared<EvalOptions>();
  verb.add_option("model,--model", o->model, "a model, or the folder that weft train wrote")
      ->required()
      ->type_name("PATH");
  verb.add_option("--zoo", o->zoo, "folder of the zoo that it was trained on; where its run.json has it when not given")
      ->type_name("DIR");
  verb.add_option("--split", o->split, "which of the zoo's five splits; the one that it was trained on when not given")
      ->transform(split_limit());
  verb.add_flag("--allow-trained-on", o->allow_trained_on,
                "judge it, too, on networks that took part in its training, and mark the result");
  verb.add_option("--checkpoint", o->checkpoint,
                  "of every network, in zoos that name them: 50, 75, 100, best, or all (then the last); the model's "
                  "when not given")
      ->type_name("NAME");
  verb.add_option("--strongest", o->strongest,
                  "largest strength k of the moves: scales U[1, 10^k], GL of condition 10; those of implicit networks "
                  "have none")
      ->transform(strength_limit());
  verb.add_option("--out", o->out.path, "JSON file; beside the model when not given")->type_name("FILE");
  verb.add_flag("--force", o->out.force, "replace what is there");
  verb.callback([o, &common, &run] { run = [o, &common] { return eval(*o, common); }; });
}

}  // namespace weft::apps
