// weft same: do two network files hold the same function?

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/apps/colour.h"
#include "weft/apps/command.h"
#include "weft/apps/network_option.h"
#include "weft/apps/run_folder.h"
#include "weft/symmetry/network_files.h"
#include "weft/zoo/element_file.h"

namespace weft::apps {
namespace {

struct SameOptions {
  std::string a, b, out, element;
  NetworkOptions reading;
  std::optional<double> tolerance;
  bool after_norm = false, force = false;
};

/// ||M|| ||M^-1|| of the matrix of one copy, which bounds its condition number.
double condition(const ElementPart& p, std::int64_t copy) {
  double m = 0, inverse = 0;
  for (std::int64_t i = copy * p.size * p.size; i < (copy + 1) * p.size * p.size; ++i) {
    m += p.matrix[static_cast<std::size_t>(i)] * p.matrix[static_cast<std::size_t>(i)];
    inverse += p.inverse[static_cast<std::size_t>(i)] * p.inverse[static_cast<std::size_t>(i)];
  }
  return std::sqrt(m * inverse);
}

/// What one factor does, in a few words.
std::string text(const Factor& f, const ElementPart& p) {
  std::string out;
  if (!p.order.empty()) {
    std::int64_t moved = 0;
    for (std::size_t i = 0; i < p.order.size(); ++i)
      moved += p.order[i] != static_cast<std::int32_t>(i % static_cast<std::size_t>(p.size));
    out = p.order.size() <= 16 ? fmt::format("order {}", fmt::join(p.order, " "))
                               : fmt::format("{} of {} moved", moved, p.order.size());
  }
  if (f.kind->has_magnitudes()) {
    const auto [low, high] = std::minmax_element(p.scale.begin(), p.scale.end());
    out += fmt::format("{}scales {:.3g} to {:.3g}", out.empty() ? "" : ", ", *low, *high);
  }
  if (f.kind->has_signs())
    out += fmt::format("{}{} signs changed", out.empty() ? "" : ", ",
                       std::count_if(p.scale.begin(), p.scale.end(), [](double s) { return s < 0; }));
  if (f.kind->has_pairs()) {
    double low = INFINITY, high = 0;
    for (std::size_t i = 0; i < p.re.size(); ++i) {
      low = std::min(low, std::hypot(p.re[i], p.im[i]));
      high = std::max(high, std::hypot(p.re[i], p.im[i]));
    }
    out = fmt::format("{} complex numbers of size {:.3g} to {:.3g}", p.re.size(), low, high);
  }
  if (f.kind->mixing == Mixing::matrix) {
    double worst = 0;
    for (std::int64_t c = 0; c < p.copies; ++c) worst = std::max(worst, condition(p, c));
    out = fmt::format("{} {}, condition below {:.3g}", p.copies, p.copies == 1 ? "matrix" : "matrices", worst);
  }
  return out;
}

template <class T = double>
Json to_json(const Tensor& t) {
  if (t.rank() == 0) return t.data<T>()[0];
  Json out = Json::array();
  for (std::int64_t i = 0; i < t.dim(0); ++i) {
    if (t.rank() == 1)
      out.push_back(t.data<T>()[i]);
    else
      out.push_back(to_json<T>(t[i]));
  }
  return out;
}

/// By tensor: ||g a - b|| / ||b||.
Json residuals(const NetworkElement& e) {
  Json out = Json::object();
  for (std::size_t t = 0; t < e.of_tensors.size(); ++t) out[e.element.space().tensors()[t].name] = e.of_tensors[t];
  return out;
}

/// As files of elements have them: [copies, n], of matrices [copies, n, n].
template <class T>
Json lists(const std::vector<T>& numbers, const Shape& shape) {
  return to_json<T>(Tensor::from(std::span(numbers), shape));
}

Json to_json(const NetworkElement& found) {
  Json factors = Json::object();
  const Element& g = found.element;
  for (int f = 0; f < static_cast<int>(g.space().factors().size()); ++f)
    if (const Factor& factor = g.space().factors()[static_cast<std::size_t>(f)]; factor.kind->moves()) {
      const ElementPart& p = g.part(f);
      Json part = Json::object();
      if (!p.order.empty()) part["order"] = lists(p.order, {p.copies, p.size});
      if (!p.scale.empty()) part["scale"] = lists(p.scale, {p.copies, p.size});
      if (!p.matrix.empty()) part["matrix"] = lists(p.matrix, {p.copies, p.size, p.size});
      if (!p.re.empty()) part["re"] = lists(p.re, {p.copies, p.size / 2});
      if (!p.im.empty()) part["im"] = lists(p.im, {p.copies, p.size / 2});
      factors[factor.name] = std::move(part);
    }
  return {{"residual", found.residual}, {"tensors", residuals(found)}, {"factors", std::move(factors)}};
}

Json to_json(const FileEquivalence& answer) {
  const NetworkEquivalence& found = answer.found;
  Json json{{"decision", name(found.decision)}, {"tolerance", answer.tolerance}};
  if (!answer.apart.empty()) json["apart"] = answer.apart;
  if (answer.folded) json["folded"] = true;
  if (found.element) json["element"] = to_json(*found.element);
  if (found.nearest) json["nearest"] = {{"residual", found.nearest->residual}, {"tensors", residuals(*found.nearest)}};
  if (const auto& w = found.witness)
    json["witness"] = {
        {"difference", w->difference}, {"x", to_json(w->x)}, {"y_a", to_json(w->y_a)}, {"y_b", to_json(w->y_b)}};
  return json;
}

/// The tensors that the element leaves farthest from the second network.
void print_worst(const NetworkElement& e) {
  constexpr std::size_t lines = 5;
  const auto& tensors = e.element.space().tensors();
  std::vector<std::size_t> order(e.of_tensors.size());
  for (std::size_t t = 0; t < order.size(); ++t) order[t] = t;
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t t) { return e.of_tensors[t]; });
  if (order.size() > lines) order.resize(lines);
  for (const std::size_t t : order) fmt::print("  {:.1e} of {}\n", e.of_tensors[t], tensors[t].name);
}

