// weft edit: an implicit network edited by a model that has learnt to.

#include <fmt/format.h>

#include "weft/apps/command.h"
#include "weft/apps/network_option.h"
#include "weft/apps/run_folder.h"
#include "weft/apps/trained_on.h"
#include "weft/io/file_kind.h"
#include "weft/nfn/models/edit_reader.h"
#include "weft/nfn/models/inr_space.h"
#include "weft/tasks/model_file.h"

namespace weft::apps {
namespace {

struct EditOptions {
  std::string network, model;
  NetworkOptions reading;
  OutputOption out;
};

/// How many times as wide a dense network of one space is as that of another one; 0 where it is no multiple.
std::int64_t times_as_wide(const Space& wide, const Space& narrow) {
  if (!is_sine_network(wide)) return 0;
  const std::vector<std::int64_t> many = sine_widths(wide), few = sine_widths(narrow);
  const std::int64_t k = many.size() > 2 ? many[1] / few[1] : 0;
  std::vector<std::int64_t> times = few;
  for (std::size_t l = 1; l + 1 < times.size(); ++l) times[l] *= k;
  return times == many ? k : 0;
}

/// A file that names its space is read by it: more can be said of it then than that it is another one.
NetworkFile network_for(const EditReader& editor, const EditOptions& o, const Common& common) {
  const Space& reads = editor.space();
  const bool named =
      std::filesystem::is_regular_file(o.network) && TensorFile::open(o.network).metadata().contains(space_key);
  NetworkFile network = load_network(o.network, named ? reading(o.reading) : reading_as(reads, o.reading), common);
  if (network.space == reads) return network;
  const std::int64_t k = times_as_wide(network.space, reads);
  throw FormatError("[edit] '{}' holds a network of the space '{}'; allowed: '{}', which '{}' edits; {}", o.network,
                    network.space.str(), reads.str(), o.model,
                    k > 1 ? fmt::format("it is {0} times as wide, as an editor of {0} output channels makes networks: "
                                        "edit the one that it was made of, or take an editor of one output channel",
                                        k)
                          : "give a network like those of the zoo that the model was trained on");
}

int edit(const EditOptions& o, const Common& common) {
  const std::filesystem::path path = model_path(o.model);
  const LoadedModel loaded = load_model(path, DType::f32, common.backend);
  const auto* editor = dynamic_cast<const EditReader*>(loaded.model.get());
  if (!editor)
    throw UsageError(
        "[edit] '{}' is of kind {}, which says something of networks; weft train --task edit makes one that edits",
        path.string(), loaded.model->kind());
  NetworkFile network = network_for(*editor, o, common);
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
  add_network(verb, o->network);
  verb.add_option("--model", o->model, "a model of --task edit, or the folder that weft train wrote")
      ->required()
      ->type_name("PATH");
  add_network_options(verb, o->reading, false);
  add_output(verb, o->out, "file for the edited network; of several output channels it is so many times as wide",
             false);
  verb.callback([o, &common, &run] { run = [o, &common] { return edit(*o, common); }; });
}

}  // namespace weft::apps
