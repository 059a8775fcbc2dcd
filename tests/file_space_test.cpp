// Windows of files (spec 8.6): against golden files of another implementation, and on random texts.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "weft/tests/architecture_files.h"
#include "weft/tests/disk.h"
#include "weft/tests/random_space.h"

using namespace weft;
using namespace weft::testing;

namespace {

/// A product of factors, numbers and alternatives with labels of their own.
std::string random_product(Draw& draw, const std::vector<std::string>& axes, int depth, int& label) {
  std::string text;
  for (std::int64_t atoms = 1 + draw.below(2); atoms > 0; --atoms) {
    text += text.empty() ? "" : " ";
    if (draw.chance(0.2)) {
      text += std::to_string(1 + draw.below(3));
    } else if (depth < 2 && draw.chance(0.4)) {
      std::string choice;
      for (std::int64_t k = 1 + draw.below(3); k > 0; --k)
        choice += (choice.empty() ? "" : " | ") + fmt::format("l{}: ", label++) +
                  random_product(draw, axes, depth + 1, label);
      text += "(" + choice + ")";
    } else {
      text += draw.of(axes);
    }
  }
  return text;
}

std::string random_text(RandomKey key) {
  Draw draw(key);
  const std::vector<std::string> axes = {"a", "a*", "b^0", "b&c*", "o", "v", "c^-2"};
  std::string text =
      fmt::format("a: permutation({}); b: sign_monomial({}); c: monomial({}) along b; v: GL({}); o: fixed({})\n",
                  1 + draw.below(3), 2, 2, 1 + draw.below(2), 1 + draw.below(3));
  int label = 0;
  for (std::int64_t t = 0, count = 1 + draw.below(3); t < count; ++t) {
    text += fmt::format("{}.w{}", draw.below(3), t) + (draw.chance(0.2) ? "?" : "") + (draw.chance(0.2) ? " + 1" : "");
    if (draw.chance(0.2)) text += fmt::format(" = t{}", t);
    std::string own;
    for (std::int64_t k = draw.below(3); k > 0; --k)
      own += (own.empty() ? "" : ", ") + random_product(draw, axes, 0, label);
    text += own.empty() ? "\n" : " [" + own + "]\n";
  }
  return text;
}

}  // namespace

TEST_CASE("files: windows and moved copies are those of the golden files") {
  for (const auto& path : golden_networks()) {
    CAPTURE(path.string());
    const Golden golden(path);
    golden.check(FileSpace::parse(*golden.json.find("space")->text()).present([&](const std::string& name) {
      return golden.numbers.contains(name);
    }));
  }
}

TEST_CASE("files: the windows of 2000 random texts tile their tensors, and numbers come back to the bit") {
  int read = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const std::string text = random_text(RandomKey(seed, "file text"));
    CAPTURE(text);
    FileSpace files;
    try {
      files = FileSpace::parse(text);
    } catch (const ParseError& error) {
      CHECK(std::string(error.what()).find(" axes; allowed: up to 6") != std::string::npos);
      continue;
    }
    ++read;
    CHECK(FileSpace::parse(files.text.str()).windows == files.windows);
    CHECK(FileText::parse(files.text.str()).str() == files.text.str());
    CHECK(Space::parse(files.space.str()) == files.space);
    // Numbers that say where they stand: each in one window, at its place.
    std::vector<std::vector<int>> covered;
    for (const FileEntry& file : files.files) covered.emplace_back(static_cast<std::size_t>(file.shape.numel()));
    for (const Window& window : files.windows) {
      std::vector<std::int64_t> places{window.offset};
      for (const WindowAxis& axis : window.axes) {
        std::vector<std::int64_t> next;
        for (const std::int64_t place : places)
          for (std::int64_t i = 0; i < axis.size; ++i) next.push_back(place + i * axis.stride);
        places = std::move(next);
      }
      for (const std::int64_t place : places)
        ++covered[static_cast<std::size_t>(window.file)].at(static_cast<std::size_t>(place));
    }
    for (const auto& tensor : covered)
      for (const int times : tensor) CHECK(times == 1);
    const DType dtype = seed % 2 ? DType::f32 : DType::f64;
    const Numbers before = drawn(files, RandomKey(seed, "numbers"), dtype);
    Numbers after;
    for (const auto& [name, tensor] : before) after.emplace(name, Tensor::zeros(tensor.shape(), dtype));
    write_windows(files, read_windows(files, of(before)), of(after));
    for (const FileEntry& file : files.files) {
      const Tensor &a = before.at(file.names[0]), &b = after.at(file.names[0]);
      CHECK((file.plus ? largest_difference(a, b) < 1e-5 : std::memcmp(a.raw(), b.raw(), a.bytes()) == 0));
      for (const std::string& tie : file.ties) CHECK(std::memcmp(after.at(tie).raw(), b.raw(), b.bytes()) == 0);
    }
  }
  CHECK(read > 1500);
}

