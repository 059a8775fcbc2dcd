// Folds (spec 8.9) that texts of one's own ask for, and what of a text is refused.

#include <algorithm>

#include "weft/networks/files/fold.h"
#include "weft/networks/files/folded_text.h"
#include "weft/tests/disk.h"
#include "weft/tests/fold_checks.h"
#include "weft/tests/random_space.h"

using namespace weft;
using namespace weft::testing;

namespace {

const Json no_config(Json::Object{});

/// The numbers of a network of a text that needs no config.
Numbers drawn_of(const ArchitectureText& text, RandomKey key) {
  return drawn(FileSpace::parse(text.parsed().expanded(no_config).text), key, DType::f64);
}

}  // namespace

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
    Numbers numbers = drawn_of(own, RandomKey(5, "batch norm"));
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
    const FoundArchitecture found = found_of(numbers, no_config, own);
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
  const Numbers numbers = drawn_of(own, RandomKey(4, "square"));
  const auto forward = [](const Numbers& n) {
    const ReferenceNetwork net(n);
    std::vector<double> out;
    const Rows x = net.layer_norm(net.linear({{1, 2, -1}, {0.5, -3, 2}}, "in"), "norm", 1e-5);
    append(out, net.linear(each_number(net.linear(x, "mix"), [](double v) { return std::tanh(v); }), "out"));
    return out;
  };
  const FoundArchitecture found = found_of(numbers, no_config, own);
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
  Numbers numbers = drawn_of(own, RandomKey(8, "own"));
  ArchitectureText folded_own = own;
  folded_own.folded = true;
  const FoundArchitecture found = found_of(numbers, no_config, folded_own);
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
