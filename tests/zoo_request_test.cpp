// Zoos as they are asked for: what is left out, what is refused, and that nothing is made that was not asked for.

#include "weft/zoo/zoo_request.h"

#include <set>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/zoo/zoo_cost.h"

using namespace weft;

namespace {

std::string refused(const ZooRequest& request, RequestSpelling spelled = as_it_is_called) {
  return message_of<UsageError>([&] { completed(request, spelled); });
}
ZooRequest siren(Settings::Given settings) {
  return {.kind = "siren", .settings = architecture_settings("siren", settings)};
}

}  // namespace

TEST_CASE("zoo requests: what is left out is as each kind has it, what is said stays") {
  for (const InputArchitecture* kind : input_architectures()) {
    INFO(kind->name);
    const UsualZoo& usual = kind->usual;
    const CompleteZooRequest all = completed({.kind = kind->name});
    const bool implicit = all.settings.has("views");
    CHECK(all.kind == kind);
    CHECK(all.data->texts == kind->texts);
    CHECK_FALSE(all.data->files);  // it needs no download
    CHECK(all.networks == (implicit ? all.images : usual.networks));
    CHECK((all.images == usual.items && all.epochs == usual.epochs && all.batch == usual.batch));
    CHECK((all.held_out == usual.held_out && all.seed == 0));
    ZooRequest asked{.kind = kind->name, .images = 12, .epochs = 3, .batch = 5, .seed = 7};
    if (!implicit) asked.networks = 9, asked.test_images = 4;
    if (usual.held_out > 0) asked.held_out = 0;
    const CompleteZooRequest said = completed(asked);
    CHECK((said.networks == (implicit ? 12 : 9) && said.images == 12 && said.epochs == 3 && said.batch == 5));
    CHECK((said.held_out == 0 && said.seed == 7));
    if (!implicit) CHECK(said.test_images == 4);
  }
  CHECK(completed(siren({{"views", 3}})).networks == 3 * input_architecture("siren").usual.items);
}

TEST_CASE("zoo requests: what does not fit is refused, in the words of who asks") {
  CHECK(refused({.kind = "cnn", .data = "agnews"}) ==
        "[zoo] kind cnn does not read data agnews; allowed: glyphs, shapes, mnist, cifar10, cifar10-grey");
  CHECK(refused({.data = "mnist"}) == "[zoo] data mnist needs data_folder, the folder of its files");
  CHECK(refused({.held_out = 1}) == "[zoo] held_out is for kinds whose best epochs are kept; 'cnn' has none");
  ZooRequest counted = siren({});
  counted.networks = 3;
  CHECK(refused(counted) == "[zoo] kind siren fits views networks to each of images; leave networks, test_images out");
  CHECK(refused(siren({{"views", 2}, {"start", "shared"}})) ==
        "[zoo] views 2 with start shared: the views of an image would be one network");
  CHECK(refused({.kind = "rnn", .settings = {}}).ends_with("'rnn'; allowed: cnn, resnet, siren, vit, text"));
  using Number = std::optional<std::int64_t> ZooRequest::*;
  for (const Number number : {&ZooRequest::networks, &ZooRequest::images, &ZooRequest::test_images, &ZooRequest::epochs,
                              &ZooRequest::batch, &ZooRequest::held_out})
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{1'000'001}}) {
      ZooRequest request{.kind = "vit"};
      request.*number = wrong;
      CHECK(refused(request).ends_with(" to 1000000"));
      request.*number = 1;
      CHECK_NOTHROW(completed(request));
    }
  CHECK(refused({.epochs = 0}, [](const std::string& part) { return "--" + part; }) ==
        "[zoo] --epochs 0; allowed: 1 to 1000000");
}

TEST_CASE("zoo requests: the zoo is made of the request alone, and resumes with the same bytes") {
  const TemporaryFolder folder;
  const ZooRequest request{.settings = architecture_settings("cnn", {{"activation", "tanh"}}),
                           .data = "shapes",
                           .networks = 6,
                           .images = 40,
                           .test_images = 10,
                           .epochs = 3,
                           .batch = 16,
                           .seed = 4};
  const PreparedZoo zoo = prepare_zoo(completed(request));
  CHECK((zoo.data.train.items() == 40 && zoo.data.test.items() == 10 && zoo.plan.recipes.size() == 6));
  CHECK(folder.names().empty());
  make_zoo(folder / "whole", request);
  make_zoo(folder / "prepared", *zoo.model, zoo.data.train, zoo.data.test, zoo.plan, ZooWriter::Existing::refuse);
  CHECK(content(folder / "whole") == content(folder / "prepared"));
  struct Stop {};
  CHECK_THROWS_AS(
      make_zoo(folder / "broken", request, ZooWriter::Existing::refuse, {.safe_point = [] { throw Stop{}; }}), Stop);
  make_zoo(folder / "broken", request, ZooWriter::Existing::resume);
  CHECK(content(folder / "whole") == content(folder / "broken"));
  const Zoo made = Zoo::open(folder / "whole");
  const ZooDescription& d = made.description();
  CHECK((d.networks == 6 && d.activation == "tanh" && d.seed == 4 && d.settings.at("epochs") == "3"));
  CHECK(d.data_name == "shapes");
  CHECK(d.generator.starts_with("weft "));
}

