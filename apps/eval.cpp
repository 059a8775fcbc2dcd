#include "weft/apps/eval.h"

#include <cmath>

#include <fmt/format.h>

#include "weft/apps/interrupt.h"
#include "weft/apps/numbers.h"
#include "weft/nn/metrics.h"
#include "weft/zoo/model_file.h"

namespace weft::apps {
namespace {

/// Fewer than two networks have no order that could be predicted.
double tau_of(std::span<const double> logits, std::span<const double> truth) {
  return truth.size() < 2 ? NAN : kendall_tau_b(logits, truth);
}

}  // namespace

Judged judge(const AccuracyModel& model, const Zoo& zoo, int split, const std::string& chosen, int strongest,
             std::uint64_t seed) {
  Judged judged;
  judged.ids = checkpoints(zoo, split, Split::test, chosen, true);
  std::vector<std::int64_t> networks;
  for (const std::int64_t id : judged.ids) {
    const ZooRow& row = zoo.rows()[static_cast<std::size_t>(id)];
    judged.truth.push_back(row.accuracy);
    networks.push_back(row.network);
  }
  judged.ceiling = judged.truth.size() < 2 ? NAN : kendall_ceiling(judged.truth);
  for (double accuracy : {0.2, 0.4, 0.6, 0.8}) judged.above.push_back({accuracy, 0, {}});
  const std::vector<Tensor> weights = zoo.weights(judged.ids);
  auto add = [&](std::string column, std::span<const Tensor> of) {
    check_interrupt();
    const std::vector<double> logits = predict_logits(model, model.prepare(of), judged.ids);
    judged.columns.push_back(std::move(column));
    judged.tau.push_back(tau_of(logits, judged.truth));
    for (Judged::Above& above : judged.above) {
      std::vector<double> some, truth;
      for (std::size_t i = 0; i < logits.size(); ++i)
        if (judged.truth[i] > above.accuracy) {
          some.push_back(logits[i]);
          truth.push_back(judged.truth[i]);
        }
      above.networks = std::ssize(truth);
      above.tau.push_back(tau_of(some, truth));
    }
    judged.predicted.emplace_back();
    for (const double z : logits) judged.predicted.back().push_back(sigmoid(z));
  };
  add("as they are", weights);
  for (int k = 0; k <= strongest; ++k)
    add(fmt::format("k = {}", k), moved_networks(zoo.space(), weights, networks, k, seed));
  return judged;
}

int eval(const EvalOptions& o, const Common& common) {
  const std::filesystem::path path = model_path(o.model);
  const std::filesystem::path out =
      o.out.path.empty() ? path.parent_path() / eval_file : std::filesystem::path(o.out.path);
  const Zoo zoo = open_zoo(o.zoo);
  const LoadedModel loaded = load_model(path, DType::f32, common.backend);
  if (!(zoo.space() == loaded.model->space()))
    throw FormatError("[eval] the zoo's networks are '{}', the model reads '{}'", zoo.space().str(),
                      loaded.model->space().str());
  check_output_file({out.string(), o.out.force});
  const Judged judged =
      judge(*loaded.model, zoo, o.split, chosen_checkpoint(zoo, o.checkpoint), o.strongest, common.seed);
  const Json json = to_json(judged);
  write_json(out, json);
  if (common.json)
    fmt::print("{}\n", json.dump(1));
  else if (!common.quiet)
    fmt::print("{}", tau_tables({{.model = loaded.model->config().kind, .split = o.split, .judged = judged}}));
  return exit_ok;
}

void add_eval(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb =
      add_verb(app, common, "eval", "Judge a model on test networks, as they are and moved by group elements",
               "  weft eval --model run --zoo zoo", Runs::on_devices);
  auto o = std::make_shared<EvalOptions>();
  verb.add_option("model,--model", o->model, "a model, or the folder that weft train wrote")
      ->required()
      ->type_name("PATH");
  verb.add_option("--zoo", o->zoo, "folder of a zoo")->required()->type_name("DIR");
  verb.add_option("--split", o->split, "which of the zoo's five splits")->transform(split_limit());
  verb.add_option(
          "--checkpoint", o->checkpoint,
          "of every network, in zoos that name them: 50, 75, 100, best, or all (then the last); 75 when not given")
      ->type_name("NAME");
  verb.add_option("--strongest", o->strongest, "largest strength k of the moves: scales U[1, 10^k], GL of condition 10")
      ->transform(strength_limit());
  verb.add_option("--out", o->out.path, "JSON file; beside the model when not given")->type_name("FILE");
  verb.add_flag("--force", o->out.force, "replace what is there");
  verb.callback([o, &common, &run] { run = [o, &common] { return eval(*o, common); }; });
}

}  // namespace weft::apps
