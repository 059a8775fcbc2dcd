// The texts of architectures that weft has, and how a file finds its own (spec 8.7, 8.8).

#include <algorithm>
#include <set>

#include "weft/networks/files/find.h"
#include "weft/tests/architecture_files.h"
#include "weft/tests/disk.h"
#include "weft/tests/tiny_architectures.h"

using namespace weft;
using namespace weft::testing;

namespace {

std::vector<StoredTensor> stored(const FileSpace& files, const std::string& module = "") {
  std::vector<StoredTensor> out;
  for (const FileEntry& file : files.files)
    for (const std::string& name : file.names) out.push_back({module + name, file.shape});
  return out;
}

std::string error(const std::vector<StoredTensor>& tensors, const Json& config = Json(Json::Object{})) {
  return message_of<FormatError>([&] { found_architecture({tensors, config}); });
}

}  // namespace

TEST_CASE("architectures: each text expands, its windows tile, and files of it are found") {
  for (const TinyArchitecture& one : tiny_architectures) {
    CAPTURE(one.name);
    const FileSpace files = expanded(one);
    std::vector<std::int64_t> covered(files.files.size());
    for (const Window& window : files.windows) {
      std::int64_t n = 1;
      for (const WindowAxis& axis : window.axes) n *= axis.size;
      covered[static_cast<std::size_t>(window.file)] += n;
    }
    for (std::size_t i = 0; i < covered.size(); ++i)
      CHECK(covered[i] == files.files[i].shape.numel() * static_cast<std::int64_t>(files.files[i].names.size()));
    CHECK(Space::parse(files.space.str()) == files.space);
    const std::vector<StoredTensor> tensors = stored(files);
    if (architecture_text(one.name).parsed().requested()) {
      ArchitectureDifference difference;
      CHECK_MESSAGE(fitted({tensors, Json::parse(one.config)}, architecture_text(one.name), difference),
                    difference.str());
    }
    const FoundArchitecture found = found_architecture({tensors, Json::parse(one.config)});
    CHECK(found.name == one.name);
    CHECK(found.files.space == files.space);
    CHECK(found.files.windows == files.windows);
    if (one.from_shapes) CHECK(found_architecture({tensors}).files.space == files.space);
    // In a checkpoint, with what a run keeps beside its network.
    std::vector<StoredTensor> checkpoint = stored(files, "state_dict.");
    checkpoint.push_back({"optimizer.state.0.exp_avg", {3}});
    checkpoint.push_back({"epoch", {}, false});
    const FoundArchitecture inside = found_architecture({checkpoint, Json::parse(one.config)});
    CHECK(inside.name == one.name);
    CHECK(inside.files.windows == files.windows);
    CHECK(inside.files.files[0].names[0] == "state_dict." + found.files.files[0].names[0]);
  }
}

TEST_CASE("architectures: every text is tried") {
  std::set<std::string> names;
  for (const TinyArchitecture& one : tiny_architectures) names.insert(one.name);
  for (const ArchitectureText& text : architecture_texts())
    CHECK_MESSAGE((names.contains(text.name) || text.name == "lora"), text.name);
  CHECK(architecture_text("mistral").name == "llama");
  CHECK(message_of<UsageError>([] {
          architecture_text("gpt5");
        }).starts_with("[architecture] no architecture 'gpt5'; there are: bert, bloom, "));
}

TEST_CASE("architectures: golden networks are found and moved") {
  for (const auto& path : golden_networks()) {
    CAPTURE(path.string());
    const Golden golden(path);
    std::vector<StoredTensor> tensors;
    for (const auto& [name, t] : golden.numbers) tensors.push_back({name, t.shape()});
    const FoundArchitecture found = found_architecture({tensors, *golden.json.find("config")});
    CHECK(path.stem().string().starts_with(found.name.substr(0, 4)));
    golden.check(found.files);
  }
}