TEST_CASE("files: a text of a space means what it meant, taps first in the file") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Space space = random_space(RandomKey(seed, "space as file"));
    CHECK_MESSAGE(FileSpace::parse(space.str()).space == space, space.str());
  }
  const FileSpace files = FileSpace::parse("h: GL(2); i: fixed(3) W[h, i*; taps=2x5]");
  CHECK(files.files[0].shape == Shape{10, 2, 3});
  CHECK(files.windows[0].axes == std::vector<WindowAxis>{{10, 6}, {2, 3}, {3, 1}});
}

TEST_CASE("files: a tensor for each place of a factor, and numbers that a file lacks 1 of") {
  const FileSpace files = FileSpace::parse("e: permutation(2); f: monomial(3) per e\nx.{e}.w [f, 2]\nnorm + 1 [4]");
  CHECK(files.space.str() ==
        "e: permutation(2); f: monomial(3) per e; fixed.2: fixed(2); fixed.4: fixed(4) x.x.e.w[e, f, fixed.2] "
        "norm[fixed.4]");
  CHECK(files.files[0].names == std::vector<std::string>{"x.0.w", "x.1.w"});
  CHECK(files.windows[0].axes == std::vector<WindowAxis>{{2, 0}, {3, 2}, {2, 1}});
  const Numbers numbers = drawn(files, RandomKey(0, "places"), DType::f64);
  const std::vector<Tensor> weights = read_windows(files, of(numbers));
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(weights[0].span<double>()[6 + i] == numbers.at("x.1.w").span<double>()[i]);
    if (i < 4) CHECK(weights[1].span<double>()[i] == numbers.at("norm").span<double>()[i] + 1);
  }
}

TEST_CASE("files: names of tensors become names of terms, each another") {
  CHECK(space_name("h.0.attn.weight") == "h.0.attn.weight");
  CHECK(space_name("0.weight") == "x.0.weight");
  CHECK(space_name("x.0.weight") == "x.x.0.weight");
  CHECK(space_name("per") == "x.per");
  CHECK(space_name("_a") == "x._a");
  CHECK(space_name("a-b") == "a_x2db");
  CHECK(space_name("a_x2db") == "a_x5fx2db");
  std::map<std::string, std::string> known;
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    Draw draw(RandomKey(seed, "names"));
    std::string name;
    for (std::int64_t n = 1 + draw.below(6); n > 0; --n) name += draw.of(std::string("x.0_2d-5f /a"));
    const auto [at, fresh] = known.emplace(space_name(name), name);
    CHECK_MESSAGE((fresh || at->second == name), name << " and " << at->second);
    CHECK(Space::parse("o: fixed(1) " + space_name(name) + "[o]").find_tensor(space_name(name)) == 0);
  }
}

