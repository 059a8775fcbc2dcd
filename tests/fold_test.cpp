// Folds (spec 8.9): they keep what networks compute, and so do elements of the groups of folded networks.

#include "weft/networks/files/fold.h"

#include <algorithm>
#include <cstring>

#include "weft/networks/files/folded_text.h"
#include "weft/tests/disk.h"
#include "weft/tests/random_space.h"
#include "weft/tests/reference_forward.h"
#include "weft/tests/tiny_architectures.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Forward = std::function<std::vector<double>(const Numbers&)>;

void append(std::vector<double>& out, const Rows& rows) {
  for (const auto& row : rows) out.insert(out.end(), row.begin(), row.end());
}

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
double error(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  Difference difference;
  difference.add(a, b);
  return difference.relative();
}

FoundArchitecture found_of(const Numbers& numbers, const Json& config,
                           const std::optional<ArchitectureText>& text = {}) {
  std::vector<StoredTensor> tensors;
  for (const auto& [name, t] : numbers) tensors.push_back({name, t.shape()});
  return text ? found_architecture({tensors, config}, std::span(&*text, 1)) : found_architecture({tensors, config});
}

Numbers file_of(const FileSpace& files, const std::vector<Tensor>& weights) {
  Numbers out;
  for (const FileEntry& file : files.files)
    for (const std::string& name : file.names) out.emplace(name, Tensor::zeros(file.shape, weights[0].dtype()));
  write_windows(files, weights, of(out));
  return out;
}

Numbers moved(const FileSpace& files, const std::vector<Tensor>& weights, const Space& space, std::uint64_t seed) {
  const Element g = Element::random(space, RandomKey(seed, "folded"));
  return file_of(files, act(Element(files.space, {g.parts().begin(), g.parts().end()}), weights));
}

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

TEST_CASE("fold: a copy that no branch of the text has as a tensor of its own is told") {
  const ArchitectureText own{"own", R"(s: permutation(3); vocab: fixed(4)
    wte = head [vocab, s]
    fold untie head)"};
  const std::vector<StoredTensor> tensors{{"wte", {4, 3}}};
  CHECK(message_of<FormatError>([&] { found_architecture({tensors}, std::span(&own, 1)); }) ==
        "[architecture] the file has the tensors of 'own', but its fold unties 'head', which is a copy on the other "
        "side of the condition, too");
}

TEST_CASE("fold: biases of recurrent networks") {
  for (const int gates : {4, 3}) {
    const char* name = gates == 4 ? "lstm" : "gru";
    const Json config = Json::parse(
        R"({"num_layers": 2, "bidirectional": true, "headed": true, "hidden_size": 5, "input_size": 3, "outputs": 2})");
    const FileSpace expanded = FileSpace::parse(architecture_text(name).parsed().expanded(config).text);
    const Numbers numbers = drawn(expanded, RandomKey(1, name), DType::f64);
    Rows x(6, std::vector<double>(3));
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t i = 0; i < 3; ++i) x[t][i] = normal(RandomKey(2, "steps"), 3 * t + i);
    std::vector<double> expected, output;
    append(expected, recurrent_forward(numbers, x, 2));
    const FoundArchitecture found = found_of(numbers, config, architecture_text(name));
    const Folded folded = fold(found, read_windows(found.files, of(numbers)));
    Numbers file = file_of(folded.files, folded.weights);
    append(output, recurrent_forward(file, x, 2));
    CHECK(error(output, expected) < 1e-10);
    const auto left = file.at("rnn.bias_hh_l0").span<double>();
    for (std::size_t i = 0; i < left.size(); ++i) CHECK((left[i] == 0) == (gates == 4 || i < 10));
    // Of a GRU's third gate the two biases are not one.
    if (gates == 4) continue;
    for (std::size_t i = 10; i < 15; ++i) {
      file.at("rnn.bias_ih_l0").span<double>()[i] += left[i];
      left[i] = 0;
    }
    output.clear();
    append(output, recurrent_forward(file, x, 2));
    CHECK(error(output, expected) > 1e-3);
  }
}