TEST_CASE("architectures: parts are found below any module, numbered with gaps") {
  const std::vector<StoredTensor> mlp{{"net.body.0.weight", {5, 3}},
                                      {"net.body.0.bias", {5}},
                                      {"net.body.2.weight", {4, 5}},
                                      {"net.body.2.bias", {4}},
                                      {"net.body.11.weight", {2, 4}}};
  const FoundArchitecture found = found_architecture({mlp});
  CHECK(found.name == "mlp");
  CHECK(found.files.space.str() ==
        "in: fixed(3); h.0: permutation(5); h.1: permutation(4); h.2: fixed(2) x.0.weight[h.0, in*] x.0.bias[h.0] "
        "x.1.weight[h.1, h.0*] x.1.bias[h.1] x.2.weight[h.2, h.1*]");
  CHECK(found.files.files[4].names == std::vector<std::string>{"net.body.11.weight"});
  const FoundArchitecture relu = found_architecture({mlp, Json::parse(R"({"activation": "relu"})")});
  CHECK(relu.files.space.factors()[1].str() == "positive_monomial(5)");
  // States that nobody reads are outputs.
  const FoundArchitecture lstm = found_architecture({std::vector<StoredTensor>{{"encoder.weight_ih_l0", {20, 3}},
                                                                               {"encoder.weight_hh_l0", {20, 5}},
                                                                               {"encoder.bias_ih_l0", {20}},
                                                                               {"encoder.bias_hh_l0", {20}}}});
  CHECK(lstm.name == "lstm");
  CHECK(lstm.files.space.factors()[0].str() == "fixed(5)");
  CHECK(lstm.files.files[0].names[0] == "encoder.weight_ih_l0");
}

TEST_CASE("architectures: a file of the bare model, with masks, under its own names") {
  const TinyArchitecture& gpt2 = *std::ranges::find(tiny_architectures, std::string("gpt2"), &TinyArchitecture::name);
  std::vector<StoredTensor> tensors = stored(expanded(gpt2));
  for (StoredTensor& t : tensors) t.name = t.name.substr(std::string("transformer.").size());
  tensors.push_back({"h.0.attn.bias", {1, 1, 8, 8}});
  tensors.push_back({"counter", {}, false});
  const FoundArchitecture found = found_architecture({tensors, Json::parse(gpt2.config)});
  CHECK(found.name == "gpt2");
  CHECK(found.files.space == expanded(gpt2).space);
  CHECK(found.files.files[0].names[0] == "wpe.weight");
  CHECK(found.told.at("tie_word_embeddings") == Json(true));
}

TEST_CASE("architectures: adapters of any modules") {
  const FoundArchitecture found =
      found_architecture({std::vector<StoredTensor>{{"base_model.model.layers.0.q_proj.lora_A.weight", {2, 6}},
                                                    {"base_model.model.layers.0.q_proj.lora_B.weight", {7, 2}},
                                                    {"base_model.model.layers.1.down-proj.lora_A.weight", {3, 5}},
                                                    {"base_model.model.layers.1.down-proj.lora_B.weight", {4, 3}}}});
  CHECK(found.name == "lora");
  CHECK(found.files.space.str() ==
        "r.0: GL(2); r.1: GL(3); fixed.6: fixed(6); fixed.7: fixed(7); fixed.5: fixed(5); fixed.4: fixed(4) "
        "base_model.model.layers.0.q_proj.lora_A.weight[r.0, fixed.6] "
        "base_model.model.layers.0.q_proj.lora_B.weight[fixed.7, r.0*] "
        "base_model.model.layers.1.down_x2dproj.lora_A.weight[r.1, fixed.5] "
        "base_model.model.layers.1.down_x2dproj.lora_B.weight[fixed.4, r.1*]");
}

TEST_CASE("architectures: adapters beside modules that were trained whole") {
  const FoundArchitecture found =
      found_architecture({std::vector<StoredTensor>{{"base_model.model.h.0.q.lora_A.weight", {2, 6}},
                                                    {"base_model.model.h.0.q.lora_B.weight", {7, 2}},
                                                    {"base_model.model.score.weight", {3, 6}}}});
  CHECK(found.name == "lora");
  CHECK(found.files.files.size() == 2);
}

TEST_CASE("architectures: what names do not tell is said") {
  const std::vector<StoredTensor> rnn{{"weight_ih_l0", {5, 3}}, {"weight_hh_l0", {5, 5}}, {"head.weight", {2, 5}}};
  const auto notes = [&](const char* config) {
    return found_architecture({rnn, Json::parse(config)}).files.text.notes;
  };
  CHECK(notes("{}") ==
        std::vector<std::string>{
            "tanh between the steps, torch's default; of ReLU the config says so: 'nonlinearity': 'relu'"});
  CHECK(notes(R"({"nonlinearity": "tanh"})").empty());
}

