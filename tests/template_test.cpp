// Templates of architectures (spec 8.7): expressions, loops, conditions, and what a file's names decide.

#include "weft/networks/files/template.h"

#include <doctest/doctest.h>

#include "weft/networks/files/file_text.h"
#include "weft/networks/files/name_pattern.h"
#include "weft/networks/files/solve.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/random_space.h"

using namespace weft;
using namespace weft::testing;

namespace {

Json config(const char* text = R"({"n": 12, "h": 5, "list": [3, 4, 8], "none": null, "yes": true, "no": false,
                                   "part": 0.25, "kind": "relu", "inner": {"n": 7}, "big": 9223372036854775807})") {
  return Json::parse(text);
}

/// An expression as a template computes it.
std::string value(const std::string& expression) {
  const Lexer at(expression, "architecture", true);
  Lexer in = at;
  const Expression e = parse_expression(in);
  REQUIRE(in.done());
  const Json names = config();
  const Meaning meaning = [&](const std::string& name) -> std::optional<Expression> {
    const Json* own = names.find(name);
    return own && *own != Json() ? std::optional(Expression::of(*own)) : std::nullopt;
  };
  return computed(e, meaning, "[architecture] line 1").str();
}

std::string expanded(const std::string& text, const Json& names = config()) {
  return FileText::parse(Template::parse(text).expanded(names).text).str();
}

std::string error(const std::string& text, const Json& names = config()) {
  return message_of<ParseError>([&] {
    const ExpandedText out = Template::parse(text).expanded(names);
    FileText::parse(out.text, out.lines);
  });
}

}  // namespace

TEST_CASE("templates: what expressions compute") {
  const std::pair<const char*, const char*> cases[] = {
      {"n // h", "2"},
      {"-7 // 2", "-4"},
      {"-7 % 2", "1"},
      {"7 % 3 * 2 + 1", "3"},
      {"2 + 3 * (4 - 1)", "11"},
      {"list[1] * list[h - 4]", "16"},
      {"missing ? n", "12"},
      {"none ? missing ? h", "5"},
      {"missing // 2 ? n", "12"},
      {"n ? missing", "12"},
      {"missing + n", "missing + 12"},
      {"2 * (missing[1] - n)", "2 * (missing[1] - 12)"},
      {"n * part // 1", "3"},
      {"n * part", "3.0"},
      {"n > 5 and h > 5", "false"},
      {"missing and no", "false"},
      {"missing or yes", "true"},
      {"missing or no", "missing or false"},
      {"not n", "false"},
      {"not not list", "true"},
      {"kind == \"relu\"", "true"},
      {"kind != \"tanh\"", "true"},
      {"n == 12 and not no", "true"},
      {"true", "true"},
      {"no or n", "12"},
      {"n or h", "12"},
      {"n and h", "5"},
      {"missing and n", "missing and 12"},
      {"missing or n", "missing or 12"},
      {"yes + n", "13"},
      {"3 * (n == 12) - no", "3"},
      {"yes == 1", "true"},
      {"list[-1] + list[-3]", "11"},
      {"shape(\"w\")[0] + rank", "shape w[0] + rank"},
      {"n >= 12 and n <= 12 and 11 < n", "true"},
  };
  for (const auto& [expression, expected] : cases) CHECK_MESSAGE(value(expression) == expected, expression);
}

TEST_CASE("templates: what an expression must have been") {
  const auto solve = [](const std::string& text, std::int64_t target) {
    Lexer in(text, "architecture", true);
    return solved_for(parse_expression(in), "x", target);
  };
  CHECK(solve("x", 5) == 5);
  CHECK(solve("4 * x", 20) == 5);
  CHECK(solve("4 * x", 21) == std::nullopt);
  CHECK(solve("3 * (x - 2) + 1", 10) == 5);
  CHECK(solve("10 - x", 7) == 3);
  CHECK(solve("x * x", 49) == 7);
  CHECK(solve("x * x", 50) == std::nullopt);
  CHECK(solve("x + x + x + x", 20) == 5);
  CHECK(solve("x * (12 // x)", 12) == std::nullopt);  // every divisor
  CHECK(solve("x // 2", 3) == std::nullopt);          // 6 and 7
  CHECK(solve("x + 5", 3) == std::nullopt);           // none is negative
}