TEST_CASE("fold: batch norms of a text of one's own, with and without a bias in front, and of groups") {
  for (const auto& [biased, grouped] : {std::pair(true, false), {false, false}, {true, true}, {false, true}}) {
    std::string text = R"(GROUPS; out: fixed(2)
      conv.weight [(G t), 3, 2, 2]
      conv.bias? [(G t)]
      bn.weight [(G c&t*)]
      bn.bias [(G c)]
      bn.running_mean [(G t)]
      bn.running_var [(G c^0)]
      head.weight [out, (G c*)]
      fold batch_norm bn into conv.weight eps 0.001)";
    const auto replace_all = [&](const std::string& from, const std::string& to) {
      for (std::size_t at; (at = text.find(from)) != std::string::npos;) text.replace(at, from.size(), to);
    };
    replace_all("GROUPS", grouped ? "g: permutation(2); c: positive_monomial(2) per g; t: monomial(2) along c"
                                  : "c: positive_monomial(4); t: monomial(4) along c");
    replace_all("(G ", grouped ? "(g " : "(");
    const ArchitectureText own{"own", text};
    Numbers numbers = drawn(FileSpace::parse(own.parsed().expanded(Json(Json::Object{})).text),
                            RandomKey(5, "batch norm"), DType::f64);
    if (!biased) numbers.erase("conv.bias");
    for (double& x : numbers.at("bn.running_var").span<double>()) x = 0.5 + x * x;
    numbers.at("bn.weight").span<double>()[2] = 0;
    Rows x(7, std::vector<double>(12));
    for (std::size_t i = 0; i < 84; ++i) x[i / 12][i % 12] = normal(RandomKey(6, "patches"), i);
    const auto forward = [&](const Numbers& n) {
      const ReferenceNetwork net(n);
      Rows y = net.linear(x, "conv");
      for (auto& row : y)
        for (std::size_t c = 0; c < 4; ++c) {
          const auto at = [&](const char* name) { return net.vector(std::string("bn.") + name)[c]; };
          row[c] = (row[c] - at("running_mean")) / std::sqrt(at("running_var") + 0.001) * at("weight") + at("bias");
        }
      std::vector<double> out;
      append(out, net.linear(each_number(y, [](double v) { return std::max(v, 0.0); }), "head"));
      return out;
    };
    const std::vector<double> expected = forward(numbers);
    const FoundArchitecture found = found_of(numbers, Json(Json::Object{}), own);
    const Folded folded = fold(found, read_windows(found.files, of(numbers)));
    CHECK(folded.done == std::vector<std::string>{"batch norm bn into conv.weight"});
    const Numbers file = file_of(folded.files, folded.weights);
    CHECK(error(forward(file), expected) < 1e-10);
    CHECK(file.at("bn.weight").span<double>()[2] == 1);
    CHECK(folded.files.space.find_factor("t") < 0);
    CHECK(fold(found, read_windows(found.files, of(file))).done.empty());
    for (std::uint64_t seed = 0; seed < 3; ++seed)
      CHECK(error(forward(moved(folded.files, folded.weights, folded.files.space, seed)), expected) < 1e-10);
  }
}

TEST_CASE("fold: a norm into a reader whose rows are its stream's, too") {
  const ArchitectureText own{"own", R"(s: permutation(5); n: monomial(5) along s; o: fixed(3)
    in.weight [s, o]
    norm.weight [n]
    norm.bias [n]
    mix.weight [s, n*]
    mix.bias [s]
    out.weight [o, s*]
    fold layer_norm norm)"};
  const Numbers numbers =
      drawn(FileSpace::parse(own.parsed().expanded(Json(Json::Object{})).text), RandomKey(4, "square"), DType::f64);
  const auto forward = [](const Numbers& n) {
    const ReferenceNetwork net(n);
    std::vector<double> out;
    const Rows x = net.layer_norm(net.linear({{1, 2, -1}, {0.5, -3, 2}}, "in"), "norm", 1e-5);
    append(out, net.linear(each_number(net.linear(x, "mix"), [](double v) { return std::tanh(v); }), "out"));
    return out;
  };
  const FoundArchitecture found = found_of(numbers, Json(Json::Object{}), own);
  const Folded folded = fold(found, read_windows(found.files, of(numbers)));
  CHECK(error(forward(file_of(folded.files, folded.weights)), forward(numbers)) < 1e-10);
  for (std::uint64_t seed = 0; seed < 3; ++seed)
    CHECK(error(forward(moved(folded.files, folded.weights, folded.files.space, seed)), forward(numbers)) < 1e-10);
}

