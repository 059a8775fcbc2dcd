// Windows of files (spec 8.6): against golden files of another implementation, and on random texts.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/groups/element.h"
#include "weft/io/json.h"
#include "weft/networks/files/window_copy.h"
#include "weft/ops/act.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/random_space.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Numbers = std::map<std::string, Tensor>;

FileNumbers of(const Numbers& numbers) {
  return [&numbers](const std::string& name) {
    const auto at = numbers.find(name);
    return at == numbers.end() ? Tensor() : at->second;
  };
}

/// The float64 tensors of a safetensors file. Counters of other dtypes are no weights.
Numbers read(const std::filesystem::path& path) {
  Numbers out;
  const std::string bytes = read_text(path);
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), 8);
  const Json header = Json::parse(std::string_view(bytes).substr(8, size));
  for (const auto& [name, entry] : *header.object()) {
    const Json* dtype = entry.find("dtype");
    if (!dtype || *dtype->text() != "F64") continue;
    Shape shape;
    for (const Json& n : *entry.find("shape")->list()) shape.push_back(*n.whole());
    const Tensor t = Tensor::zeros(shape, DType::f64);
    std::memcpy(t.raw(), bytes.data() + 8 + size + *(*entry.find("data_offsets")->list())[0].natural(), t.bytes());
    out.emplace(name, t);
  }
  return out;
}

/// Numbers drawn for every tensor of a file.
Numbers drawn(const FileSpace& files, RandomKey key, DType dtype) {
  Numbers out;
  for (const FileTensor& file : files.files)
    for (const std::string& name : file.names) {
      const Tensor t = Tensor::zeros(file.shape, dtype);
      fill_normal(t, key.at(static_cast<std::uint64_t>(out.size())));
      out.emplace(name, t);
      for (const std::string& tie : file.ties) out.emplace(tie, t.clone());
    }
  return out;
}

std::vector<double> flat(const Json& json) {
  std::vector<double> out;
  if (const auto number = json.number()) return {*number};
  for (const Json& item : *json.list())
    for (const double x : flat(item)) out.push_back(x);
  return out;
}

/// The element of a golden file. Matrices come without inverses: those of small ones are exact enough by elimination.
std::vector<double> inverses(const std::vector<double>& matrices, std::int64_t n) {
  std::vector<double> out(matrices.size());
  const auto size = static_cast<std::size_t>(n);
  for (std::size_t first = 0; first < matrices.size(); first += size * size) {
    std::vector<double> a(matrices.begin() + static_cast<std::ptrdiff_t>(first),
                          matrices.begin() + static_cast<std::ptrdiff_t>(first + size * size));
    double* b = out.data() + first;
    for (std::size_t i = 0; i < size; ++i) b[i * size + i] = 1;
    for (std::size_t k = 0; k < size; ++k) {
      std::size_t pivot = k;
      for (std::size_t i = k; i < size; ++i)
        if (std::abs(a[i * size + k]) > std::abs(a[pivot * size + k])) pivot = i;
      for (std::size_t j = 0; j < size; ++j) {
        std::swap(a[k * size + j], a[pivot * size + j]);
        std::swap(b[k * size + j], b[pivot * size + j]);
      }
      const double scale = 1 / a[k * size + k];
      for (std::size_t j = 0; j < size; ++j) {
        a[k * size + j] *= scale;
        b[k * size + j] *= scale;
      }
      for (std::size_t i = 0; i < size; ++i) {
        const double by = a[i * size + k];
        for (std::size_t j = 0; i != k && j < size; ++j) {
          a[i * size + j] -= by * a[k * size + j];
          b[i * size + j] -= by * b[k * size + j];
        }
      }
    }
  }
  return out;
}

Element element_of(const Space& space, const Json& json) {
  std::vector<ElementPart> parts;
  const Element identity = Element::identity(space);
  for (std::size_t i = 0; i < space.factors().size(); ++i) {
    ElementPart part = identity.part(static_cast<int>(i));
    if (const Json* own = json.find(space.factors()[i].name)) {
      const auto fill = [&](const char* key, std::vector<double>& to) {
        if (const Json* values = own->find(key)) to = flat(*values);
      };
      if (const Json* order = own->find("order")) {
        part.order.clear();
        for (const double place : flat(*order)) part.order.push_back(static_cast<std::int32_t>(place));
      }
      fill("scale", part.scale);
      fill("matrix", part.matrix);
      fill("re", part.re);
      fill("im", part.im);
      if (own->find("matrix")) part.inverse = inverses(part.matrix, part.size);
    }
    parts.push_back(std::move(part));
  }
  return Element(space, std::move(parts));
}