TEST_CASE("files: axes of vectors whose sum is 0 or a tensor of its own come back from a basis of theirs") {
  // Beside fixed places, within products and alternatives, for each place of a factor, on two axes.
  const FileSpace files = FileSpace::parse(R"(s: orthogonal(6); h: permutation(2); q: GL(3) per h; e: permutation(2)
    a [4, ~s]
    b [~s, (q: h q | o: ~s)]
    c [(h q), ~s + bias, 2]
    x.{e}.d [~s + sum]
    "one" + 1 := 1 [3])");
  CHECK(files.space.str() ==
        "s: orthogonal(6); h: permutation(2); q: GL(3) per h; e: permutation(2); fixed.4: fixed(4); fixed.2: fixed(2) "
        "a[fixed.4, s] b.q[s, h, q] b.o[s, s] c[h, q, s, fixed.2] c.bias[h, q, fixed.2] x.x.e.d[e, s] x.x.e.d.sum[e]");
  CHECK(files.files[0].shape == Shape{4, 7});
  CHECK(files.files[1].shape == Shape{7, 13});
  CHECK(FileText::parse(files.text.str()).str() == files.text.str());
  for (const DType dtype : {DType::f64, DType::f32}) {
    const double small = dtype == DType::f64 ? 1e-14 : 1e-5;
    std::vector<Tensor> weights;
    for (int t = 0; t < static_cast<int>(files.windows.size()); ++t) {
      weights.push_back(Tensor::zeros(files.space.feature_shape(t, 1, 1), dtype));
      fill_normal(weights.back(), RandomKey(1, "basis").at(static_cast<std::uint64_t>(t)));
    }
    Numbers numbers = drawn(files, RandomKey(2, "basis"), dtype);
    write_windows(files, weights, of(numbers));
    const std::vector<Tensor> back = read_windows(files, of(numbers));
    for (std::size_t t = 0; t < weights.size(); ++t) CHECK(largest_difference(back[t], weights[t]) < small);
    for (const char* name : {"a", "b", "c", "x.0.d", "x.1.d", "one"}) {
      const Numbers before{{name, numbers.at(name).clone()}};
      write_windows(files, back, of(numbers));
      CHECK_MESSAGE(largest_difference(before.at(name), numbers.at(name)) < small, name);
    }
    with_float(dtype, "test", [&]<class T>(T) {
      // The basis is orthonormal: a row is as long as its coordinates. Its sum is 0, or what the other window says.
      double sum = 0, square = 0, own = 0, bias = 0;
      for (std::size_t i = 0; i < 7; ++i) {
        sum += static_cast<double>(numbers.at("a").span<T>()[i]);
        square += std::pow(static_cast<double>(numbers.at("a").span<T>()[i]), 2);
        bias += static_cast<double>(numbers.at("c").span<T>()[2 * i + 1]);
      }
      for (std::size_t i = 0; i < 6; ++i) own += std::pow(static_cast<double>(weights[0].span<T>()[i]), 2);
      CHECK(std::abs(sum) < small);
      CHECK(std::abs(square - own) < 10 * small);
      CHECK(std::abs(bias - static_cast<double>(weights[4].span<T>()[1])) < 10 * small);
      for (const T x : numbers.at("one").span<T>()) CHECK(x == 0);
      numbers.at("c").span<T>()[0] += 1;
      numbers.at("b").span<T>()[5] += static_cast<T>(1e-2);
    });
    CHECK(message_of<FormatError>([&] { read_windows(files, of(numbers)); }) ==
          "[architecture] tensor 'b' has axes whose sums are not 0, as those of a folded network are; fold the network "
          "first");
  }
}

