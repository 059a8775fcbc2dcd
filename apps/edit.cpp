// weft edit: an implicit network edited by a model that has learnt to.

#include <fmt/format.h>

#include "weft/apps/command.h"
#include "weft/apps/network_option.h"
#include "weft/apps/run_folder.h"
#include "weft/apps/trained_on.h"
#include "weft/nfn/models/edit_reader.h"
#include "weft/tasks/model_file.h"

namespace weft::apps {
namespace {

struct EditOptions {
  std::string network, model;
  NetworkOptions reading;
  OutputOption out;
};

int edit(const EditOptions& o, const Common& common) {
  const std::filesystem::path path = model_path(o.model);
  const LoadedModel loaded = load_model(path, DType::f32, common.backend);
  const auto* editor = dynamic_cast<const EditReader*>(loaded.model.get());
  if (!editor)
    throw UsageError(
        "[edit] '{}' is of kind {}, which says something of networks; weft train --task edit makes one that edits",
        path.string(), loaded.model->kind());
  NetworkFile network = load_network(o.network, reading_as(editor->space(), o.reading));
  check_output_file(o.out, {o.network, path});
  network.metadata.erase("psnr");  // of what it shows no more
  const std::string edit = TrainedOn::read(path, loaded.metadata).task;
  network.metadata["edit"] = edit;
  const WideNetworks edited = edited_networks(*editor, network.weights);
  NetworkFile{edited.space, edited.weights, network.metadata}.save(o.out.path);
  if (common.json)
    fmt::print("{}\n", Json{{"out", utf8_text(o.out.path)}, {"space", edited.space.str()}}.dump(1));
  else if (!common.quiet)
    fmt::print("{}: {} by {}\n  {}\n", o.out.path, edit, editor->kind(), edited.space.str());
  return exit_ok;
}

}  // namespace

void add_edit(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb =
      add_verb(app, common, "edit", "Edit an implicit network by a model that was trained to edit",
               "  weft edit --network net.safetensors --model run --out edited.safetensors", Runs::on_devices);
  auto o = std::make_shared<EditOptions>();
  verb.add_option("network,--network", o->network, "a safetensors file with the tensors of one network")
      ->required()
      ->type_name("FILE");
  verb.add_option("--model", o->model, "a model of --task edit, or the folder that weft train wrote")
      ->required()
      ->type_name("PATH");
  add_network_options(verb, o->reading, false);
  add_output(verb, o->out, "file for the edited network; of several output channels it is so many times as wide",
             false);
  verb.callback([o, &common, &run] { run = [o, &common] { return edit(*o, common); }; });
}

}  // namespace weft::apps
