#include "weft/io/checkpoint.h"

#include <limits>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/core/random.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"

using namespace weft;

namespace {

std::vector<NamedTensor> parameters(RandomKey key) {
  std::vector<NamedTensor> all{{"W1.phi3", Tensor::zeros({3, 2}, DType::f32)},
                               {"b", Tensor::zeros({}, DType::f64)},
                               {"step", Tensor::zeros({2}, DType::i32)}};
  fill_normal(all[0].tensor, key.at("W"));
  fill_normal(all[1].tensor, key.at("b"));
  all[2].tensor.fill(7);
  return all;
}

std::vector<NamedTensor> blank() {
  auto all = parameters(RandomKey(0, "checkpoint_test"));
  for (auto& t : all) t.tensor.fill(0);
  return all;
}

constexpr const char* config = R"({"layers": 2, "name": "ü"})";

}  // namespace

TEST_CASE("a model gives back kind, config, metadata and parameters; the same model is the same bytes") {
  const TemporaryFolder folder;
  const auto path = folder / "model.safetensors";
  for (std::uint64_t n = 0; n < 10; ++n) {
    const auto saved = parameters(RandomKey(n, "checkpoint_test"));
    Checkpoint::save(path, "magep", config, saved, {{"zoo", "here"}});
    const Checkpoint model = Checkpoint::open(path);
    CHECK(model.kind() == "magep");
    CHECK(model.config() == config);
    CHECK(model.metadata().at("zoo") == "here");
    const auto loaded = blank();
    model.load(loaded);
    for (std::size_t i = 0; i < saved.size(); ++i)
      CHECK(std::equal(static_cast<const char*>(saved[i].tensor.raw()),
                       static_cast<const char*>(saved[i].tensor.raw()) + saved[i].tensor.bytes(),
                       static_cast<const char*>(loaded[i].tensor.raw())));
    const std::string bytes = read_text(path);
    Checkpoint::save(path, model.kind(), model.config(), loaded, {{"zoo", "here"}});
    CHECK(read_text(path) == bytes);
  }
  const std::string before = read_text(path);
  {
    const FileSizeLimit limit(100);
    CHECK(message_of<DiskError>([&] { Checkpoint::save(path, "magep", config, blank()); }) ==
          "[write] '" + path.string() + "': cannot write: File too large");
  }
  CHECK(read_text(path) == before);
  CHECK(folder.names() == std::vector<std::string>{"model.safetensors"});
}

TEST_CASE("a model: every rule has its own message, word for word") {
  const TemporaryFolder folder;
  const auto path = folder / "m";
  const std::string at = "[model] '" + path.string() + "': ";
  const auto opening = [&](const Metadata& metadata) {
    save_safetensors(path, blank(), metadata);
    return message_of<FormatError>([&] { Checkpoint::open(path); });
  };
  const auto lacks = [&](const std::string& key, const std::string& kind) {
    return at + "no '" + key + "' in its metadata: not a model but " + kind + ". Name a file that a training wrote";
  };
  const std::string model = "a model ('magep'): weft eval, predict, edit and verify take it as --model";
  CHECK(opening({}) == lacks("weft.model", "a file with tensors 3: 'W1.phi3', 'b', 'step'"));
  CHECK(opening({{"weft.space", "h: fixed(1) b[h]"}}) ==
        lacks("weft.model", "a network: weft inspect, act, same and predict --network take it"));
  CHECK(opening({{"weft.model", "magep"}}) == lacks("weft.schema", model));
  CHECK(opening({{"weft.model", "magep"}, {"weft.schema", "1"}}) == lacks("weft.config", model));
  CHECK(opening({{"weft.model", "magep"}, {"weft.schema", "2"}, {"weft.config", "{}"}}) ==
        at + "schema '2'; this weft reads '1': use the version that wrote it");
  CHECK(opening({{"weft.model", "magep"}, {"weft.schema", "1"}, {"weft.config", "[1]"}}) ==
        at + "'weft.config' is '[1]'; allowed: a JSON object");
  CHECK(message_of<DiskError>([&] { Checkpoint::open(folder / "none"); }) ==
        "[read] '" + (folder / "none").string() + "': No such file or directory");

  Checkpoint::save(path, "magep", "{}", parameters(RandomKey(1, "checkpoint_test")));
  const auto loading = [&](auto&& change) {
    auto into = blank();
    change(into);
    const std::string message = message_of<FormatError>([&] { Checkpoint::open(path).load(into); });
    CHECK(into[1].tensor.template data<double>()[0] == 0);  // nothing is copied
    return message;
  };
  CHECK(loading([](auto& into) { into[0].name = "W2"; }) ==
        at + "no tensor 'W2', which the magep model has; the file has 3: 'W1.phi3', 'b', 'step'");
  CHECK(loading([](auto& into) { into.pop_back(); }) == at + "tensor 'step', which the magep model does not have");
  CHECK(loading([](auto& into) {
          into[0].tensor = into[0].tensor.reshape({2, 3});
        }) == at + "tensor 'W1.phi3' is float32 [3, 2]; the magep model has float32 [2, 3]");
  CHECK(loading([](auto& into) { into[0].tensor = into[0].tensor.to(DType::f64); }) ==
        at + "tensor 'W1.phi3' is float32 [3, 2]; the magep model has float64 [3, 2]");

  auto bad = blank();
  bad[0].tensor.data<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(message_of<NumericError>([&] { Checkpoint::save(path, "magep", "{}", bad); }) ==
        at + "'W1.phi3' is not finite");
  save_safetensors(path, bad, {{"weft.model", "magep"}, {"weft.schema", "1"}, {"weft.config", "{}"}});
  CHECK(message_of<NumericError>([&] { Checkpoint::open(path).load(blank()); }) == at + "'W1.phi3' is not finite");
  CHECK(message_of<UsageError>([&] { Checkpoint::save(path, "magep", "{", blank()); }) ==
        "[model] the config of 'magep' is '{'; allowed: a JSON object");
  CHECK(message_of<UsageError>([&] { Checkpoint::save(path, "", "{}", blank()); }) ==
        "[model] no kind; allowed: the name of the model's family, as in 'magep'");
}