void print(const FileEquivalence& answer) {
  const NetworkEquivalence& found = answer.found;
  if (answer.folded) fmt::print("with their norms and shifts folded, as weft fold does:\n");
  if (found.element) {
    const Element& g = found.element->element;
    fmt::print("an element of the group carries the first to the second, every unit and head to {:.1e} of its size:\n",
               found.element->residual);
    for (int f = 0; f < static_cast<int>(g.space().factors().size()); ++f)
      if (const Factor& factor = g.space().factors()[static_cast<std::size_t>(f)]; factor.kind->moves())
        fmt::print("  {:<10} {:<24} {}\n", factor.name, factor.str(), text(factor, g.part(f)));
    if (!found.element->of_tensors.empty()) fmt::print("what it leaves, by tensor, the largest first:\n");
    print_worst(*found.element);
  } else if (found.decision == Decision::same) {
    fmt::print("no single element of the group explains it: they differ in what no output depends on\n");
  } else if (found.witness) {
    fmt::print("on an input of shape {} their outputs differ by {:.2e} of their size (--json and --out hold it)\n",
               found.witness->x.shape().str(), found.witness->difference);
  } else if (found.decision == Decision::different) {
    fmt::print("no element of the group was found that carries the first to the second; the nearest leaves\n");
    print_worst(*found.nearest);
  } else {
    fmt::print(
        "neither equal to {:g}, unit by unit and head by head, nor different by {:g} on an input that was tried\n",
        answer.tolerance, decision_gap * answer.tolerance);
  }
  fmt::print("tolerance {:.2g}, numbers of {}\n", answer.tolerance, name(answer.coarsest));
  if (!answer.apart.empty())
    fmt::print("not of the network, and other numbers in each file, so that no answer is proven: {}\n",
               fmt::join(answer.apart, ", "));
  fmt::print("{}\n",
             coloured(stdout, found.decision == Decision::same ? Colour::good : Colour::bad, name(found.decision)));
}

