// Folds (spec 8.9): they keep what networks compute, and so do elements of the groups of folded networks.

#include "weft/networks/files/fold.h"

#include <algorithm>
#include <cstring>

#include "weft/tests/fold_checks.h"
#include "weft/tests/random_space.h"
#include "weft/tests/tiny_architectures.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Forward = std::function<std::vector<double>(const Numbers&)>;

std::vector<Tokens> tokens_of(const Json& list) {
  std::vector<Tokens> out;
  for (const Json& one : *list.list()) {
    out.emplace_back();
    for (const double token : flat(one)) out.back().push_back(static_cast<std::size_t>(token));
  }
  return out;
}

/// Of a golden network: its inputs, through the passes above.
Forward forward_of(const Golden& golden, const std::string& name) {
  const Json config = *golden.json.find("config"), input = *golden.json.find("input");
  return [=](const Numbers& numbers) {
    std::vector<double> out;
    if (name == "vit") {
      for (const Json& image : *input.find("pixel_values")->list())
        append(out, vit_forward(numbers, config, flat(image)));
    } else if (name == "bert") {
      const auto tokens = tokens_of(*input.find("input_ids")), segments = tokens_of(*input.find("token_type_ids"));
      for (std::size_t i = 0; i < tokens.size(); ++i)
        append(out, bert_forward(numbers, config, tokens[i], segments[i]));
    } else {
      for (const Tokens& tokens : tokens_of(*input.find("input_ids")))
        append(out, (name == "gpt2" ? gpt2_forward : llama_forward)(numbers, config, tokens));
    }
    return out;
  };
}

/// Largest difference over the largest number.
bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].shape() != b[i].shape() || std::memcmp(a[i].raw(), b[i].raw(), a[i].bytes()) != 0) return false;
  return true;
}

/// The same network, folded again, and as the folded text reads its file.
void check_again(const Folded& folded, const Json& config, const std::string& name) {
  const Numbers file = file_of(folded.files, folded.weights);
  const FoundArchitecture again = found_of(file, config, architecture_text(name));
  const Folded twice = fold(again, read_windows(again.files, of(file)));
  CHECK_MESSAGE(twice.done.empty(), fmt::format("{}", fmt::join(twice.done, "; ")));
  const Numbers file_twice = file_of(twice.files, twice.weights);
  for (const auto& [tensor, numbers] : file)
    CHECK_MESSAGE(largest_difference(file_twice.at(tensor), numbers) < 1e-14, tensor);
  CHECK(twice.files.space == folded.files.space);
  const FoundArchitecture asked = found_of(file, config, architecture_text(name + "_folded"));
  CHECK(asked.name == name + "_folded");
  CHECK(asked.files.space == folded.files.space);
  CHECK(same(read_windows(asked.files, of(file)), twice.weights));
}

Tensor cast(const Tensor& t, DType dtype) {
  const Tensor out = Tensor::zeros(t.shape(), dtype);
  with_float(dtype, "test", [&]<class To>(To) {
    with_float(t.dtype(), "test", [&]<class From>(From) {
      std::transform(t.data<From>(), t.data<From>() + t.numel(), out.data<To>(),
                     [](From x) { return static_cast<To>(x); });
    });
  });
  return out;
}

Json with(const Json& config, const std::map<std::string, Json>& changed) {
  Json::Object out;
  for (const auto& [name, value] : *config.object())
    out.emplace_back(name, changed.contains(name) ? changed.at(name) : value);
  return Json(std::move(out));
}

struct Case {
  const char* name;
  bool rotates;
};
constexpr Case cases[] = {{"gpt2", true}, {"llama", true}, {"mixtral", true}, {"bert", false}, {"vit", true}};

const Case* case_of(const std::filesystem::path& path) {
  for (const Case& one : cases)
    if (path.stem() == one.name) return &one;
  return nullptr;
}

}  // namespace

TEST_CASE("fold: golden networks compute what they did, folded and moved by the larger group") {
  for (const auto& path : golden_networks()) {
    const Case* one = case_of(path);
    if (!one) continue;
    CAPTURE(path.string());
    const Golden golden(path);
    const Forward forward = forward_of(golden, one->name);
    const std::vector<double> output = flat(*golden.json.find("output"));
    REQUIRE(error(forward(golden.numbers), output) < 1e-10);
    const Json config = *golden.json.find("config");
    // As it is, and with gains of norms that are 0.
    for (const bool zeros : {false, true}) {
      Numbers numbers;
      for (const auto& [name, t] : golden.numbers) {
        numbers.emplace(name, t.clone());
        const bool gain = t.rank() == 1 && name.ends_with(".weight");
        if (zeros && gain) numbers.at(name).span<double>()[1] = numbers.at(name).span<double>()[4] = 0;
      }
      const std::vector<double> expected = forward(numbers);
      const FoundArchitecture found = found_of(numbers, config);
      const Folded folded = fold(found, read_windows(found.files, of(numbers)));
      CHECK(folded.done.size() > 4);
      CHECK(error(forward(file_of(folded.files, folded.weights)), expected) < 1e-10);
      check_again(folded, with(config, folded.config), one->name);
      const int s = folded.files.space.find_factor("s");
      CHECK((folded.files.space.factors()[static_cast<std::size_t>(s)].kind == FactorKind::orthogonal) == one->rotates);
      for (std::uint64_t seed = 0; seed < 3; ++seed)
        CHECK(error(forward(moved(folded.files, folded.weights, folded.files.space, seed)), expected) < 1e-10);
      if (!one->rotates) continue;
      // Near misses: any matrix on the stream, or, of a LayerNorm's, one that does not keep the vector of ones.
      std::string text = folded.files.text.str();
      const auto replace_all = [&](const std::string& from, const std::string& to) {
        for (std::size_t at; (at = text.find(from)) != std::string::npos;) text.replace(at, from.size(), to);
      };
      if (text.find('~') != std::string::npos) {
        replace_all("~s + bias", "s");
        replace_all("~s", "s");
        replace_all("s: orthogonal(11)", "s: orthogonal(12)");
      } else {
        replace_all("s: orthogonal", "s: GL");
      }
      const FileSpace near = FileSpace::parse(text);
      const Numbers file = file_of(folded.files, folded.weights);
      CHECK(error(forward(moved(near, read_windows(near, of(file)), near.space, 0)), expected) > 1e-3);
    }
  }
}