TEST_CASE("architectures: what fits none, or several, says why") {
  const TinyArchitecture& bert = tiny_architectures[0];
  const Json config = Json::parse(bert.config);
  std::vector<StoredTensor> tensors = stored(expanded(bert));
  CHECK(error(tensors, config) == "no error");
  tensors.back().shape = {6};
  CHECK(error(tensors, config) ==
        "[architecture] the file fits no architecture; nearest is 'bert': 'classifier.bias' is [6], the text says [5]");
  tensors.back() = {"classifier.gain", {5}};
  CHECK(error(tensors, config) ==
        "[architecture] the file fits no architecture; nearest is 'bert': the file lacks 'classifier.bias'; it has "
        "'classifier.gain', which the text has not");
  const std::vector<StoredTensor> whole = stored(expanded(bert));
  CHECK(error(whole) ==
        "[architecture] the file has the tensors of 'bert', but factor 'h.0' has num_attention_heads "
        "places, which is no "
        "number yet; give num_attention_heads in the network's config");
  const ArchitectureText twice[] = {{"one", "w [$n]"}, {"two", "a: fixed($n) w [a]"}};
  const std::vector<StoredTensor> w{{"w", {3}}};
  CHECK(message_of<FormatError>([&] { found_architecture({w}, twice); }) ==
        "[architecture] the file fits several architectures: one, two; say which one it is");
}

TEST_CASE("architectures: a config that is not the file's is told by the size that is wrong") {
  const TinyArchitecture& gpt2 = *std::ranges::find(tiny_architectures, std::string("gpt2"), &TinyArchitecture::name);
  const std::vector<StoredTensor> tensors = stored(expanded(gpt2));
  const auto said = [&](const char* key, const Json& value) {
    Json::Object config = *Json::parse(gpt2.config).object();
    std::ranges::find(config, key, &std::pair<std::string, Json>::first)->second = value;
    return error(tensors, config);
  };
  for (const char* key : {"vocab_size", "n_positions", "n_embd", "n_layer"}) {
    const std::int64_t right = *Json::parse(gpt2.config).find(key)->whole();
    for (const std::int64_t wrong : {right + 1, 2 * right, right + 9})
      CHECK(said(key, wrong) ==
            fmt::format("[architecture] the file has the tensors of 'gpt2', but its config says {} = "
                        "{}, its tensors say {}",
                        key, wrong, right));
  }
  // What shapes do not tell: the expression that cannot be computed.
  const std::string text = "[architecture] the text of 'gpt2' cannot be expanded for this file: ";
  CHECK(said("n_head", 0).starts_with(text + "line 12: 'n_embd // n_head' is 12 divided by 0"));
  CHECK(said("n_head", "four").starts_with(text + "line 12: 'n_embd // n_head' is an operation on the text \"four\""));
  CHECK(said("n_head", -2).starts_with(text));
}

TEST_CASE("architectures: the nearest text is the one whose names are the file's, whatever its config says") {
  for (const TinyArchitecture& one : tiny_architectures) {
    std::vector<StoredTensor> tensors = stored(expanded(one));
    const std::string other = tensors.back().name + "_of_another";
    tensors.push_back({other, {3}});
    Json::Object config = *Json::parse(one.config).object();
    std::erase_if(config, [](const auto& member) { return member.first == "model_type"; });
    CAPTURE(one.name);
    const std::string message = error(tensors, config);
    CHECK_MESSAGE(message.ends_with(fmt::format("': the file has '{}', which the text has not", other)), message);
  }
}

TEST_CASE("architectures: a text of weft for the config's own model is not passed over for another's") {
  const TinyArchitecture& llama = *std::ranges::find(tiny_architectures, std::string("llama"), &TinyArchitecture::name);
  const std::vector<StoredTensor> tensors = stored(expanded(llama));
  const auto as = [&](const char* type) {
    Json::Object config = *Json::parse(llama.config).object();
    std::erase_if(config, [](const auto& member) { return member.first == "model_type"; });
    config.emplace_back("model_type", Json(type));
    return Json(config);
  };
  CHECK(found_architecture({tensors, as("llama")}).doubt.empty());
  CHECK(found_architecture({tensors, as("helium")}).doubt == "helium");
  CHECK(error(tensors, as("bloom")).starts_with("[architecture] the file fits no architecture"));
}

TEST_CASE("architectures: a tensor that the file lacks has the name that the file would give it") {
  const TinyArchitecture& bert = tiny_architectures[0];
  const ArchitectureText text = architecture_text("bert");
  const std::vector<StoredTensor> roberta{{"roberta.embeddings.LayerNorm.weight", {4}}, {"lm_head.bias", {4}}};
  const StoredNames names(roberta, text.parsed(), "");
  CHECK(names.own_name("cls.predictions.decoder.weight") == "lm_head.decoder.weight");
  CHECK(names.own_name("bert.embeddings.LayerNorm.bias") == "roberta.embeddings.LayerNorm.bias");
  for (const StoredTensor& t : stored(expanded(bert)))
    CHECK(StoredNames(stored(expanded(bert)), text.parsed(), "").own_name(t.name) == t.name);
}