/// Of two configs that say what weights do not tell.
void remark_on_configs(const weft::Json& a, const weft::Json& b, const Common& common) {
  // What says where a network is from, or how its file holds it.
  constexpr std::string_view kept[] = {"_name_or_path", "architectures",        "dtype",
                                       "torch_dtype",   "transformers_version", "tie_word_embeddings"};
  std::vector<std::string> keys;
  for (const auto& [key, value] : *a.object())
    if (const weft::Json* other = b.find(key); other && !(*other == value) && std::ranges::count(kept, key) == 0)
      keys.push_back(key);
  if (!keys.empty())
    common.remark(fmt::format("the configs differ in {}; what is decided is of the weights", fmt::join(keys, ", ")));
}

void save_witness(const SameOptions& o, const NetworkWitness& w) {
  save_safetensors(o.out, std::vector<NamedTensor>{{"x", w.x}, {"y_a", w.y_a}, {"y_b", w.y_b}});
}

int same(const SameOptions& o, const Common& common) {
  const auto [of_a, of_b] = readings_of_two(o.a, o.b, reading(o.reading));
  const NetworkFile a = load_network(o.a, of_a, common), b = load_network(o.b, of_b, common);
  std::vector<std::filesystem::path> inputs = files_read(o.a, o.reading);
  for (const auto& path : files_read(o.b, o.reading)) inputs.push_back(path);
  for (const std::string& out : {o.out, o.element})
    if (!out.empty()) check_output_file({out, o.force, false}, inputs);
  remark_on_configs(*of_a.config, *of_b.config, common);
  const FileEquivalence answer = compare_network_files(a, b, {.tolerance = o.tolerance, .after_norm = o.after_norm});
  const NetworkEquivalence& found = answer.found;
  if (!o.out.empty() && found.witness) save_witness(o, *found.witness);
  if (!o.element.empty() && found.element) save_element(o.element, found.element->element);
  if (common.json)
    fmt::print("{}\n", to_json(answer).dump(1));
  else if (!common.quiet)
    print(answer);
  return found.decision == Decision::same ? exit_ok : exit_fail;
}

}  // namespace

void add_same(CLI::App& app, Common& common, Run& run) {
  CLI::App& verb = add_verb(app, common, "same", "Decide whether two networks compute the same function",
                            "  weft same net.safetensors moved.safetensors\n"
                            "  weft same a.safetensors b.safetensors --after-norm     attention behind a LayerNorm\n"
                            "Exit code 0: same, 1: different or undecided.");
  auto o = std::make_shared<SameOptions>();
  verb.add_option("a", o->a, "a network: safetensors, PyTorch, numpy, or a folder with one")
      ->required()
      ->type_name("FILE");
  verb.add_option("b", o->b, "another one of that space or architecture; attention alone may have other heads")
      ->required()
      ->type_name("FILE");
  add_network_options(verb, o->reading, true);
  verb.add_option("--tolerance", o->tolerance,
                  "relative difference that counts as none; else 1e-4, of F16 0.01, of BF16 0.08")
      ->check(CLI::Validator(
          [](const std::string& text) -> std::string {
            const double value = std::strtod(text.c_str(), nullptr);
            if (!(value > 0 && value < 1)) return fmt::format("{}; allowed: between 0 and 1", text);
            return {};
          },
          ""));
  verb.add_flag("--after-norm", o->after_norm, "attention alone: tokens come from a LayerNorm without affine part");
  verb.add_option("--out", o->out, "safetensors file for the input on which they differ: x, y_a, y_b")
      ->type_name("FILE");
  verb.add_option("--save-element", o->element, "file for the element between them, which weft act --element takes")
      ->type_name("FILE");
  verb.add_flag("--force", o->force, "replace what is there");
  verb.callback([o, &common, &run] { run = [o, &common] { return same(*o, common); }; });
}

}  // namespace weft::apps
