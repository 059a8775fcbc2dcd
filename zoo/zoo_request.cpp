#include "weft/zoo/zoo_request.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/core/ranks.h"

namespace weft {
namespace {

/// What a kind reads; its usual data come first.
std::vector<const DataSource*> sources_of(const InputArchitecture& kind) {
  std::vector<const DataSource*> all;
  for (const DataSource* source : data_sources())
    if (source->texts == kind.texts) all.push_back(source);
  return all;
}

const DataSource& source_of(const ZooRequest& request, const InputArchitecture& kind, RequestSpelling spelled) {
  const std::vector<const DataSource*> all = sources_of(kind);
  if (request.data.empty()) return *all.front();
  const auto found = std::ranges::find(all, request.data, &DataSource::name);
  if (found != all.end()) return **found;
  std::vector<std::string_view> names;
  for (const DataSource* source : all) names.emplace_back(source->name);
  throw UsageError("[zoo] {} {} does not read {} {}; allowed: {}", spelled("kind"), request.kind, spelled("data"),
                   request.data, fmt::join(names, ", "));
}

/// Networks are trained at once, items lie in memory, and steps have 32-bit numbers.
constexpr std::int64_t most = 1'000'000;

}  // namespace

std::string as_it_is_called(const std::string& part) { return part; }

CompleteZooRequest completed(const ZooRequest& request, RequestSpelling spelled) {
  const InputArchitecture& kind = input_architecture(request.kind);
  const DataSource& data = source_of(request, kind, spelled);
  if (kind.usual.held_out == 0 && request.held_out)
    throw UsageError("[zoo] {} is for kinds whose best epochs are kept; '{}' has none", spelled("held_out"),
                     request.kind);
  if (request.data_folder.empty() && data.files)
    throw UsageError("[zoo] {} {} needs {}, the folder of its files", spelled("data"), data.name,
                     spelled("data_folder"));
  const auto number = [&](const char* part, std::optional<std::int64_t> given, std::int64_t usual,
                          std::int64_t least = 1) {
    if (given && (*given < least || *given > most))
      throw UsageError("[zoo] {} {}; allowed: {} to {}", spelled(part), *given, least, most);
    return given.value_or(usual);
  };
  if (request.full_grid && !kind.grid)
    throw UsageError("[zoo] {} full is for kinds whose recipes are of a grid; '{}' has none", spelled("grid"),
                     request.kind);
  const std::int64_t runs = request.full_grid ? runs_of(*kind.grid) : kind.usual.networks;
  if (request.full_grid && request.networks.value_or(0) > runs)
    throw UsageError("[zoo] {} {}; allowed: 1 to {}, all runs of the grid", spelled("networks"), *request.networks,
                     runs);
  const std::int64_t networks = number("networks", request.networks, runs);
  CompleteZooRequest all{
      .kind = &kind,
      .settings = request.settings,
      .data = &data,
      .data_folder = request.data_folder,
      .networks = networks,
      .images = number("images", request.images, kind.usual.items),
      .test_images = number("test_images", request.test_images, kind.usual.test_items),
      .epochs = number("epochs", request.epochs, kind.usual.epochs),
      .batch = number("batch", request.batch, kind.usual.batch),
      .held_out = number("held_out", request.held_out, kind.usual.held_out, 0),
      .part = request.part,
      .parts = request.parts,
      .full_grid = request.full_grid,
      .seed = request.seed,
  };
  const auto check_part = [&] {
    if (all.parts != 0 && (all.part < 1 || all.parts < all.part || all.networks < all.parts))
      throw UsageError("[zoo] {} {}/{}; allowed: 1/N to N/N, N at most the {} networks", spelled("part"), all.part,
                       all.parts, all.networks);
  };
  if (!all.settings.has("views")) {
    check_part();
    return all;
  }
  const std::int64_t views = all.settings.whole("views");
  if (request.networks || request.test_images)
    throw UsageError("[zoo] {} {} fits {} networks to each of {}; leave {}, {} out", spelled("kind"), request.kind,
                     spelled("views"), spelled("images"), spelled("networks"), spelled("test_images"));
  if (all.settings.text("start") == "shared" && views > 1)
    throw UsageError("[zoo] {} {} with {} shared: the views of an image would be one network", spelled("views"), views,
                     spelled("start"));
  all.networks = all.images * views;
  check_part();
  return all;
}

ZooRange CompleteZooRequest::range() const {
  if (parts == 0) return {0, networks};
  const auto [first, end] = share_of(networks, static_cast<int>(part - 1), static_cast<int>(parts));
  return {first, end};
}

PreparedZoo prepare_zoo(const CompleteZooRequest& request) {
  const Settings& settings = request.settings;
  TrainAndTest data =
      request.data->load({.folder = request.data_folder,
                          .train = request.images,
                          .test = std::max<std::int64_t>(1, request.test_images),  // none are read of implicit networks
                          .seed = request.seed,
                          .whole_texts = settings.has("pad") && settings.text("pad") == "batch"});
  ZooPlan plan = usual_plan(*request.kind, request.networks, request.epochs, request.batch,
                            data.train.items() - request.held_out, request.seed);
  plan.held_out = request.held_out;
  plan.generator = "weft " WEFT_VERSION;
  if (request.parts > 0) plan.part = request.range();
  if (request.full_grid) {
    plan.recipes = all_training_recipes(*request.kind->grid, request.networks, RandomKey(request.seed, "recipes"));
    plan.settings["grid"] = "full";
  }
  std::unique_ptr<PopulationModel> model = request.kind->make(settings, data.train, request.batch);
  return {std::move(data), std::move(model), std::move(plan)};
}

void make_zoo(const std::filesystem::path& folder, const ZooRequest& request, ZooWriter::Existing existing,
              const ZooProgress& progress) {
  const CompleteZooRequest all = completed(request);
  ZooWriter::check_place(folder, existing);
  const PreparedZoo zoo = prepare_zoo(all);
  make_zoo(folder, *zoo.model, zoo.data.train, zoo.data.test, zoo.plan, existing, progress);
}

}  // namespace weft