TEST_CASE("templates: loops, conditions, sizes and indices") {
  CHECK(expanded(R"(
size K = n // h      # two
for i in 0..2 {
  size W = list[i]
  f.{i}: fixed($W)
  if i > 0 and yes { w.{i} [f.{i}, f.{i-1}, $K, $(4*K)] } else { w.{i} [f.{i}] }
})") == "f.0: fixed(3)\nf.1: fixed(4)\nw.0 [f.0]\nw.1 [f.1, f.0, 2, 8]\n");
  CHECK(expanded("e.0: permutation(2)\nfor i in 0..1 { x.{e.{i}}.w [$n] }\nfor i in 2..2 { y }") ==
        "e.0: permutation(2)\nx.{e.0}.w [12]\n");
  CHECK(expanded("if no {\n a [1] }\nelse\n{ b [2] } c [$inner]", Json::parse(R"({"no": false, "inner": 3})"))
            .find("b [2]") == 0);
  CHECK(expanded("a [$(inner.n)]") == "a [7]\n");
  CHECK(expanded("size s = 3\na [$s, (size: 2 | if: $s)]") == "a [3, (size: 2 | if: 3)]\n");
  // What is no statement is a name.
  CHECK(expanded("part [1] ignore [2] format [3] iffy [4]") == "part [1]\nignore [2]\nformat [3]\niffy [4]\n");
  const Template text = Template::parse(
      "part;\nignore \"a.*\"\nrename \"b.**\" -> \"c.**\"\nnumber \"*.w\"\nrequested;\nmodel \"m\", \"o\"\nx [1]");
  CHECK(text.part());
  CHECK(text.requested());
  CHECK(text.is_model("o"));
  CHECK_FALSE(text.is_model("x"));
  CHECK(text.ignored() == std::vector<std::string>{"a.*"});
  CHECK(text.renames()[0].second == "c.**");
  CHECK(text.numbered()[0] == "*.w");
}

TEST_CASE("templates: patterns of names") {
  CHECK(fits("a.*.b", "a.12.b"));
  CHECK_FALSE(fits("a.*.b", "a.1.2.b"));
  CHECK(fits("a.**.b", "a.1.2.b"));
  CHECK_FALSE(fits("a.*", "a."));
  CHECK(replaced("h.**", "t.h.**", "h.0.w") == "t.h.0.w");
  CHECK(replaced("**.*.gamma", "*-**", "a.b.c.gamma") == "a.b-c");
  CHECK(replaced("**.w_*", "x.w_*", "a.b.w_0") == "x.w_0");
  CHECK(replaced("fc*.*", "*.*", "fc12.bias") == "12.bias");
  CHECK(replaced("h.*", "x", "g.0") == std::nullopt);
}

TEST_CASE("templates: every refusal, word for word") {
  const std::pair<const char*, const char*> cases[] = {
      {"a [$missing]", "[architecture] line 1: the config does not tell missing"},
      {"\n\na [$(missing // n)]", "[architecture] line 3: the config does not tell missing"},
      {"size K = none\na [1]", "[architecture] line 1: the config does not tell none"},
      {"a [$(n // 0)]", "[architecture] line 1: 'n // 0' is 12 divided by 0"},
      {"a [$(big + 1)]", "[architecture] line 1: a result of 9223372036854775807 and 1 is beyond 64 bits"},
      {"a [$(big * 2)]", "[architecture] line 1: a result of 9223372036854775807 and 2 is beyond 64 bits"},
      {"a [$(list + 1)]", "[architecture] line 1: 'list + 1' is an operation on a list; allowed: numbers"},
      {"a [$(kind * 2)]", "[architecture] line 1: 'kind * 2' is an operation on the text \"relu\"; allowed: numbers"},
      {"a [$yes]", "[architecture] line 1: 'yes' is true; allowed: a whole number"},
      {"a [$(yes[0])]", "[architecture] line 1: 'yes' is a truth value; allowed before '[': a list"},
      {"a [$(list[-4])]", "[architecture] line 1: 'list' has 3 items, and none at -4"},
      {"if present(\"a\") { a [1] }", "[architecture] line 1: the config does not tell present a"},
      {"a [$list]", "[architecture] line 1: 'list' is [3,4,8]; allowed: a whole number"},
      {"a [$part]", "[architecture] line 1: 'part' is 0.25; allowed: a whole number"},
      {"a [$(list[3])]", "[architecture] line 1: 'list' has 3 items, and none at 3"},
      {"a [$(n[0])]", "[architecture] line 1: 'n' is 12; allowed before '[': a list"},
      {"for i in 0..big { a [1] }", "[architecture] line 1: a loop of 9223372036854775807 turns; allowed: 10000"},
      {"for i in 0..1000 {\n for j in 0..1000 { size K = 1\n } }",
       "[architecture] line 2: more than 100000 turns of loops in all"},
      {"for i in 0..2 { a [1]", "[architecture] line 1, column 22: expected '}' behind a block, found 'end'"},
      {"a [1] }", "[architecture] line 1, column 7: expected '{' before '}', found '}'"},
      {"if n > 2\n a [1]", "[architecture] line 2, column 2: expected '{' before a block, found 'a [1]'"},
      {"for i of 0..2 { a }",
       "[architecture] line 1, column 7: expected 'in' before what a loop goes through, found 'of 0..2 { a '"},
      {"size K = 2 3\na", "[architecture] line 1, column 12: expected the line's end behind a size, found '3'"},
      {"a.{i [1]", "[architecture] line 1, column 3: expected '}' behind an index, found '{i [1]'"},
      {"a [$]", "[architecture] line 1, column 5: expected a name or '(' behind '$', found ']'"},
      {"a [$(n]", "[architecture] line 1, column 7: expected ')' behind an expression, found ']'"},
      {"rename \"a\" \"b\"",
       "[architecture] line 1, column 12: expected '->' behind the names to replace, found '\"b\"'"},
      {"for k, m in \"*.w\" { a }",
       "[architecture] line 1: a loop over the names \"*.w\" of a file, and there is none"},
      {"size n = 2\n\nfor i in 0..n {\n  a.{i} [b]\n}",
       "[architecture] line 4, column 8: expected a declared factor as axis of tensor 'a.0', found 'b]'"},
  };
  for (const auto& [text, message] : cases) CHECK_MESSAGE(error(text) == message, text);
  std::string deep, blocks;
  for (int i = 0; i < 60; ++i) deep += "(";
  for (int i = 0; i < 40; ++i) blocks += "if yes {";
  CHECK(error("a [$(" + deep).find("an expression more than 50 deep") != std::string::npos);
  CHECK(error(blocks).find("blocks more than 32 deep") != std::string::npos);
}

TEST_CASE("templates: what would take all memory or time is refused") {
  std::string sum = "a [$(1";
  for (int i = 0; i < 300; ++i) sum += " + 1";
  CHECK(error(sum + ")]").find("an expression of more than 200 operations") != std::string::npos);
  const std::string wide = "for i in 0..9000 {\n \"" + std::string(1000, 'n') + "\" [1]\n}";
  CHECK(error(wide) == "[architecture] line 1: the text grows beyond 4194304 characters");
  // Each line doubles what is not known of the size, each condition what is tried.
  std::string doubled = "size k0 = unknown + 1\n", nested;
  for (int i = 1; i < 40; ++i) doubled += fmt::format("size k{} = k{} + k{}\n", i, i - 1, i - 1);
  FileFacts file;
  for (int i = 0; i < 30; ++i) {
    nested += fmt::format("if unknown{} > 1 {{\n a{} [1]\n", i, i);
    file.shapes.emplace(fmt::format("a{}", i), Shape{1});
  }
  for (int i = 0; i < 30; ++i) nested += "}\n";
  const auto in_file = [&](const std::string& text) {
    return message_of<ParseError>([&] { Template::parse(text).expanded(Json(Json::Object{}), file); });
  };
  CHECK(in_file(doubled + "a0 [$k39]") ==
        "[architecture] line 9: what is not known yet of 'k8' has more than 1000 parts");
  CHECK(in_file(nested).find("the text grows beyond") != std::string::npos);
}

TEST_CASE("templates: names, axes and sizes of a file's tensors are facts") {
  const Template text = Template::parse(R"(
for k, m in "**.a" {
  if rank("{m}.a") == 4 { "{m}.a" [$(shape("{m}.a")[1]), 1, 1, 1] } else { "{m}.a" [$(shape("{m}.a")[-1])] }
}
if present("b.{1 + 1}") and not present("b.{m}") { b.2 [1] })");
  const FileFacts facts{{{"x.a", {2, 3, 1, 1}}, {"y.a", {5, 7}}, {"b.2", {1}}}, {}};
  CHECK(FileText::parse(text.expanded(Json(Json::Object{}), facts).text).str() ==
        "x.a [3, 1, 1, 1]\ny.a [7]\nb.2 [1]\n");
}

TEST_CASE("templates: patterns of all tensors that a text may have") {
  const auto patterns = [](const char* text) { return Template::parse(text).tensors(); };
  using Names = std::vector<std::string>;
  CHECK(patterns("e.0: permutation(2)\nfor i in 0..n { if x { a.{i}.w = t [3] } else { b{i-1}.{e.{i}}.w? [$(n)] } }") ==
        Names{"a.**.w", "t", "b**.**.w"});
  CHECK(Template::parse("a.b [1] c? [2] for i in 0..n { d.{i} = t [3] if x { e [4] } }").required() ==
        Names{"a.b", "d.**"});
  CHECK(patterns("for k, m in \"*.w\" { h.{k}: fixed($n) \"{m}.w\" [h.{k}] }") == Names{"**.w"});
  CHECK(patterns("a + {n} [1]").empty());
}

TEST_CASE("templates: what the config lacks, a file's names and shapes tell") {
  const Template text = Template::parse(R"(
for i in 0..layers {
  f.{i}: fixed($(widths[i]))
  if gated[i] { {i}.gate [f.{i}] } else { {i}.plain [f.{i}, $in] }
  for j in 0..depths[i] { {i}.{j}.w [f.{i}, (a: 2 f.{i} | b: $rest)] }
}
if tied { w = v [$in] } else { w [$in] v [$out] })");
  FileShapes shapes{{"0.gate", {3}},    {"1.plain", {4, 6}}, {"0.0.w", {3, 11}},
                    {"0.1.w", {3, 11}}, {"1.0.w", {4, 13}},  {"w", {6}}};
  const auto told = [&](const Json& known, std::function<bool(const std::string&, const std::string&)> equal) {
    const FileFacts facts{shapes, std::move(equal)};
    ExpandedText out = text.expanded(known, facts);
    const FileText file = solved(FileText::parse(out.text, out.lines), shapes, out.told);
    return std::pair(file.str(), out.told);
  };
  const auto empty = Json(Json::Object{});
  const auto [file, names] = told(empty, {});
  CHECK(file ==
        "f.0: fixed(3)\nf.1: fixed(4)\n0.gate [f.0]\n0.0.w [f.0, (a: 2 f.0 | b: 5)]\n0.1.w [f.0, (a: 2 f.0 | b: 5)]\n"
        "1.plain [f.1, 6]\n1.0.w [f.1, (a: 2 f.1 | b: 5)]\nw = v [6]\n");
  CHECK(names.at("layers") == Json(2));
  CHECK(names.at("depths[0]") == Json(2));
  CHECK(names.at("depths[1]") == Json(1));
  CHECK(names.at("widths[1]") == Json(4));
  CHECK(names.at("rest") == Json(5));
  CHECK(names.at("tied") == Json(true));
  // Ties are what the file holds: two tensors that differ are none, whatever the config says.
  shapes.emplace("v", Shape{6});
  const auto tie = [&](const char* known, std::optional<bool> equal) {
    std::function<bool(const std::string&, const std::string&)> same;
    if (equal) same = [&](const std::string&, const std::string&) { return *equal; };
    return told(Json::parse(known), same).second.at("tied") == Json(true);
  };
  CHECK_FALSE(tie(R"({"tied": true})", false));
  CHECK(tie(R"({"tied": true})", true));
  CHECK_FALSE(tie(R"({"tied": false})", true));
  CHECK(tie("{}", true));
  CHECK_FALSE(tie("{}", false));
  CHECK(tie(R"({"tied": true})", {}));
  CHECK_FALSE(tie("{}", {}));
}

TEST_CASE("templates: expansions of texts of another implementation are what it says") {
  const DataFolder shared("WEFT_ARCHITECTURES_DIR", "../shared/architectures");
  int count = 0;
  for (const auto& path : files_in(shared.path / "golden")) {
    const std::string name = path.filename();
    if (!name.ends_with(".json") || name.ends_with(".config.json") || name == "lstm.json") continue;
    CAPTURE(name);
    const Json golden = Json::parse(read_text(path));
    const std::string stem = name == "resnet.json" ? "resnet_hf" : name.substr(0, name.size() - 5);
    const Template text = Template::parse(read_text(shared.path / (stem + ".weft")));
    CHECK(FileText::parse(text.expanded(*golden.find("config")).text).str() ==
          FileText::parse(*golden.find("space")->text()).str());
    ++count;
  }
  if (shared.asked_for) CHECK(count >= 7);
  if (count == 0) MESSAGE("skipped: no golden files in " << shared.path.string());
}

TEST_CASE("templates: mangled ones are refused or read") {
  const std::string text = R"(size K = n // h
for i in 0..2 { f.{i}: fixed($(list[i]))
 if i > 0 { w.{i} [f.{i}, f.{i-1}, $K] } else { w.{i}? [(a: f.{i} | b: $(4*K))] } })";
  int read = 0;
  for (std::uint64_t seed = 0; seed < 10000; ++seed) {
    Draw draw(RandomKey(seed, "mangled template"));
    const std::string changed = mangled(text, draw);
    try {
      const ExpandedText out = Template::parse(changed).expanded(config());
      FileText::parse(out.text, out.lines);
      ++read;
    } catch (const ParseError&) {}
  }
  CHECK(read > 300);
  CHECK(read < 9000);
}
