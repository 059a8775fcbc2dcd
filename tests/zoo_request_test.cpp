// Zoos as they are asked for: what is left out, what is refused, and that nothing is made that was not asked for.

#include "weft/zoo/zoo_request.h"

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"

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