std::string text_of(const Json& json, const char* key) {
  const Json* text = json.find(key);
  return text ? *text->text() : "";
}

/// Windows and factors as the golden file has them.
void check_layout(const FileSpace& files, const Json& golden) {
  const Space& space = files.space;
  const auto& factors = *golden.find("factors")->object();
  std::size_t named = 0;
  for (const Factor& f : space.factors()) named += !f.name.starts_with("fixed.");
  CHECK(named == factors.size());
  for (const auto& [name, own] : factors) {
    REQUIRE_MESSAGE(space.find_factor(name) >= 0, name);
    const Factor& f = space.factors()[static_cast<std::size_t>(space.find_factor(name))];
    CHECK(f.kind->name == text_of(own, "kind"));
    CHECK(f.size == own.find("size")->whole());
    CHECK(f.per == text_of(own, "per"));
    CHECK(f.along == text_of(own, "along"));
  }
  const auto& windows = *golden.find("windows")->object();
  CHECK(windows.size() == files.windows.size());
  for (const auto& [name, own] : windows) {
    const int t = space.find_tensor(space_name(name));
    REQUIRE_MESSAGE(t >= 0, name);
    const Window& window = files.windows[static_cast<std::size_t>(t)];
    const FileTensor& file = files.files[static_cast<std::size_t>(window.file)];
    CHECK(files.text.tensors[static_cast<std::size_t>(window.file)].name == text_of(own, "file"));
    CHECK(file.indexed == (own.find("name_index") != nullptr));
    CHECK(window.offset == own.find("offset")->whole());
    CHECK(static_cast<double>(file.plus) == own.find("plus")->number());
    const auto& axes = *own.find("axes")->list();
    REQUIRE(axes.size() == window.axes.size());
    for (std::size_t k = 0; k < axes.size(); ++k) {
      CHECK(window.axes[k] == WindowAxis{*axes[k].find("size")->whole(), *axes[k].find("stride")->whole()});
      std::string characters;
      for (const Json& c : *axes[k].find("characters")->list())
        characters += (characters.empty() ? "" : "&") +
                      with_degree(*(*c.list())[0].text(), static_cast<int>(*(*c.list())[1].whole()));
      const std::string printed = space.str(space.tensors()[static_cast<std::size_t>(t)].axes[k]);
      CHECK((characters.empty() ? printed.starts_with("fixed.") : printed == characters));
    }
  }
}

void check_golden(const std::filesystem::path& json_path) {
  const Json golden = Json::parse(read_text(json_path));
  const std::string stem = json_path.string().substr(0, json_path.string().size() - 5);
  Numbers numbers = read(stem + ".safetensors");
  const Numbers expected = read(stem + ".moved.safetensors");
  const FileSpace files = FileSpace::parse(*golden.find("space")->text()).present([&](const std::string& name) {
    return numbers.contains(name);
  });
  check_layout(files, golden);
  const Element g = element_of(files.space, *golden.find("element"));
  write_windows(files, act(g, read_windows(files, of(numbers))), of(numbers));
  for (const auto& [name, tensor] : expected) CHECK_MESSAGE(relative_error(numbers.at(name), tensor) < 1e-12, name);
}

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
  check_golden(std::filesystem::path(WEFT_SOURCE_DIR) / "tests/fixtures/architectures/lstm.json");
  const DataFolder shared("WEFT_ARCHITECTURES_DIR", "../shared/architectures");
  if (!shared.asked_for && files_in(shared.path / "golden").empty()) {
    MESSAGE("skipped: no golden files in " << shared.path.string());
    return;
  }
  int count = 0;
  for (const auto& path : files_in(shared.path / "golden")) {
    const std::string name = path.filename();
    if (!name.ends_with(".json") || name.ends_with(".config.json")) continue;
    CAPTURE(name);
    check_golden(path);
    ++count;
  }
  CHECK(count >= 8);
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
    for (const FileTensor& file : files.files) covered.emplace_back(static_cast<std::size_t>(file.shape.numel()));
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
    for (const FileTensor& file : files.files) {
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