TEST_CASE("files: every refusal, word for word") {
  const std::pair<const char*, const char*> cases[] = {
      {"h: fixed(2)", "[architecture] line 1, column 12: expected at least one tensor, found 'end'"},
      {"h: fixed(2)\nw [h, g]",
       "[architecture] line 2, column 7: expected a declared factor as axis of tensor 'w', found 'g]'"},
      {"h: fixed(2) w [(a: h | )]",
       "[architecture] line 1, column 24: expected a declared factor as axis of tensor 'w', found ')]'"},
      {"h: fixed(2) w [(a: h | b: h]", "[architecture] line 1, column 28: expected ')' behind alternatives, found ']'"},
      {"h: fixed(2) w? + [h]",
       "[architecture] line 1, column 18: expected a number that the file's numbers lack, found '[h]'"},
      {"h: fixed(2) w = [h]", "[architecture] line 1, column 17: expected a name of a copy, found '[h]'"},
      {"h: fixed(2) \"w [h]",
       "[architecture] line 1, column 13: expected a text in quotes of a factor or tensor, found '\"w [h]'"},
      {"h: fixed(2) w [h]\nw [h]", "[architecture] tensor 'w' stands twice in the text"},
      {"h: fixed(2) w = v [h]\nv [h]", "[architecture] tensor 'v' stands twice in the text"},
      {"h: fixed(2) w [(h | h)]", "[space] tensor 'w' is declared twice"},
      {"h: fixed(2) w.{g} [h]", "[architecture] tensor 'w.{g}' names 'g', which is no factor"},
      {"h: GL(2) w.{h} [3]",
       "[architecture] tensor 'w.{h}' is one for each place of h: GL(2); allowed: up to 65536 places of its own"},
      {"h: fixed(2) w.{h} = v [3]",
       "[architecture] tensor 'w.{h}' is one for each place of 'h'; allowed: no copies of it"},
      {"h: fixed(2) w [h h h h h h h]", "[architecture] tensor 'w' has 7 axes; allowed: up to 6"},
      {"h: fixed(2) w [0]", "[architecture] tensor 'w' has an axis of 0 places; allowed: 1 to 2147483647"},
      {"h: fixed(0) w [h]", "[space] factor 'h' has size 0; allowed: 1 to 2147483647"},
      {"h: fixed(2147483647) w [h h h]", "[architecture] tensor 'w' is too large; allowed: fewer than 2^60 numbers"},
      {"h: fixed($(labels)) w [h]",
       "[architecture] factor 'h' has labels places, which is no number yet; give labels in the network's config"},
      {"h: fixed(2) fixed.3: fixed(4) w [3]",
       "[architecture] tensor 'w': an axis of 3 places needs a factor 'fixed.3', which is fixed(4); rename that one"},
      {"a: fixed(2) w [(b: a|c: a|d: a|e: a)(f: a|g: a|h: a|i: a)(j: a|k: a|l: a|m: a)(n: a|o: a|p: a|q: a)(r: a|s: "
       "a|t: a|u: a)(v: a | x: a)]",
       "[architecture] tensor 'w' has 2048 windows; allowed: up to 1024"},
  };
  for (const auto& [text, message] : cases)
    CHECK_MESSAGE(message_of<ParseError>([&] { FileSpace::parse(text); }) == message, text);
  CHECK(message_of<ParseError>([&] {
          FileSpace::parse("h: fixed(65536) " + std::string(300, 'w') + "{h} [3]");
        }).find("all names together have 19857408 characters; allowed: up to 16777216") != std::string::npos);
  CHECK(message_of<ParseError>([&] { FileSpace::parse("h: fixed(2) w [h h h h h h h h h h]"); }) ==
        "[architecture] tensor 'w' has more than 6 axes; allowed: up to 6");
  std::string deep = "h: fixed(2) w [";
  for (int i = 0; i < 17; ++i) deep += "(";
  CHECK(message_of<ParseError>([&] { FileSpace::parse(deep + "h"); }).find("parentheses more than 16 deep") !=
        std::string::npos);
}

TEST_CASE("files: mangled texts are refused or read as they print") {
  int read = 0;
  for (std::uint64_t seed = 0; seed < 10000; ++seed) {
    Draw draw(RandomKey(seed, "mangled file"));
    const std::string text = mangled(random_text(RandomKey(seed, "file text")), draw);
    try {
      const FileSpace files = FileSpace::parse(text);
      CHECK_MESSAGE(FileSpace::parse(files.text.str()).windows == files.windows, text);
      ++read;
    } catch (const ParseError&) {}
  }
  CHECK(read > 500);
  CHECK(read < 9000);
}

TEST_CASE("files: tensors that are none of the text are named") {
  const FileSpace files = FileSpace::parse("h: permutation(2); o: fixed(3) w = v [h, o]\nb? [h]");
  Numbers numbers = drawn(files, RandomKey(0, "refused"), DType::f64);
  const auto error = [&] { return message_of<FormatError>([&] { read_windows(files, of(numbers)); }); };
  CHECK(error() == "no error");
  numbers.at("v").span<double>()[0] += 1;
  CHECK(error() == "[architecture] tensor 'v' is tied to 'w' and holds other numbers");
  numbers.erase("v");
  CHECK(error() == "no error");
  numbers.at("w") = Tensor::zeros({3, 2}, DType::f64);
  CHECK(error() == "[architecture] tensor 'w' is [3, 2]; the architecture has [2, 3]");
  numbers.at("w") = Tensor::zeros({2, 3}, DType::i32);
  CHECK(error() == "[architecture] tensor 'w' is int32; allowed: float32, float64");
  numbers.at("w") = Tensor::zeros({2, 3}, DType::f32);
  numbers.erase("b");
  CHECK(error() == "[architecture] the file has no tensor 'b'");
  const FileSpace without = files.present([&](const std::string& name) { return numbers.contains(name); });
  CHECK(without.space.str() == "h: permutation(2); o: fixed(3) w[h, o]");
  CHECK(without.files[0].ties.empty());
  CHECK_THROWS_WITH_AS(write_window(without, 0, Tensor::zeros({1, 1, 2, 3}, DType::f64), of(numbers)),
                       "[architecture] weights of 'w' are float64 [1, 1, 2, 3]; allowed: float32 [1, 1, 2, 3]",
                       ShapeError);
}