TEST_CASE("fold: a tied network gets a head of its own, and its config says so") {
  for (const auto& path : golden_networks()) {
    if (path.stem() != "gpt2") continue;
    const Golden golden(path);
    const FoundArchitecture found = found_of(golden.numbers, *golden.json.find("config"));
    const std::vector<Tensor> weights = read_windows(found.files, of(golden.numbers));
    const Folded folded = fold(found, weights);
    CHECK(folded.done[0] == "lm_head.weight no copy of transformer.wte.weight any more");
    CHECK(folded.config == std::map<std::string, Json>{{"tie_word_embeddings", Json(false)}});
    CHECK(folded.files.space.find_tensor("lm_head.weight") >= 0);
    CHECK(folded.files.space.find_tensor("transformer.ln_f.weight") < 0);
    // The norm's bias is what its reader, which has none, adds.
    CHECK(folded.files.space.find_tensor("lm_head.weight.bias") >= 0);
    CHECK(same(weights, read_windows(found.files, of(golden.numbers))));
  }
}

TEST_CASE("fold: networks of float32 to their rounding") {
  for (const auto& path : golden_networks()) {
    const Case* one = case_of(path);
    if (!one) continue;
    CAPTURE(path.string());
    const Golden golden(path);
    Numbers numbers, back;
    for (const auto& [name, t] : golden.numbers) numbers.emplace(name, cast(t, DType::f32));
    const FoundArchitecture found = found_of(numbers, *golden.json.find("config"));
    const Folded folded = fold(found, read_windows(found.files, of(numbers)));
    for (const auto& [name, t] : file_of(folded.files, folded.weights)) back.emplace(name, cast(t, DType::f64));
    CHECK(error(forward_of(golden, one->name)(back), flat(*golden.json.find("output"))) < 1e-4);
  }
}

TEST_CASE("fold: every text with numbers drawn, twice") {
  // Of what is tied otherwise, and not by a fold, the stream keeps its signs.
  const std::map<std::string, int> rotating = {{"gpt2", 1},
                                               {"gpt_neox", 1},
                                               {"gptj", 1},
                                               {"llama", 1},
                                               {"gemma", 1},
                                               {"mixtral", 1},
                                               {"phi3", 1},
                                               {"mixtral_stacked", 1},
                                               {"qwen3", 1},
                                               {"vit", 1},
                                               {"clip", 2},
                                               {"deepseek", 5},
                                               {"opt", 1},
                                               {"falcon", 1},
                                               {"stablelm", 1},
                                               {"starcoder2", 1},
                                               {"whisper", 1},
                                               {"vit_torchvision", 1},
                                               {"small_transformer", 5}};
  int folds = 0;
  for (const TinyArchitecture& sample : tiny_architectures) {
    CAPTURE(std::string(sample.name));
    const Json config = Json::parse(sample.config);
    const FileSpace expanded = weft::testing::expanded(sample);
    if (expanded.text.folds.empty()) {
      CHECK(!expanded.text.unfolded.empty());
      continue;
    }
    ++folds;
    Numbers numbers = drawn(expanded, RandomKey(3, sample.name), DType::f64);
    for (auto& [name, t] : numbers)
      if (name.ends_with("running_var"))
        for (double& x : t.span<double>()) x = 0.5 + x * x;
    const FoundArchitecture found = found_of(numbers, config, architecture_text(sample.name));
    const Folded folded = fold(found, read_windows(found.files, of(numbers)));
    CHECK(!folded.done.empty());
    CHECK(FileText::parse(folded.files.text.str()).str() == folded.files.text.str());
    check_again(folded, with(config, folded.config), sample.name);
    int orthogonal = 0;
    for (const Factor& f : folded.files.space.factors()) orthogonal += f.kind == FactorKind::orthogonal;
    CHECK(orthogonal == (rotating.contains(sample.name) ? rotating.at(sample.name) : 0));
  }
  CHECK(folds >= 40);
}