TEST_CASE("zoo requests: the full grid is every run, once, in an order of the seed") {
  const RecipeGrid grid;
  const std::int64_t runs = runs_of(grid);
  CHECK(runs == 4 * 8 * 5 * 5 * 5 * 4);
  const auto text = [](const TrainingRecipe& r) {
    return fmt::format("{} {} {} {} {} {} {}", static_cast<int>(r.rule.kind), r.rule.momentum, r.rule.weight_decay,
                       r.learning_rate, r.init_std, r.dropout, r.share);
  };
  std::set<std::string> different;
  const auto all = all_training_recipes(grid, runs, RandomKey(1, "recipes"));
  for (const TrainingRecipe& recipe : all) different.insert(text(recipe));
  CHECK(std::ssize(different) == runs);
  for (const TrainingRecipe& drawn : draw_training_recipes(grid, 0, 500, RandomKey(9, "recipes")))
    CHECK(different.contains(text(drawn)));
  const auto some = all_training_recipes(grid, 20, RandomKey(1, "recipes")),
             others = all_training_recipes(grid, 20, RandomKey(2, "recipes"));
  int same = 0;
  for (std::size_t i = 0; i < some.size(); ++i) {
    CHECK(text(some[i]) == text(all[i]));
    same += text(some[i]) == text(others[i]);
  }
  CHECK(same < 3);

  CHECK(completed({.kind = "vit", .full_grid = true}).networks == runs);
  CHECK(completed({.kind = "text", .networks = 30, .full_grid = true}).networks == 30);
  CHECK(refused({.kind = "vit", .networks = runs + 1, .full_grid = true}) ==
        "[zoo] networks 16001; allowed: 1 to 16000, all runs of the grid");
  CHECK(refused({.kind = "cnn", .full_grid = true}) ==
        "[zoo] grid full is for kinds whose recipes are of a grid; 'cnn' has none");
  const ZooRequest request{.kind = "vit",
                           .settings = architecture_settings("vit"),
                           .networks = 5,
                           .images = 40,
                           .test_images = 10,
                           .epochs = 1,
                           .held_out = 8,
                           .full_grid = true};
  const PreparedZoo zoo = prepare_zoo(completed(request));
  CHECK(zoo.plan.settings.at("grid") == "full");
  CHECK(text(zoo.plan.recipes[4]) == text(all_training_recipes(grid, 5, RandomKey(0, "recipes"))[4]));
}

TEST_CASE("zoo requests: parts are 1/N to N/N") {
  for (const auto& [part, parts] : {std::pair{0, 3}, {4, 3}, {1, 301}, {-1, -1}}) {
    ZooRequest request;
    request.part = part;
    request.parts = parts;
    CHECK(refused(request) ==
          fmt::format("[zoo] part {}/{}; allowed: 1/N to N/N, N at most the 300 networks", part, parts));
  }
}

TEST_CASE("zoo requests: what a zoo costs is counted before it is made") {
  ZooRequest request{.kind = "vit",
                     .settings = architecture_settings("vit"),
                     .networks = 6,
                     .images = 60,
                     .test_images = 20,
                     .epochs = 4,
                     .batch = 16,
                     .held_out = 20};
  const auto cost = [&] {
    const PreparedZoo zoo = prepare_zoo(completed(request));
    return measure_cost(*zoo.model, zoo.data.train, zoo.data.test, zoo.plan);
  };
  const ZooCost whole = cost();
  const PreparedZoo zoo = prepare_zoo(completed(request));
  CHECK((whole.networks == 6 && whole.checkpoints == 24));
  CHECK(whole.bytes == 24. * 4 * static_cast<double>(zoo.model->space().parameters()));
  CHECK(whole.flops == doctest::Approx(6 * 4 * 40 * zoo.model->training_flops() +
                                       (6 * 4 * 20 + 24 * 20 + 18 * 40) * zoo.model->forward_flops()));
  CHECK(whole.seconds > 0);
  CHECK(whole.seconds_of(1) == whole.seconds);
  CHECK(whole.seconds_of(4) == doctest::Approx(whole.seconds / 3));  // two networks of six
  request.part = request.parts = 3;
  CHECK(cost().networks == 2);
  CHECK(cost().flops == doctest::Approx(whole.flops / 3));
}