TEST_CASE("fold: a file that is not folded is none of the folded text") {
  const ArchitectureText own{"own", R"(s: permutation(5); n: monomial(5) along s; o: fixed(2)
    in.weight [o, s]
    norm.weight [n]
    norm.bias [n]
    out.weight [o, n*]
    fold layer_norm norm
    fold centred_stream s)"};
  Numbers numbers =
      drawn(FileSpace::parse(own.parsed().expanded(Json(Json::Object{})).text), RandomKey(8, "own"), DType::f64);
  ArchitectureText folded_own = own;
  folded_own.folded = true;
  const FoundArchitecture found = found_of(numbers, Json(Json::Object{}), folded_own);
  CHECK(found.files.text.str() ==
        "s: orthogonal(4)\no: fixed(2)\nin.weight [o, ~s]\nnorm.weight := 1 [5]\nnorm.bias := 1 [5]\n"
        "out.weight [o, ~s + bias]\n");
  const auto refusal = [&] { return message_of<FormatError>([&] { read_windows(found.files, of(numbers)); }); };
  CHECK(refusal().find("[architecture] tensor 'norm.weight' holds ") == 0);
  for (const char* name : {"norm.weight", "norm.bias"}) numbers.at(name).fill(1);
  CHECK(refusal() ==
        "[architecture] tensor 'in.weight' has axes whose sums are not 0, as those of a folded network are; fold the "
        "network first");
  numbers.at("in.weight").fill(0);
  CHECK(refusal() == "no error");
}

TEST_CASE("fold: refusals, word for word") {
  const std::pair<const char*, const char*> texts[] = {
      {"h: fixed(2) w [h] fold turn w",
       "[architecture] line 1, column 24: expected a fold: untie, layer_norm, rms_norm, batch_norm, zero, move, mean, "
       "centre, stream, centred_stream, found 'turn w'"},
      {"h: fixed(2) w [h] fold zero v", "[architecture] 'fold zero v': the text has no 'v'"},
      {"h: fixed(2) w [h] fold centre w over g", "[architecture] 'fold centre w over g': the text has no 'g'"},
      {"h: fixed(2) w [h] fold move w",
       "[architecture] line 1, column 30: expected 'into' and a tensor in 'fold move', found 'end'"},
      {"h: fixed(2) w [h] fold stream w", "[architecture] 'fold stream w': the text has no 'w'"},
      {"h: fixed(2) w [h] fold rms_norm w", "[architecture] 'fold rms_norm w': the text has no 'w'"},
  };
  // The places of a batch norm are the rows that it is moved into.
  const char* rows = R"(g: fixed(2); c: permutation(3); t: monomial(3) along c
    w [(g t), 4] bn.weight [c&t*] fold batch_norm bn into w eps 0.001)";
  CHECK(message_of<ParseError>([&] { folded_text(FileText::parse(rows)); }) ==
        "[architecture] 'fold batch_norm bn into w eps 0.001': the rows of 'w' are not the places of 'bn.weight'");
  // What is said beside tensors is printed, too; of the folded network what is taken for granted.
  const std::string remarks = "h: fixed(2)\nw [h]\nfold zero w\nnote \"all, # of it\"\nunfolded \"a norm\"\n";
  CHECK(FileText::parse(remarks).str() == remarks);
  CHECK(folded_text(FileText::parse(remarks)).str() == "h: fixed(2)\nw [h]\nnote \"all, # of it\"\n");
  CHECK(FileText::parse("h: fixed(2) note [h] \"unfolded\" w [h]").tensors.size() == 3);
  // In quotes, or with axes, the word is a tensor's name, and is printed so that it stays one.
  const FileText named = FileText::parse("h: fixed(2) \"fold\" w [h]");
  CHECK(named.tensors.size() == 2);
  CHECK(FileText::parse(named.str()).tensors.size() == 2);
  CHECK(FileText::parse("h: fixed(2) fold [h] w [h]").tensors.size() == 2);
  for (const auto& [text, message] : texts)
    CHECK_MESSAGE(message_of<ParseError>([&] { FileSpace::parse(text); }) == message, text);
  CHECK(message_of<ParseError>([] { folded_text(FileText::parse("s: sign_monomial(2) w [s^0] fold stream s")); }) ==
        "[architecture] 'fold stream s': tensor 'w' is scaled along 's', so that this cannot rotate");
  CHECK(message_of<ParseError>(
            [] { folded_text(FileText::parse("s: sign_monomial(2) w.weight [s] fold rms_norm w")); }) ==
        "[architecture] 'fold rms_norm w': tensor 'w.weight' is no norm's weight; allowed: one axis, of a factor along "
        "another");
}
